"""The way back: every tensor that the result still determines, and a reason for every other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.formats.tensor_bundle import TensorSlice
from migration.planning.plan import Confidence, Left, Plan, Source, SourceSignature, Step
from migration.planning.transforms import (
    Add,
    Cast,
    Concat,
    Constant,
    PermuteBlocks,
    Power,
    Reshape,
    Scale,
    Slice,
    Split,
    Stack,
    Steps,
    Transform,
    Transpose,
    Unstack,
    step_output,
)
from migration.tensors import DType, TensorSpec
from tests.planning.tensors import carried_out, filled, invertible_plans, same_bytes

pytestmark = pytest.mark.quick


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


def plan_of(specs: dict[str, TensorSpec], *steps: Step, **more: object) -> Plan:
    return replace(Plan(to="object", source=SourceSignature(specs=specs), steps=steps), **more)


def one(target: str, spec: TensorSpec, source: str, *transforms: Transform) -> Step:
    return Step(target=target, spec=spec, sources=(Source(key=source),), transforms=transforms)


def core(plan: Plan) -> dict[str, object]:
    """What a step does, without where it comes from."""
    return {step.target: (step.spec, step.sources, step.transforms) for step in plan.steps}


@given(invertible_plans(), st.integers(0, 2**32 - 1))
def test_applied_and_reversed_gives_the_original_bytes(plan: Plan, seed: int) -> None:
    before = {key: filled(spec, seed + at) for at, (key, spec) in enumerate(plan.source.specs.items())}
    back = plan.reverse()
    after = carried_out(back, carried_out(plan, before))
    assert back.unfilled == ()
    assert after.keys() == before.keys()
    assert all(same_bytes(before[key], after[key]) for key in before)
    assert all(step_output(step, back.source.specs) == step.spec for step in back.steps)
    assert core(back.reverse()) == core(plan)


def test_parts_behind_a_shared_way_are_joined_before_it_is_undone() -> None:
    gates = PermuteBlocks(1, (0, 2, 1, 3))
    plan = plan_of(
        {"lstm": floats(6, 8)},
        one("kernel", floats(4, 8), "lstm", gates, Split(0, (4, 2), 0)),
        one("recurrent", floats(8, 2), "lstm", gates, Split(0, (4, 2), 1), Transpose((1, 0))),
    )
    (step,) = plan.reverse().steps
    assert step.sources == (Source(key="kernel"), Source(key="recurrent", transforms=(Transpose((1, 0)),)))
    assert step.transforms == (Concat(0, (4, 2)), gates)


def test_slices_that_cover_a_tensor_are_joined() -> None:
    plan = plan_of(
        {"flat": floats(10)},
        one("late", floats(7), "flat", Slice((3,), (-1,))),
        one("early", floats(3), "flat", Slice((0,), (3,))),
    )
    (step,) = plan.reverse().steps
    assert [source.key for source in step.sources] == ["early", "late"]
    assert step.transforms == (Concat(0, (3, 7)),)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_slices_that_leave_a_gap_are_not(missing: int) -> None:
    ranges = [(0, 3), (3, 4), (7, 3)]
    steps = [
        one(f"t{start}", floats(size), "flat", Slice((start,), (size,)))
        for at, (start, size) in enumerate(ranges)
        if at != missing
    ]
    back = plan_of({"flat": floats(10)}, *steps).reverse()
    assert back.steps == ()
    assert "slice" in back.unfilled[0].reason


def test_split_in_two_directions_is_joined_along_one_or_told() -> None:
    nested = [
        one(f"q{i}{j}", floats(2, 2), "w", Split(0, (2, 2), i), Split(1, (2, 2), j))
        for i in (0, 1)
        for j in (0, 1)
    ]
    back = plan_of({"w": floats(4, 4)}, *nested).reverse()
    assert [left.key for left in back.unfilled] == ["w"]  # it would take a concat of concats
    rows = [
        one(f"r{i}{j}", floats(1, 4), "w", Split(0, (2, 2), i), Split(0, (1, 1), j))
        for i in (0, 1)
        for j in (0, 1)
    ]
    (step,) = plan_of({"w": floats(4, 4)}, *rows).reverse().steps
    assert step.transforms == (Concat(0, (1, 1, 1, 1)),)


@pytest.mark.parametrize(
    ("spec", "made", "transforms"),
    [
        pytest.param(floats(3), floats(3), (Scale(0.0),), id="scaled by zero"),
        pytest.param(
            TensorSpec(DType.FLOAT64, (3,)), floats(3), (Cast(DType.FLOAT32),), id="cast to a narrower dtype"
        ),
        pytest.param(floats(3), floats(2), (Slice((1,), (2,)),), id="sliced"),
        pytest.param(floats(3), floats(2), (Split(0, (1, 2), 1),), id="one part of two"),
        pytest.param(floats(3, 2), floats(3), (Unstack(1, 0, 2),), id="one layer of two"),
    ],
)
def test_what_was_lost_is_unfilled_with_the_reason(
    spec: TensorSpec, made: TensorSpec, transforms: tuple[Transform, ...]
) -> None:
    back = plan_of({"w": spec}, one("t", made, "w", *transforms)).reverse()
    assert back.steps == ()
    (left,) = back.unfilled
    assert (left.key, left.spec) == ("w", spec)
    assert transforms[0].name in left.reason
    assert [drop.key for drop in back.drops] == ["t"]


def test_dropped_unused_and_forgotten_sources_are_unfilled() -> None:
    plan = plan_of(
        {"a": floats(1), "b": floats(2), "c": floats(3)},
        drops=(Left(key="a", spec=floats(1), reason="a rule says so"),),
        unused=(Left(key="b", spec=floats(2)),),
    )
    back = plan.reverse()
    assert {left.key: left.reason for left in back.unfilled} == {
        "a": "not in the result: a rule says so",
        "b": "not in the result: no step took it along",
        "c": "not in the result: no step took it along",
    }


def test_constants_and_the_template_vanish_and_are_told() -> None:
    plan = plan_of(
        {"w": floats(2)},
        one("W", floats(2), "w"),
        Step(target="zeros", spec=floats(2), transforms=(Constant(0),)),
        Step(target="seed", spec=floats(2), sources=(Source(key="seed", template=True),)),
    )
    back = plan.reverse()
    assert [step.target for step in back.steps] == ["w"]
    assert {left.key: left.reason for left in back.drops} == {
        "zeros": "a constant of the plan",
        "seed": "came from the template",
    }
    assert any("zeros, seed" in note for note in back.notes)


def test_a_source_of_several_targets_comes_from_the_first_that_has_it_exactly() -> None:
    plan = plan_of(
        {"w": floats(4)},
        one("half", floats(2), "w", Split(0, (2, 2), 0)),
        one("scaled", floats(4), "w", Scale(0.3)),
        one("first", floats(2, 2), "w", Reshape((2, 2))),
        one("second", floats(4), "w"),
    )
    (step,) = plan.reverse().steps
    assert step.sources == (Source(key="first"),)
    assert {left.key for left in plan.reverse().drops} == {"half", "scaled", "second"}


def test_rows_added_from_the_template_are_cut_off_again() -> None:
    grown = Step(
        target="E",
        spec=floats(5, 2),
        sources=(Source(key="e"), Source(key="E", template=True)),
        transforms=(Concat(0),),
    )
    (step,) = plan_of({"e": floats(3, 2)}, grown).reverse().steps
    assert step.transforms == (Split(0, (3, 2), 0),)


@pytest.mark.parametrize(
    ("transform", "exact"),
    [(Scale(-0.5), True), (Scale(8.0), True), (Scale(-0.1), False), (Add(1.0), False)],
)
def test_rounding_is_told(transform: Transform, exact: bool) -> None:
    """A product comes back within one unit in the last place, a sum within one of the sum's."""
    back = plan_of({"w": floats(4)}, one("t", floats(4), "w", transform)).reverse()
    assert (not exact) == any("up to rounding" in note for note in back.notes)
    before = np.float32([0.1, -3.0, 1e-3, 7.0])
    changed = transform.apply([before])
    (after,) = carried_out(back, {"t": changed}).values()
    ulp = np.spacing(np.maximum(np.abs(before), np.abs(changed) if isinstance(transform, Add) else 0))
    assert np.all(np.abs(after - before) <= (0 if exact else ulp))


