"""The tools with names and plans of somebody who means no good."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.planning.plan import TemplateReference
from migration.planning.plan_file import write_plan
from migration.planning.planner import make_plan
from tests.bundles import write_bundle
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

HOSTILE = "a\nFAKE\x1b[2J\x7f\x9b\u202e[red]"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source and a plan in one directory that takes a value from a template in another."""
    for name in ("here", "there", "cwd"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    full = Checkpoint.open(write_bundle(tmp_path / "there" / "full", {"a": np.ones(2), "b": np.ones(3)}))
    execute(make_plan(full), full, tmp_path / "there" / "template", manifest=False)
    source = Checkpoint.open(write_bundle(tmp_path / "here" / "model.ckpt-1", {"a": np.zeros(2)}))
    plan = make_plan(source, Checkpoint.open(tmp_path / "there" / "template"))
    write_plan(plan, tmp_path / "here" / "plan.toml")
    return tmp_path


def test_a_template_elsewhere_is_opened_where_it_is_given(tool: Tools, elsewhere: Path) -> None:
    flags = (
        "ckpt-migrate",
        f"--checkpoint={elsewhere}/here/model.ckpt-1",
        f"--plan={elsewhere}/here/plan.toml",
        f"--output={elsewhere}/here/new",
        "--allow_unfilled",
    )
    refused = tool(*flags)
    assert refused.status == 1
    assert f"template is at {elsewhere}/there/template, outside" in refused.err
    assert tool(*flags, f"--template={elsewhere}/there/template").status == 0


def test_a_whole_directory_and_a_difference_refuse_it_too(tool: Tools, elsewhere: Path) -> None:
    here, plan = elsewhere / "here", f"--plan={elsewhere}/here/plan.toml"
    flags = (f"--model_dir={here}", plan, f"--output_dir={elsewhere}/new", "--allow_unfilled")
    assert "outside of the current directory" in tool("ckpt-migrate", *flags).err
    shutil.copy(elsewhere / "there" / "template.index", here)
    shutil.copy(elsewhere / "there" / "template.data-00000-of-00001", here)
    reference = TemplateReference(
        path=str(here / "template"), digest=Checkpoint.open(here / "template").digest
    )
    source = Checkpoint.open(here / "model.ckpt-1")
    made = make_plan(source, Checkpoint.open(here / "template"))
    write_plan(replace(made, template=reference), here / "plan.toml")
    assert tool("ckpt-migrate", *flags, "--only=1").status == 0


def test_a_name_reaches_the_terminal_spelled_and_a_program_exactly(tool: Tools, tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "model.ckpt-1", {HOSTILE: np.ones(2), "b": np.ones(1)})
    shown = tool("ckpt-inspect", f"--checkpoint={prefix}").out
    assert "a\\nFAKE\\x1b[2J\\x7f\\x9b\\u202e[red]" in shown
    assert "\nFAKE" not in shown
    found = tool("ckpt-inspect", f"--checkpoint={prefix}", "--format=json")
    assert found.out.isascii()
    assert "\x7f" not in found.out
    assert found.json["tensors"][0]["key"] == HOSTILE


def test_a_plan_to_review_shows_what_is_in_it(tool: Tools, tmp_path: Path) -> None:
    """A name that turns the writing direction could make a step look like another one."""
    prefix = write_bundle(tmp_path / "model.ckpt-1", {HOSTILE: np.ones(2)})
    assert tool("ckpt-plan", f"--checkpoint={prefix}", f"--output={tmp_path}/plan.toml").status == 0
    text = (tmp_path / "plan.toml").read_text("utf-8")
    assert text.replace("\n", "").isprintable()
    assert "\\u202e" in text
    flags = (f"--checkpoint={prefix}", f"--plan={tmp_path}/plan.toml", f"--output={tmp_path}/new")
    assert tool("ckpt-migrate", *flags).status == 0
