"""Real checkpoints of other people go from names to objects and back, each tensor as TensorFlow reads it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from migration import Checkpoint, InputError, Style, execute, make_plan
from tests.corpus.catalog import NAME_BASED, OBJECT_BASED, ROWS, V2
from tests.roundtrip.oracle import specs, tensors, unequal

COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
WAYS = [*((name, "copy") for name in NAME_BASED), *((name, "link") for name in V2)]


def test_the_corpus_is_whole(corpus: Path) -> None:
    assert (len(NAME_BASED), len(OBJECT_BASED)) == (28, 3)
    assert all((corpus / row["prefix"]).parent.is_dir() for row in ROWS.values())


@pytest.mark.parametrize(("name", "data"), WAYS)
def test_both_ways(corpus: Path, name: str, data: Any, tmp_path: Path) -> None:
    original = str(corpus / ROWS[name]["prefix"])
    source = Checkpoint.open(original)
    assert source.style is Style.NAME
    wanted = tensors(original)
    plan = make_plan(source)
    execute(plan, source, tmp_path / "there", data=data)

    there = Checkpoint.open(tmp_path / "there")
    assert there.style is Style.OBJECT
    found = tensors(there.prefix)
    del found[COUNTER]
    places = {step.target: step.sources[0].key for step in plan.steps if step.sources}
    assert unequal({places[key]: array for key, array in found.items()}, wanted) == []

    execute(make_plan(there, to="name"), there, tmp_path / "back", data=data, manifest=False)
    back = Checkpoint.open(tmp_path / "back")
    assert back.style is Style.NAME
    assert unequal(tensors(back.prefix), wanted) == []
    assert specs(back.prefix) == specs(original)
    assert back.partitions == source.partitions


@pytest.mark.parametrize("name", NAME_BASED)
def test_the_mirror_has_the_slots_that_the_catalog_counts(corpus: Path, name: str) -> None:
    """Adam's and RMSProp's slots of the catalog are slots in the object graph, not plain variables."""
    source = Checkpoint.open(corpus / ROWS[name]["prefix"])
    graph = make_plan(source).graph
    assert graph is not None
    slots = Counter(slot.slot_name for node in graph.nodes for slot in node.slots)
    for told in ROWS[name]["optimizer_slots"]:
        kind, _, count = told.rpartition(" x")
        if kind in ("Adam", "RMSProp"):
            assert sum(slots.values()) == int(count)
            assert set(slots) == ({"m", "v"} if kind == "Adam" else {"rms", "momentum"})


@pytest.mark.parametrize("name", OBJECT_BASED)
def test_the_object_based_ones_are_told_apart(corpus: Path, name: str) -> None:
    source = Checkpoint.open(corpus / ROWS[name]["prefix"])
    assert source.style is Style.OBJECT
    assert source.names == ()
    with pytest.raises(InputError, match="object-based"):
        make_plan(source)