def test_scaling_back_and_forth_keeps_the_factor() -> None:
    plan = plan_of({"w": floats(4)}, one("t", floats(4), "w", Scale(-1 / 49)))
    assert core(plan.reverse().reverse()) == core(plan)


def test_a_widening_cast_comes_back_and_forth() -> None:
    plan = plan_of({"w": floats(4)}, one("t", TensorSpec(DType.FLOAT64, (4,)), "w", Cast(DType.FLOAT64)))
    assert plan.reverse().steps[0].transforms == (Cast(DType.FLOAT32, widened=True),)
    assert core(plan.reverse().reverse()) == core(plan)


def test_a_step_count_comes_back_from_its_power() -> None:
    count = TensorSpec(DType.INT64, ())
    plan = plan_of({"step": count}, one("beta", floats(), "step", Power(0.9, 1, DType.FLOAT32)))
    assert plan.reverse().steps[0].transforms == (Steps(0.9, 1, DType.INT64),)
    after = carried_out(plan.reverse(), carried_out(plan, {"step": np.int64(57)}))
    assert after["step"] == 57


HALVES = (TensorSlice((0, 0), (2, None)), TensorSlice((2, 0), (1, None)))


def test_partitions_are_restored() -> None:
    """Carried along by a plain step, and written again where the tensor was changed on the way."""
    specs = {"kept": floats(3, 2), "turned": floats(3, 2), "merged": floats(3, 2), "whole": floats(3, 2)}
    source = SourceSignature(specs=specs, partitions={"kept": HALVES, "turned": HALVES, "merged": HALVES})
    steps = (
        one("Kept", floats(3, 2), "kept"),
        one("Turned", floats(2, 3), "turned", Transpose((1, 0))),
        replace(one("Merged", floats(3, 2), "merged"), partitions=()),
        replace(one("Whole", floats(3, 2), "whole"), partitions=HALVES),
    )
    back = Plan(to="object", source=source, steps=steps).reverse()
    assert back.source.partitions == {"Kept": HALVES, "Whole": HALVES}
    assert {step.target: step.partitions for step in back.steps} == {
        "kept": None,
        "turned": HALVES,
        "merged": HALVES,
        "whole": (),
    }


