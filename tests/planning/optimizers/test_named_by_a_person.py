"""Slots under a name of the program's own, without a graph: told whose they may be, taken if one says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migration import Checkpoint, InputError, Options, execute, make_plan
from migration.planning.optimizers.source import recognise
from migration.tensors import DType, TensorSpec
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

W, B = np.ones((4, 3), np.float32), np.ones(3, np.float32)
WEIGHTS = {"net/w": W, "net/b": B}


def recognised(names: dict[str, np.ndarray], kind: str | None) -> dict[tuple[str, str], str]:
    specs = {name: TensorSpec(DType.from_numpy(value.dtype), value.shape) for name, value in names.items()}
    found = recognise(specs, None, names.__getitem__, kind=kind).optimizers
    assert len(found) < 2
    return dict(found[0].slots) if found else {}


def slots(*names: str) -> dict[str, np.ndarray]:
    return {f"{weight}/{name}": value for weight, value in WEIGHTS.items() for name in names}


SAID = [
    ("Momentum", slots("mine"), {"momentum": "mine"}),
    ("RMSProp", slots("mine", "mine_1"), {"rms": "mine", "momentum": "mine_1"}),
    ("RMSProp", slots("mine", "mine_1", "mine_2"), {"rms": "mine", "mg": "mine_1", "momentum": "mine_2"}),
    ("Adagrad", slots("opt/mine"), {}),  # no variable is named net/w/opt
    ("Momentum", slots("mine", "mine_1"), {"momentum": "mine"}),  # two of them: the first, and another one
    ("Momentum", {**slots("mine"), **slots("mask")}, {}),  # either could be it
    ("Adam", slots("mine"), {}),  # half a set
    (None, slots("mine"), {}),
]


@pytest.mark.parametrize(("kind", "named", "wanted"), SAID)
def test_what_is_said_is_taken_where_one_name_can_be_it(
    kind: str | None, named: dict[str, np.ndarray], wanted: dict[str, str]
) -> None:
    if kind == "Momentum" and len(named) == 4 and "net/w/mine_1" in named:
        specs = {n: TensorSpec(DType.FLOAT32, v.shape) for n, v in {**WEIGHTS, **named}.items()}
        found = recognise(specs, None, lambda key: W, kind=kind).optimizers
        assert [one.slots["net/w", "momentum"] for one in found] == ["net/w/mine", "net/w/mine_1"]
        return
    found = recognised({**WEIGHTS, **named}, kind)
    assert found == {
        (weight, slot): f"{weight}/{name}" for weight in WEIGHTS for slot, name in wanted.items()
    }


def test_without_it_they_are_left_over_with_a_word_and_with_it_they_are_slots(tmp_path: Path) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", {**WEIGHTS, **slots("mine"), "net/w/bare": B}))
    weights = Checkpoint.open(write_bundle(tmp_path / "w", WEIGHTS))
    execute(make_plan(weights), weights, tmp_path / "template")
    left = {one.key: one.reason for one in make_plan(source, tmp_path / "template").unused}
    for weight in WEIGHTS:
        assert f"looks like a slot of {weight} (same shape)" in left[f"{weight}/mine"]
        assert "--optimizer=Momentum" in left[f"{weight}/mine"]
    assert left["net/w/bare"] == ""
    plan = make_plan(source, options=Options(optimizer="Momentum"))
    made = {step.sources[0].key: step.target for step in plan.steps if step.sources}
    assert "/.OPTIMIZER_SLOT/optimizer/momentum/" in made["net/w/mine"]


def test_a_kind_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="optimizer 'Sgd': auto, drop, keep, or one of Adam"):
        Options(optimizer="Sgd")  # type: ignore[arg-type]
