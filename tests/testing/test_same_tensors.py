"""Which checkpoints are the same, and how those that are not are told apart."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, PlanError, execute, make_plan
from migration.testing import assert_same_tensors
from tests.bundles import write_bundle
from tests.testing.scene import ARRAYS, failure, mirrored, write

pytestmark = pytest.mark.quick

KERNEL, BIAS = ARRAYS["net/kernel"], ARRAYS["net/bias"]


def test_a_checkpoint_is_itself(tmp_path: pathlib.Path) -> None:
    one = write(tmp_path / "a")
    assert_same_tensors(one, one)
    assert_same_tensors(str(tmp_path / "a"), write(tmp_path / "b"))


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("keep_names", [True, False])
def test_names_and_objects(tmp_path: pathlib.Path, manifest: bool, keep_names: bool) -> None:
    """By the manifest, by the plan, or by full names: whichever there is."""
    source = write(tmp_path / "a")
    there, plan = mirrored(source, tmp_path / "b", manifest=manifest, keep_names=keep_names)
    assert_same_tensors(source, there)
    assert_same_tensors(source, there, plan)


def test_a_plan_leads_where_names_do_not(tmp_path: pathlib.Path) -> None:
    from migration import execute, make_plan

    source = write(tmp_path / "a")
    plan = make_plan(source, to="rename", mapping={"net/kernel": "x", "net/bias": "y"})
    execute(plan, source, tmp_path / "b", manifest=False)
    assert_same_tensors(source, tmp_path / "b", plan)
    lines = failure(assert_same_tensors, source, tmp_path / "b")
    assert lines[0].startswith("2 only in the first, 2 only in the second")
    assert "pass the plan" in lines[-1]


CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one value": (
        {"net__bias": BIAS + np.float32([0, 0.5, 0])},
        ["net/bias", "1 of 3", "max abs 0.5", "at [1]"],
    ),
    "a NaN": (
        {"net__bias": BIAS * np.float32([1, np.nan, 1])},
        ["net/bias", "1 of 3", "max abs nan", "at [1]: nan"],
    ),
    "a sign of zero": ({"net__kernel": KERNEL * 0, "none": None}, ["net/kernel"]),
    "an integer": ({"step": np.array(8, np.int64)}, ["step", "max abs 1", "at []: 8, wanted 7"]),
    "a slice": (
        {"net__table": ARRAYS["net/table"] + np.eye(10, 2, dtype=np.int64) * 4},
        ["net/table", "2 of 20"],
    ),
    "a string": ({"words": np.array([b"one", b"too"], object)}, ["words", "1 of 2", "b'too', wanted b'two'"]),
    "a dtype": ({"net__bias": BIAS.astype(np.float64)}, ["net/bias", "it is float64[3]"]),
    "a shape": ({"net__bias": BIAS[None]}, ["net/bias", "it is float32[1, 3]"]),
    "one less": ({"net__bias": None}, ["net/bias", "only in the first"]),
    "one more": ({"extra": BIAS}, ["extra", "only in the second"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_named(tmp_path: pathlib.Path, name: str) -> None:
    changed, words = CHANGES[name]
    text = "\n".join(failure(assert_same_tensors, write(tmp_path / "a"), write(tmp_path / "b", **changed)))
    assert all(word in text for word in words)


def test_the_worst_comes_first(tmp_path: pathlib.Path) -> None:
    changed = {
        "net__bias": BIAS * np.float32(1.001),
        "net__kernel": KERNEL * np.float32(3),
        "net__table": ARRAYS["net/table"].astype(np.int32),
        "words": np.array([b"one", b"too"], object),
    }
    lines = failure(assert_same_tensors, write(tmp_path / "a"), write(tmp_path / "b", **changed))
    assert lines[0].startswith("4 tensors of 6 differ")
    assert [line.split()[0] for line in lines[2:]] == ["net/table", "net/kernel", "net/bias", "words"]
    assert "relative 2-norm 2" in lines[3]


@pytest.mark.parametrize(
    ("rtol", "atol", "good"), [(0, 0.1, True), (0, 0.09, False), (0.1, 0, True), (0.03, 0, False)]
)
def test_tolerances(tmp_path: pathlib.Path, rtol: float, atol: float, good: bool) -> None:
    """The rule of numpy.isclose: |b - a| <= atol + rtol * |a|, and here a is [1, 2, 3], b is [1, 2, 3.1]."""
    arrays = {"net__bias": BIAS.astype(np.float64)}, {"net__bias": np.array([1, 2, 3.0999999999])}
    one, two = write(tmp_path / "a", **arrays[0]), write(tmp_path / "b", **arrays[1])
    if good:
        assert_same_tensors(one, two, rtol=rtol, atol=atol)
    else:
        assert "1 of 3" in failure(assert_same_tensors, one, two, rtol=rtol, atol=atol)[2]


def test_a_tolerance_forgives_no_string_and_no_integer_beyond_it(tmp_path: pathlib.Path) -> None:
    changed = {"step": np.array(9, np.int64), "words": np.array([b"one", b"too"], object)}
    lines = failure(assert_same_tensors, write(tmp_path / "a"), write(tmp_path / "b", **changed), atol=1.5)
    assert len(lines) == 4


def test_many_differences_are_counted(tmp_path: pathlib.Path) -> None:
    from tests.bundles import write_bundle

    names = [f"v{number}" for number in range(50)]
    one = write_bundle(tmp_path / "a", {name: np.array(1.0) for name in names})
    two = write_bundle(tmp_path / "b", {name: np.array(2.0) for name in names})
    lines = failure(assert_same_tensors, one, two)
    assert lines[0].startswith("50 tensors of 50 differ")
    assert (len(lines), lines[-1].strip()) == (23, "... and 30 more")


def test_a_plan_for_other_tensors_is_refused(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path / "a")
    _, plan = mirrored(source, tmp_path / "b")
    with pytest.raises(PlanError):
        assert_same_tensors(write(tmp_path / "c", net__bias=BIAS[:2]), tmp_path / "b", plan)


def test_another_step_of_the_same_training_is_paired_by_the_manifest(tmp_path: pathlib.Path) -> None:
    """Where names pair nothing, the manifest does, though it was written for another source."""
    names = {name: f"other_{number}" for number, name in enumerate(ARRAYS)}
    source, later = write(tmp_path / "a-1"), write(tmp_path / "a-2", net__bias=BIAS + 1)
    template, _ = mirrored(
        Checkpoint.open(write_bundle(tmp_path / "t", _renamed(names))), tmp_path / "template"
    )
    execute(make_plan(source, template, mapping=names), source, tmp_path / "new")
    text = failure(lambda: assert_same_tensors(later, tmp_path / "new"))
    assert any(line.strip().startswith("net/bias -> other_1") for line in text)
    assert "was written for another source" in text[-1]


def _renamed(names: dict[str, str]) -> dict[str, Any]:
    return {names[name]: array for name, array in ARRAYS.items()}
