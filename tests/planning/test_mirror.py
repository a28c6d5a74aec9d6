"""Without a template: the object graph that names alone give."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint, Style
from migration.convert import execute
from migration.errors import FormatError, InputError, PlanError
from migration.formats.tensor_bundle import BundleIndex
from migration.planning.options import Options
from migration.planning.plan import Plan
from migration.planning.planner import make_plan
from migration.planning.rules import Rules
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

ONE = np.ones((2, 3), np.float32)
SCALAR = np.array(0.5, np.float32)
ADAM: dict[str, Any] = {
    "net/w": ONE,
    "net/w/Adam": ONE * 2,
    "net/w/Adam_1": ONE * 3,
    "beta1_power": SCALAR,
    "beta2_power": SCALAR,
    "global_step": np.array(5, np.int64),
}


def planned(folder: pathlib.Path, names: dict[str, Any], **more: Any) -> Plan:
    return make_plan(write_bundle(folder / "s", names), **more)


def places(plan: Plan) -> dict[str, str]:
    """The checkpoint key of each source."""
    return {
        step.sources[0].key: step.target.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
        for step in plan.steps
        if step.sources
    }


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a/b/kernel"], {"a/b/kernel": "a/b/kernel"}),
        (["a", "a/b"], {"a": "a/value", "a/b": "a/b"}),
        (["a", "a/b", "a/value"], {"a": "a/value_1", "a/b": "a/b", "a/value": "a/value"}),
        (["a", "a/b", "a/b/c"], {"a": "a/value", "a/b": "a/b/value", "a/b/c": "a/b/c"}),
        (["save_counter"], {"save_counter": "save_counter_1"}),
        (["a.b/c"], {"a.b/c": "a..b/c"}),
        (["a b/ü"], {"a b/ü": "a b/ü"}),
    ],
)
def test_a_name_becomes_a_path(tmp_path: pathlib.Path, names: list[str], wanted: dict[str, str]) -> None:
    assert places(planned(tmp_path, dict.fromkeys(names, ONE))) == wanted


def test_slots_hang_on_their_variable_under_an_optimizer(tmp_path: pathlib.Path) -> None:
    plan = planned(tmp_path, ADAM)
    assert places(plan) == {
        "net/w": "net/w",
        "net/w/Adam": "net/w/.OPTIMIZER_SLOT/optimizer/m",
        "net/w/Adam_1": "net/w/.OPTIMIZER_SLOT/optimizer/v",
        "beta1_power": "optimizer/beta1_power",
        "beta2_power": "optimizer/beta2_power",
        "global_step": "global_step",
    }
    assert plan.graph is not None
    (slots,) = [node.slots for node in plan.graph.nodes if node.slots]
    assert [slot.slot_name for slot in slots] == ["m", "v"]


def test_an_optimizer_s_node_makes_room_for_a_scope_of_its_name(tmp_path: pathlib.Path) -> None:
    plan = planned(tmp_path, {**ADAM, "optimizer/x": ONE})
    assert places(plan)["beta1_power"] == "optimizer_1/beta1_power"
    assert places(plan)["optimizer/x"] == "optimizer/x"


def test_averages_stand_apart(tmp_path: pathlib.Path) -> None:
    names = {"a/w": ONE, "a/w/ExponentialMovingAverage": ONE}
    assert places(planned(tmp_path, names))["a/w/ExponentialMovingAverage"] == "averages/a/w"
    assert (
        places(planned(tmp_path, {**names, "averages/y": ONE}))["a/w/ExponentialMovingAverage"]
        == "averages_1/a/w"
    )


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (Options(optimizer="drop"), {"net/w/Adam", "net/w/Adam_1", "beta1_power", "beta2_power"}),
        (Options(averages="drop"), {"net/w/ExponentialMovingAverage"}),
    ],
    ids=["optimizer", "averages"],
)
def test_what_is_dropped_is_told(tmp_path: pathlib.Path, options: Options, left: set[str]) -> None:
    plan = planned(tmp_path, {**ADAM, "net/w/ExponentialMovingAverage": ONE}, options=options)
    assert {each.key for each in plan.drops} == left
    assert not left & places(plan).keys()


def test_rules_and_a_mapping_rename_first(tmp_path: pathlib.Path) -> None:
    rules = Rules.parse(["net/{x} -> model/{x}", "**/Adam_1 ->"])
    plan = planned(tmp_path, ADAM, rules=rules, mapping={"global_step": "step"})
    assert places(plan)["net/w"] == "model/w"
    assert places(plan)["global_step"] == "step"
    assert "net/w/Adam_1" in {left.key for left in plan.drops}


@pytest.mark.parametrize("number", [None, 7])
def test_the_save_counter_is_the_number_of_the_prefix(tmp_path: pathlib.Path, number: int | None) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", {"w": ONE}))
    prefix = tmp_path / ("out" if number is None else f"out-{number}")
    execute(make_plan(source), source, prefix)
    counter = Checkpoint.open(prefix).read("save_counter/.ATTRIBUTES/VARIABLE_VALUE")
    assert counter == (number or 1)
    assert counter.dtype == np.int64


def test_the_result_is_object_based_and_knows_the_way_back(tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", ADAM))
    execute(make_plan(source), source, tmp_path / "o")
    result = Checkpoint.open(tmp_path / "o")
    assert result.style is Style.OBJECT
    execute(make_plan(result, to="name"), result, tmp_path / "n")
    back = Checkpoint.open(tmp_path / "n")
    assert back.keys == source.keys
    assert all(np.array_equal(back.read(key), source.read(key)) for key in source.keys)


def test_what_is_object_based_already_is_refused(tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", ADAM))
    execute(make_plan(source), source, tmp_path / "o")
    with pytest.raises(InputError, match="--to=name"):
        make_plan(tmp_path / "o")
    with pytest.raises(InputError, match="--to=rename"):
        make_plan(source, to="name")


def test_two_names_for_one_place_are_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PlanError, match="one"):
        planned(tmp_path, {"a": ONE, "b": ONE}, mapping={"a": "x", "b": "x"})


def test_slices_without_a_whole_are_told_and_stay_readable_by_a_saver(tmp_path: pathlib.Path) -> None:
    write_bundle(
        tmp_path / "s", {"w": ONE, "p": np.arange(6, dtype=np.float32).reshape(3, 2)}, parts={"p": 3}
    )
    index = Checkpoint.open(tmp_path / "s").index
    some = replace(index.entries["p"], slices=index.entries["p"].slices[:1])
    kept = {key: entry for key, entry in index.slice_entries.items() if key[1] in some.slices}
    whole = BundleIndex(index.header, {**index.entries, "p": some}, kept)
    (tmp_path / "s.index").write_bytes(whole.to_bytes())
    source = Checkpoint.open(tmp_path / "s")
    with pytest.raises(FormatError, match="not all there: its slices hold 2 of the 6"):
        source.read("p")
    assert [left.key for left in make_plan(source).unused] == ["p"]
    execute(make_plan(source, to="rename", mapping={"p": "q"}), source, tmp_path / "renamed")
    assert Checkpoint.open(tmp_path / "renamed").partitions["q"] == source.partitions["p"]


def test_averages_take_the_place_of_weights(tmp_path: pathlib.Path) -> None:
    names = {**ADAM, "net/w/ExponentialMovingAverage": ONE * 9, "loss/ExponentialMovingAverage": SCALAR}
    plan = planned(tmp_path, names, options=Options(averages="promote"))
    found = places(plan)
    assert found["net/w/ExponentialMovingAverage"] == "net/w"
    assert found["net/w/Adam"] == "net/w/.OPTIMIZER_SLOT/optimizer/m"
    assert {left.key for left in plan.drops} == {"net/w", "loss/ExponentialMovingAverage"}
    execute(plan, Checkpoint.open(tmp_path / "s"), tmp_path / "t")
    migrated = Checkpoint.open(tmp_path / "t")
    np.testing.assert_array_equal(migrated.read("net/w/.ATTRIBUTES/VARIABLE_VALUE"), ONE * 9)


def test_flags_without_effect_are_told(tmp_path: pathlib.Path) -> None:
    plan = planned(tmp_path, ADAM, options=Options(learning_rate=0.1, step=3))
    assert any("--learning_rate, --step: nothing to do" in note for note in plan.notes)


def test_powers_of_nobody_keep_their_names(tmp_path: pathlib.Path) -> None:
    names = {**ADAM, "beta1_power_1": SCALAR / 2, "beta2_power_1": SCALAR / 2}
    plan = planned(tmp_path, names)
    assert places(plan)["beta1_power_1"] == "beta1_power_1"
    assert any("beta1_power_1" in note and "nothing tells" in note for note in plan.notes)
