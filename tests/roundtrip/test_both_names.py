"""With the old names kept, one file serves a Saver and a tf.train.Checkpoint, on the same bytes."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from migration import Checkpoint, PlanError, Style, execute, make_plan
from tests.roundtrip.conftest import Saved
from tests.roundtrip.graphs import CASES
from tests.roundtrip.models import INPUTS, keras_3, module_without_template
from tests.roundtrip.oracle import same, tensors

Fixture = Callable[[str], Saved]


def migrated(
    before: Saved, prefix: pathlib.Path, data: Any, template: Checkpoint | None = None
) -> Checkpoint:
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source, template), source, prefix, data=data, keep_names=True, template=template)
    return Checkpoint.open(prefix)


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize("onto", ["mirror", "keras"])
def test_a_saver_and_an_object_read_the_same_file(
    saved: Fixture, onto: str, data: Any, tmp_path: pathlib.Path
) -> None:
    before = saved("classifier")
    checkpoint, model = module_without_template() if onto == "mirror" else keras_3()
    template = None if onto == "mirror" else Checkpoint.open(checkpoint.write(str(tmp_path / "template")))
    both = migrated(before, tmp_path / "both", data, template)
    restored = before.case.restore(both.prefix)
    assert all(same(found, wanted) for found, wanted in zip(restored, before.values, strict=True))
    checkpoint.restore(both.prefix).assert_consumed()
    np.testing.assert_allclose(np.asarray(model(INPUTS)), before.values[-1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.is_v1])
def test_both_keys_lie_on_the_same_bytes(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    before = saved(name)
    plan = make_plan(before.prefix)
    both = migrated(before, tmp_path / "both", "copy")
    assert both.style is Style.BOTH
    for step in plan.steps:
        if step.partitions == ():  # put together, since no object could restore the slices: written anew
            assert not both.partitions.get(step.target)
            continue
        for taken in step.sources:
            assert both.ranges(step.target) == both.ranges(taken.key)
    stored = {(each.path, each.offset, each.size) for key in both.all_specs for each in both.ranges(key)}
    files = {path for path, _, _ in stored}
    assert sum(size for _, _, size in stored) == sum(map(os.path.getsize, files))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.is_v1])
def test_a_saver_reads_what_was_v1(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    before = saved(name)
    both = migrated(before, tmp_path / "both", "copy")
    restored = before.case.restore(both.prefix)
    assert all(same(found, wanted) for found, wanted in zip(restored, before.values, strict=True))


def test_the_latest_checkpoint_is_found_by_its_name(saved: Fixture, tmp_path: pathlib.Path) -> None:
    """What was written needs no state file to be restored, and one that TensorFlow writes leads to it."""
    both = migrated(saved("classifier"), tmp_path / "model.ckpt-7", "copy")
    tf.train.Checkpoint().restore(both.prefix).assert_existing_objects_matched()
    tf.compat.v1.train.update_checkpoint_state(str(tmp_path), both.prefix)
    assert tf.train.latest_checkpoint(str(tmp_path)) == both.prefix


def test_a_name_that_is_the_key_of_another_tensor_cannot_stay(tmp_path: pathlib.Path) -> None:
    key = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "odd"), tensor_names=[key], shape_and_slices=[""], tensors=[tf.constant(1.0)]
    )
    source = Checkpoint.open(tmp_path / "odd")
    with pytest.raises(PlanError, match="save_counter"):
        execute(make_plan(source), source, tmp_path / "both", keep_names=True)
    assert not list(tmp_path.glob("both*"))
    execute(make_plan(source), source, tmp_path / "there")
    there = Checkpoint.open(tmp_path / "there")
    execute(make_plan(there, to="name"), there, tmp_path / "back", manifest=False)
    assert {name: float(array) for name, array in tensors(tmp_path / "back").items()} == {key: 1.0}
