"""The template that a plan remembers is opened where the user works, and nowhere else by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import InputError
from migration.planning.plan import Plan, TemplateReference
from migration.planning.planner import make_plan
from migration.planning.remembered import remembered_template, takes_from_template
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    source = Checkpoint.open(write_bundle(tmp_path / "old", {"a": np.ones(2)}))
    execute(make_plan(source), source, tmp_path / "there" / "template")
    return make_plan(source, Checkpoint.open(tmp_path / "there" / "template"))


def at(plan: Plan, path: Path | str) -> Plan:
    assert plan.template is not None
    return replace(plan, template=TemplateReference(path=str(path), digest=plan.template.digest))


def test_below_a_directory_at_hand(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in (tmp_path, tmp_path / "there"):
        assert remembered_template(plan, str(directory)) is not None
    monkeypatch.chdir(tmp_path)
    assert remembered_template(plan) is not None
    assert remembered_template(at(plan, "there/template")) is not None
    assert remembered_template(plan, "") is not None
    assert remembered_template(replace(plan, template=None)) is None


def test_anywhere_else_it_is_told(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "link").symlink_to(tmp_path / "there")
    (work / "theremore").mkdir()
    for path in (tmp_path / "there" / "template", "../there/template", "link/template"):
        with pytest.raises(InputError, match=r"outside of .*--template="):
            remembered_template(at(plan, path), str(work), str(tmp_path / "ther"))


def test_a_directory_that_leads_elsewhere_is_elsewhere(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "checkpoint").write_text(f'model_checkpoint_path: "{tmp_path}/there/template"\n')
    with pytest.raises(InputError, match="outside of"):
        remembered_template(at(plan, work))


@pytest.mark.parametrize("path", ["", "absent", "a\0b"])
def test_what_is_not_there_is_told(
    plan: Plan, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="template"):
        remembered_template(at(plan, path))


def test_another_template_in_its_place_is_told(plan: Plan, tmp_path: Path) -> None:
    assert plan.template is not None
    other = replace(plan, template=replace(plan.template, digest="sha256:0"))
    with pytest.raises(InputError, match="not the one that the plan was made for"):
        remembered_template(other, str(tmp_path))


def test_which_plans_take_from_it(plan: Plan) -> None:
    assert not takes_from_template(plan)
    step = plan.steps[0]
    taken = replace(step, sources=tuple(replace(each, template=True) for each in step.sources))
    assert takes_from_template(replace(plan, steps=(taken,)))