def test_confidence_is_that_of_the_least_sure_step() -> None:
    plan = plan_of(
        {"w": floats(2)},
        replace(one("a", floats(1), "w", Split(0, (1, 1), 0)), confidence=Confidence.LIKELY),
        replace(one("b", floats(1), "w", Split(0, (1, 1), 1)), confidence=Confidence.CERTAIN),
    )
    assert plan.reverse().steps[0].confidence is Confidence.LIKELY


def test_a_step_that_does_not_fit_its_own_source_gives_nothing_back() -> None:
    back = plan_of(
        {"w": floats(2)}, one("t", floats(3), "w", Transpose((1, 0))), one("u", floats(2), "gone")
    ).reverse()
    assert back.steps == ()
    assert [left.key for left in back.unfilled] == ["w"]


def test_stacked_layers_come_apart_and_together() -> None:
    specs = {f"layer_{n}/w": floats(2, 3) for n in range(3)}
    step = Step(
        target="stack",
        spec=floats(3, 2, 3),
        sources=tuple(Source(key=key) for key in specs),
        transforms=(Stack(0),),
    )
    plan = plan_of(specs, step)
    assert [step.transforms for step in plan.reverse().steps] == [(Unstack(0, n, 3),) for n in range(3)]
    assert core(plan.reverse().reverse()) == core(plan)


def test_a_step_count_is_told_to_give_its_power_back_rounded() -> None:
    source = SourceSignature(specs={"beta2_power": TensorSpec(DType.FLOAT32, ())})
    step = Step(
        target="iterations",
        spec=TensorSpec(DType.INT64, ()),
        sources=(Source(key="beta2_power"),),
        transforms=(Steps(0.999, 1, DType.INT64),),
    )
    back = Plan(to="object", source=source, steps=(step,)).reverse()
    assert [made.target for made in back.steps] == ["beta2_power"]
    assert back.notes == ("up to rounding, not bit for bit, come back: beta2_power",)
