"""What TensorFlow's Saver wrote goes from names to objects and back, and comes back equal."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, Style, execute, make_plan
from migration.planning.savecounter import number_of
from tests.roundtrip.conftest import Saved
from tests.roundtrip.graphs import CASES
from tests.roundtrip.oracle import same, specs, tensors, unequal

Fixture = Callable[[str], Saved]
WAYS = [
    (name, data, keep_names)
    for name, case in CASES.items()
    for data in ("copy", "link")
    for keep_names in (False, True)
    if not (case.is_v1 and data == "link")
]


@pytest.mark.parametrize(("name", "data", "keep_names"), WAYS)
def test_there_and_back(
    saved: Fixture, name: str, data: Any, keep_names: bool, tmp_path: pathlib.Path
) -> None:
    before = saved(name)
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source), source, tmp_path / "there", data=data, keep_names=keep_names)
    there = Checkpoint.open(tmp_path / "there")
    assert there.style is (Style.BOTH if keep_names else Style.OBJECT)
    execute(make_plan(there, to="name"), there, tmp_path / "back", data=data, manifest=False)

    back = Checkpoint.open(tmp_path / "back")
    assert back.style is Style.NAME
    assert unequal(tensors(back.prefix), before.tensors) == []
    assert back.specs == source.specs
    assert back.partitions == source.partitions
    if not before.case.is_v1:  # also where one slice is all of its tensor
        assert {key: entry.slices for key, entry in back.index.entries.items()} == {
            key: entry.slices for key, entry in source.index.entries.items()
        }
    restored = before.case.restore(back.prefix)
    assert all(same(found, wanted) for found, wanted in zip(restored, before.values, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_objects_hold_every_tensor(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    """TensorFlow reads from the object-based file what it read under the names; one counter is new."""
    before = saved(name)
    source = Checkpoint.open(before.prefix)
    plan = make_plan(source)
    execute(plan, source, tmp_path / "there-12")
    found = tensors(tmp_path / "there-12")
    counter = found.pop("save_counter/.ATTRIBUTES/VARIABLE_VALUE")
    assert same(counter, np.array(12, np.int64))
    places = {step.target: step.sources[0].key for step in plan.steps if step.sources}
    assert unequal({places[key]: array for key, array in found.items()}, before.tensors) == []


@pytest.mark.parametrize("name", ["dtypes", "V1 dtypes", "strings"])
def test_dtypes_stay_what_they_are(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    """A quantized kind is not the integer that numpy shows for it."""
    before = saved(name)
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source), source, tmp_path / "there", keep_names=True)
    kinds = specs(before.prefix)
    assert {key: spec for key, spec in specs(tmp_path / "there").items() if key in kinds} == kinds


@pytest.mark.parametrize("name", [name for name in CASES if "partitioned" in name or name == "sharded"])
def test_the_cases_have_parts(saved: Fixture, name: str) -> None:
    """The cases are what they say: several variables in parts, along several axes."""
    parts = Checkpoint.open(saved(name).prefix).partitions
    assert {len(parts[f"p/{each}"]) for each in ("rows", "columns", "middle", "vector")} == {3, 5, 4, 2}
    assert len(parts["p/rows/Adam"]) == 3


def test_the_cases_have_shards(saved: Fixture) -> None:
    """The cases are what they say: several files."""
    assert Checkpoint.open(saved("sharded").prefix).index.header.num_shards == 3
    assert len(Checkpoint.open(saved("V1 sharded").prefix).location.files) == 3


@pytest.mark.parametrize(
    ("prefix", "number"),
    [
        ("model.ckpt-1000", 1000),
        ("model.ckpt", None),
        ("model.ckpt-7-?????-of-00003", 7),
        ("model.ckpt-7-00000-of-00003", 7),
        ("export-?????-of-00001", None),
        ("export-00000-of-00001", None),
    ],
)
def test_the_number_of_a_prefix(prefix: str, number: int | None) -> None:
    """What the counter of saves starts from; the number of a V1 file's shards is none."""
    assert number_of(prefix) == number
