"""Onto a template: how names meet targets, and what is told of those that do not."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import InputError, PlanError, UnmappedError
from migration.planning.options import Options
from migration.planning.plan import Confidence, Plan, SourceSignature, Step
from migration.planning.planner import make_plan
from migration.planning.targets import Template
from migration.planning.transforms import Constant
from migration.planning.tree import Tree
from migration.tensors import DType, TensorSpec
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

Variables = dict[str, tuple[str, Any]]  # path -> full name, array


@pytest.fixture
def template(tmp_path: pathlib.Path) -> Callable[[Variables], Template]:
    """Makes a template whose variables lie at paths and have full names."""

    def made(variables: Variables) -> Template:
        tree, steps = Tree(), []
        for path, (full_name, array) in variables.items():
            key = tree.variable(tuple(path.split("/")), full_name)
            spec = TensorSpec(DType.from_numpy(array.dtype), array.shape)
            steps.append(Step(target=key, spec=spec, transforms=(Constant(_nested(array)),)))
        empty = Checkpoint.open(write_bundle(tmp_path / "nothing", {}))
        plan = Plan(to="object", source=SourceSignature(specs={}), steps=tuple(steps), graph=tree.graph())
        execute(plan, empty, tmp_path / "template", manifest=False)
        return Template.of(tmp_path / "template")

    return made


def _nested(array: Any) -> Any:
    def frozen(value: Any) -> Any:
        return tuple(map(frozen, value)) if isinstance(value, list) else value

    return frozen(array.tolist())


def array(*shape: int, dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


def met(plan: Plan) -> dict[str, str]:
    """Path of the target -> source, for every step that reads the source."""
    return {
        step.paths[0]: step.sources[0].key
        for step in plan.steps
        if step.sources and not step.sources[0].template
    }


def test_full_names_come_before_paths(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"a/w": array(2), "b/w": array(2)})
    crossed = template({"a/w": ("b/w", array(2)), "b/w": ("a/w", array(2))})
    plan = make_plan(source, crossed)
    assert met(plan) == {"a/w": "b/w", "b/w": "a/w"}
    assert {step.origin for step in plan.steps if step.sources} == {"full name"}


def test_a_path_serves_where_names_say_nothing(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"a/w": array(2), "b/w": array(3)})
    plan = make_plan(source, template({"a/w": ("Variable", array(2)), "b/w": ("Variable", array(3))}))
    assert met(plan) == {"a/w": "a/w", "b/w": "b/w"}
    assert {step.origin for step in plan.steps if step.sources} == {"path"}


def test_a_model_s_own_scope_is_no_part_of_the_names(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"fc/kernel": array(2, 2), "fc/bias": array(2)})
    wanted = template({"m/0/_kernel": ("net/fc/kernel", array(2, 2)), "m/0/bias": ("net/fc/bias", array(2))})
    plan = make_plan(source, wanted)
    assert met(plan) == {"m/0/_kernel": "fc/kernel", "m/0/bias": "fc/bias"}
    assert {step.confidence for step in plan.steps} == {Confidence.CERTAIN}


@pytest.mark.parametrize("place", ["x/w", "x.w", "x/w/.ATTRIBUTES/VARIABLE_VALUE", "its/name"])
def test_a_mapping_says_the_place_in_any_spelling(tmp_path: pathlib.Path, template: Any, place: str) -> None:
    source = write_bundle(tmp_path / "s", {"old": array(2)})
    plan = make_plan(source, template({"x/w": ("its/name", array(2))}), mapping={"old": place})
    assert met(plan) == {"x/w": "old"}


def test_all_that_is_wrong_in_a_mapping_is_told_at_once(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"a": array(2), "b": array(2), "c": array(3)})
    wanted = template({"x": ("x", array(2)), "y": ("y", array(2))})
    mapping = {"absent": "y", "a": "nowhere", "b": "x", "c": "x"}
    with pytest.raises(PlanError) as caught:
        make_plan(source, wanted, mapping=mapping)
    assert [problem.where for problem in caught.value.problems] == ["absent", "a", "c"]


@pytest.mark.parametrize(
    ("ours", "theirs", "confidence"),
    [
        (np.float32, np.float64, Confidence.CERTAIN),
        (np.int32, np.int64, Confidence.CERTAIN),
        (np.float64, np.float32, Confidence.LIKELY),
        (np.float32, np.int32, Confidence.UNDECIDED),
        (np.int64, np.int32, Confidence.UNDECIDED),
    ],
)
def test_another_dtype_is_cast_and_told(
    tmp_path: pathlib.Path, template: Any, ours: Any, theirs: Any, confidence: Confidence
) -> None:
    source = write_bundle(tmp_path / "s", {"w": array(2, dtype=ours)})
    plan = make_plan(source, template({"w": ("w", array(2, dtype=theirs))}))
    (step,) = [step for step in plan.steps if step.full_name == "w"]
    assert step.confidence is confidence
    assert "becomes" in step.reason


def test_left_overs_stand_on_both_sides_with_what_comes_near(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"layer/kernel": array(2, 3), "stray": array(7)})
    wanted = template({"layer/kernal": ("layer/kernal", array(3, 3)), "other": ("other", array(5))})
    plan = make_plan(source, wanted, options=Options(propose=False))
    assert {left.key for left in plan.unused} == {"layer/kernel", "stray"}
    assert {left.paths[0] for left in plan.unfilled} == {"layer/kernal", "other"}
    assert any("layer/kernal" in near for left in plan.unused for near in left.nearest)
    with pytest.raises(UnmappedError, match="2 targets without a source, 2 sources without a target"):
        execute(plan, Checkpoint.open(source), tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_seed_and_a_save_counter_need_no_source(tmp_path: pathlib.Path, template: Any) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", {"w": array(2)}))
    seed = np.array([3, 4], np.uint32)
    wanted = template({"w": ("w", array(2)), "drop/seed_generator/state": ("seed_generator_state", seed)})
    plan = make_plan(source, wanted)
    execute(plan, source, tmp_path / "out-5", template=wanted.checkpoint)
    result = Checkpoint.open(tmp_path / "out-5")
    assert result.read("drop/seed_generator/state/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [3, 4]
    assert result.read("save_counter/.ATTRIBUTES/VARIABLE_VALUE") == 5
    assert result.graph is not None
    assert result.graph.nodes[0].child("save_counter") is not None


def test_a_step_without_a_place_is_dropped_and_told(tmp_path: pathlib.Path, template: Any) -> None:
    source = write_bundle(tmp_path / "s", {"w": array(2), "global_step": np.array(5, np.int64)})
    wanted = template({"w": ("w", array(2))})
    assert [left.key for left in make_plan(source, wanted).drops] == ["global_step"]
    kept = make_plan(source, wanted, options=Options(optimizer="keep"))
    assert [left.key for left in kept.unused] == ["global_step"]


@pytest.mark.parametrize("thing", [3, object(), ["prefix"]])
def test_what_cannot_be_a_template_is_refused(tmp_path: pathlib.Path, thing: Any) -> None:
    source = write_bundle(tmp_path / "s", {"w": array(2)})
    with pytest.raises(InputError, match="cannot serve as a template"):
        make_plan(source, thing)


def test_a_name_based_template_is_refused_with_the_reason(tmp_path: pathlib.Path) -> None:
    source = write_bundle(tmp_path / "s", {"w": array(2)})
    with pytest.raises(InputError, match="no object graph"):
        make_plan(source, source)


def test_the_way_back_takes_the_names_of_a_name_based_template(tmp_path: pathlib.Path, template: Any) -> None:
    names = write_bundle(tmp_path / "names", {"a/w": array(2), "b/w": array(3)})
    objects = template({"x/w": ("Variable", array(2)), "y/w": ("Variable", array(3))})
    plan = make_plan(objects.checkpoint, names, to="name")
    assert {step.target: step.sources[0].key.split("/")[0] for step in plan.steps} == {"a/w": "x", "b/w": "y"}


def test_the_way_back_refuses_names_that_are_not_unique(template: Any) -> None:
    objects = template({"x/w": ("Variable", array(2)), "y/w": ("Variable", array(3))})
    with pytest.raises(PlanError, match="do not name every tensor"):
        make_plan(objects.checkpoint, to="name")
    plan = make_plan(objects.checkpoint, to="name", mapping={"x/w": "a", "y/w": "b"})
    assert [step.target for step in plan.steps] == ["a", "b"]
