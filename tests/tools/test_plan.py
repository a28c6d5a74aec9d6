"""ckpt-plan: what it prints, what it writes, and what it says where something is undecided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from tests.bundles import write_bundle
from tests.tools.conftest import ARRAYS
from tests.tools.running import Tools

pytestmark = pytest.mark.quick


@pytest.fixture
def template(tool: Tools, tmp_path: Path) -> str:
    """The new code's checkpoint, untrained: two dense layers of one shape, and a third."""
    old = write_bundle(
        tmp_path / "untrained",
        {
            "first/kernel": np.zeros((2, 2), np.float32),
            "second/kernel": np.zeros((2, 2), np.float32),
            "head/kernel": np.zeros((2, 5), np.float32),
        },
    )
    assert tool("ckpt-migrate", f"--checkpoint={old}", f"--output={tmp_path}/template").status == 0
    return str(tmp_path / "template")


def test_the_summary_and_the_steps(tool: Tools, source: str) -> None:
    ran = tool("ckpt-plan", f"--checkpoint={source}", "--format=json")
    assert (ran.status, ran.json["summary"], ran.json["decided"]) == (0, "6 certain", True)
    step = next(each for each in ran.json["steps"] if each["full_name"] == "dense/bias")
    assert step["target"] == "dense/bias/.ATTRIBUTES/VARIABLE_VALUE"
    assert step["paths"] == ["dense/bias"]
    assert step["sources"] == [{"key": "dense/bias", "template": False, "transforms": []}]
    assert (step["dtype"], step["shape"], step["confidence"]) == ("float32", [4], "certain")
    assert {"transforms", "reason", "candidates", "origin"} <= step.keys()


def test_nothing_is_written_without_an_output(tool: Tools, source: str) -> None:
    before = sorted(Path(source).parent.parent.rglob("*"))
    ran = tool("ckpt-plan", f"--checkpoint={source}", "--all")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "6 certain")
    assert all(name in ran.out for name in ARRAYS)
    assert sorted(Path(source).parent.parent.rglob("*")) == before


def test_what_is_left_over_is_told_and_nothing_is_decided(tool: Tools, template: str, tmp_path: Path) -> None:
    old = write_bundle(
        tmp_path / "old",
        {"head/kernel": np.ones((2, 5), np.float32), "stray": np.zeros((3, 3, 3), np.float32)},
    )
    plan = tmp_path / "plan.toml"
    flags = (f"--checkpoint={old}", f"--template={template}")
    ran = tool("ckpt-plan", *flags, f"--output={plan}", "--format=json")
    assert ran.status == 2
    assert [left["key"] for left in ran.json["unused"]] == ["stray"]
    assert len(ran.json["unfilled"]) == 2
    assert "unused" in tool("ckpt-plan", *flags).out
    refused = tool("ckpt-migrate", f"--checkpoint={old}", f"--plan={plan}", f"--output={tmp_path}/new")
    assert (refused.status, refused.out) == (2, "")
    assert not (tmp_path / "new.index").exists()


def test_two_that_could_be_either_are_undecided(tool: Tools, template: str, tmp_path: Path) -> None:
    old = write_bundle(
        tmp_path / "old",
        {
            "Variable": np.ones((2, 2), np.float32),
            "w": np.full((2, 2), 2, np.float32),
            "head/kernel": np.ones((2, 5), np.float32),
        },
    )
    found = tool("ckpt-plan", f"--checkpoint={old}", f"--template={template}", "--format=json")
    assert found.status == 2
    assert found.json["decided"] is False


def test_rules_decide_and_the_plan_is_applied(tool: Tools, template: str, tmp_path: Path) -> None:
    arrays = {f"net/layer_{number}/w": np.full((2, 2), number, np.float32) for number in (1, 2)}
    old = write_bundle(tmp_path / "old", {**arrays, "net/out/w": np.ones((2, 5), np.float32)})
    rules, plan, new = tmp_path / "rules.toml", tmp_path / "plan.toml", tmp_path / "new"
    rules.write_text(
        '[[rule]]\nmatch = "net/layer_1/w"\nto = "first.kernel"\n'
        '[[rule]]\nmatch = "net/layer_2/w"\nto = "second.kernel"\n'
        '[[rule]]\nmatch = "net/out/w"\nto = "head.kernel"\n'
    )
    flags = (f"--checkpoint={old}", f"--template={template}", f"--rules={rules}")
    assert tool("ckpt-plan", *flags, f"--output={plan}").status == 0
    assert tool("ckpt-migrate", f"--checkpoint={old}", f"--plan={plan}", f"--output={new}").status == 0
    assert tool("ckpt-verify", f"--checkpoint={old}", f"--migrated={new}", f"--plan={plan}").status == 0
    assert Checkpoint.open(new).read("second/kernel/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [[2, 2], [2, 2]]
    in_one_go = tool("ckpt-migrate", *flags, f"--output={tmp_path}/in_one_go")
    assert in_one_go.status == 0
    assert tool("ckpt-diff", new, tmp_path / "in_one_go").status == 0


def test_a_rule_that_is_wrong_has_its_line(tool: Tools, source: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[[rule]]\nmatch = "a"\nwhere = "b"\n')
    ran = tool("ckpt-plan", f"--checkpoint={source}", f"--rules={tmp_path}/rules.toml")
    assert (ran.status, ran.out) == (1, "")
    assert "rules.toml:3" in ran.err


def test_renaming_within_the_names(tool: Tools, source: str, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('[[rule]]\nmatch = "dense/{x}"\nto = "fc/{x}"\n')
    flags = (f"--checkpoint={source}", f"--rules={tmp_path}/rules.toml", "--to=rename")
    ran = tool("ckpt-migrate", *flags, f"--output={tmp_path}/new/model.ckpt-1000")
    assert ran.status == 0, ran.err
    renamed = Checkpoint.open(tmp_path / "new" / "model.ckpt-1000")
    assert renamed.style.value == "name-based"
    assert {"fc/kernel", "fc/bias"} < set(renamed.keys)
    assert renamed.partitions == Checkpoint.open(source).partitions


def test_a_plan_for_another_source_is_refused(
    tool: Tools, source: str, template: str, tmp_path: Path
) -> None:
    tool("ckpt-plan", f"--checkpoint={source}", f"--output={tmp_path}/plan.toml")
    ran = tool(
        "ckpt-migrate", f"--checkpoint={template}", f"--plan={tmp_path}/plan.toml", f"--output={tmp_path}/new"
    )
    assert (ran.status, ran.out) == (1, "")
    assert not (tmp_path / "new.index").exists()
