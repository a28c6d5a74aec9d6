"""A directory migrated again with other rules, another mapping or another plan: not taken for done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migration.checkpoint import Checkpoint
from migration.errors import UnmappedError
from migration.model_dir import Outcome, migrate_directory
from migration.model_dir.same_plan import difference
from migration.planning.options import Options
from migration.planning.planner import make_plan
from migration.planning.rules import Rules
from migration.planning.transforms import Scale, Transpose

pytestmark = pytest.mark.quick

RULES = Rules.of('[[rule]]\nmatch = "dense/{x}"\nto = "layer.{x}"\n')
CHANGES: dict[str, dict[str, Any]] = {
    "rules": {"rules": RULES},
    "a mapping": {"mapping": {"dense/kernel": "other/place"}},
    "no optimizer": {"options": Options(optimizer="drop")},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("first", [False, True], ids=["after", "before"])
def test_results_of_another_plan_are_told(
    run: Path, tmp_path: Path, change: dict[str, Any], first: bool
) -> None:
    ways = [change, {}] if first else [{}, change]
    migrate_directory(run, tmp_path / "new", **ways[0])
    again = migrate_directory(run, tmp_path / "new", **ways[0])
    assert {row.outcome for row in again.rows} == {Outcome.KEPT}
    assert not again.notes
    other = migrate_directory(run, tmp_path / "new", **ways[1])
    assert {row.outcome for row in other.rows} == {Outcome.FAILED}
    (note,) = [note for note in other.notes if "by another plan" in note]
    assert "give another directory, or overwrite them" in note
    assert "now" in note


def test_a_plan_that_was_edited_is_another(run: Path, tmp_path: Path) -> None:
    plan = make_plan(run / "model.ckpt-10")
    migrate_directory(run, tmp_path / "new", plan=plan)
    assert {row.outcome for row in migrate_directory(run, tmp_path / "new", plan=plan).rows} == {Outcome.KEPT}
    steps = tuple(
        replace(step, transforms=(Scale(2.0),)) if step.full_name == "dense/kernel" else step
        for step in plan.steps
    )
    edited = migrate_directory(run, tmp_path / "new", plan=replace(plan, steps=steps))
    assert {row.outcome for row in edited.rows} == {Outcome.FAILED}


def test_what_is_done_stays_done_where_no_plan_can_be_made_now(run: Path, tmp_path: Path) -> None:
    template = tmp_path / "first" / "model.ckpt-10"
    migrate_directory(run, tmp_path / "first", mapping={"dense/kernel": "elsewhere/kernel"})
    rules = Rules.of('[[rule]]\nmatch = "dense/kernel"\nto = "elsewhere.kernel"\n')
    migrate_directory(run, tmp_path / "new", template, rules=rules, allow_unused=True, allow_unfilled=True)
    with pytest.raises(UnmappedError):
        migrate_directory(run, tmp_path / "another", template, options=Options(propose=False))
    again = migrate_directory(run, tmp_path / "new", template, options=Options(propose=False))
    assert {row.outcome for row in again.rows} == {Outcome.KEPT}


def test_numbers_of_the_latest_are_no_other_plan(run: Path) -> None:
    plan = make_plan(Checkpoint.open(run / "model.ckpt-10"))
    scaled = [
        replace(plan, steps=tuple(replace(step, transforms=(Scale(by),)) for step in plan.steps))
        for by in (2.0, 3.0)
    ]
    assert difference(*scaled, numbers=False) == ""
    assert "scale" in difference(*scaled, numbers=True)
    turned = replace(plan, steps=tuple(replace(step, transforms=(Transpose((1, 0)),)) for step in plan.steps))
    assert "transpose" in difference(plan, turned, numbers=False)
