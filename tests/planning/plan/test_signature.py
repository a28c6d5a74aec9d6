"""A plan against the source that it is used on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import PlanError
from migration.planning.plan import Left, Plan, Source, SourceSignature, Step, TemplateReference
from migration.planning.signature import apply_as_rules, check_source, check_steps, signature_digest
from migration.planning.transforms import Constant, Split, Transpose
from migration.tensors import DType, TensorSpec
from tests.planning.tensors import SPECS

pytestmark = pytest.mark.quick


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


SPEC = {"w": floats(2, 3), "b": floats(3), "old": floats(1)}
STEPS = (
    Step(target="W", spec=floats(3, 2), sources=(Source(key="w"),), transforms=(Transpose((1, 0)),)),
    Step(target="B", spec=floats(3), sources=(Source(key="b"),)),
    Step(target="zero", spec=floats(1), transforms=(Constant(0),)),
)
PLAN = Plan(
    to="rename",
    source=SourceSignature(specs=SPEC),
    steps=STEPS,
    drops=(Left(key="old", spec=floats(1), reason="old"),),
)


@given(st.dictionaries(st.text(st.characters()), SPECS, max_size=5), st.randoms())
def test_the_digest_is_of_the_set(specs: dict[str, TensorSpec], random: object) -> None:
    shuffled = list(specs.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert signature_digest(dict(shuffled)) == signature_digest(specs)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"a": floats(2)},
        {"a": floats(1, 2), "b": floats(3)},
        {"a": TensorSpec(DType.INT32, (1, 2))},
        {"ab": floats(1, 2)},
        {"a float32[1, 2]\n1:b": floats(3)},
    ],
)
def test_the_digest_tells_what_differs(other: dict[str, TensorSpec]) -> None:
    assert signature_digest(other) != signature_digest({"a": floats(1, 2)})


def test_the_source_it_was_made_for_passes() -> None:
    check_source(PLAN, dict(reversed(SPEC.items())))


def test_every_difference_is_told() -> None:
    other = {"w": floats(2, 4), "bias": floats(3), "old": TensorSpec(DType.FLOAT64, (1,)), "new": floats(7)}
    with pytest.raises(PlanError, match="1 missing, 2 changed, 2 unknown") as caught:
        check_source(PLAN, other)
    told = {(problem.kind, problem.where): problem.message for problem in caught.value.problems}
    assert told.keys() == {
        ("missing", "b"),
        ("changed", "w"),
        ("changed", "old"),
        ("unknown", "bias"),
        ("unknown", "new"),
    }
    assert "did you mean 'bias'" in told["missing", "b"]
    assert told["changed", "w"] == "is float32[2, 4] here, the plan was made for float32[2, 3]"


def test_as_rules_it_is_itself_on_its_own_source() -> None:
    assert apply_as_rules(PLAN, SPEC) == PLAN


def test_as_rules_it_takes_what_is_there() -> None:
    other = {"w": floats(5, 4), "old": floats(9), "extra": floats(2)}
    plan = apply_as_rules(PLAN, other)
    assert {step.target: step.spec for step in plan.steps} == {"W": floats(4, 5), "zero": floats(1)}
    assert [(left.key, left.spec) for left in plan.drops] == [("old", floats(9))]
    assert [left.key for left in plan.unused] == ["extra"]
    assert [(left.key, left.reason) for left in plan.unfilled] == [("B", "its source 'b' is absent")]
    assert plan.source.specs == other


def test_as_rules_onto_a_template_shapes_stay() -> None:
    plan = Plan(
        to="object",
        source=PLAN.source,
        steps=STEPS,
        template=TemplateReference(path="t", digest="d"),
    )
    again = apply_as_rules(plan, {**SPEC, "w": floats(5, 4)})
    assert [(left.key, left.reason) for left in again.unfilled] == [
        ("W", "its sources give float32[4, 5] now")
    ]
    assert {left.key for left in again.unused} == {"w", "old"}


def test_as_rules_a_misfit_is_unfilled() -> None:
    step = Step(target="half", spec=floats(1), sources=(Source(key="w"),), transforms=(Split(0, (1, 1), 0),))
    plan = Plan(to="rename", source=SourceSignature(specs={"w": floats(2)}), steps=(step,))
    (left,) = apply_as_rules(plan, {"w": floats(3)}).unfilled
    assert "does not cut axis 0" in left.reason


def test_steps_that_fit_pass() -> None:
    check_steps(PLAN, SPEC, None)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (
            Step(target="B", spec=floats(4), sources=(Source(key="b"),)),
            "makes float32[3], and it is float32[4]",
        ),
        (Step(target="B", spec=floats(3), sources=(Source(key="gone"),)), "is not in the source"),
        (Step(target="B", spec=floats(3), sources=(Source(key="t", template=True),)), "makes float32[9]"),
        (
            Step(target="B", spec=floats(3), sources=(Source(key="b", template=True),)),
            "is not in the template",
        ),
        (Step(target="B", spec=floats(3), sources=(Source(key="b"), Source(key="b"))), "2 tensors make one"),
        (Step(target="B", spec=floats(3)), "a step without sources has one transform, a constant"),
    ],
)
def test_every_step_that_does_not_fit_is_told(step: Step, told: str) -> None:
    plan = Plan(to="rename", source=SourceSignature(specs=SPEC), steps=(*STEPS[:1], step, *STEPS[2:], step))
    with pytest.raises(PlanError) as error:
        check_steps(plan, SPEC, {"t": floats(9)})
    assert [told in problem.message for problem in error.value.problems] == [True, True]
