"""ckpt-migrate and ckpt-verify: there and back, what they refuse, and what they leave."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import migration.checked
from migration.checkpoint import MANIFEST_KEY, Checkpoint
from migration.verify import Verdict, VerificationReport, VerifiedTensor
from tests.bundles import write_bundle
from tests.tools.conftest import ARRAYS
from tests.tools.running import Tools

pytestmark = pytest.mark.quick


def same_tensors(one: str | Path, other: str | Path) -> bool:
    """Whether both hold the same keys, dtypes, partitions and values."""
    here, there = Checkpoint.open(one), Checkpoint.open(other)
    return (
        dict(here.specs) == dict(there.specs)
        and dict(here.partitions) == dict(there.partitions)
        and all(here.read(key).tobytes() == there.read(key).tobytes() for key in here.keys if key != "words")
    )


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize("verify", ["index", "data"])
def test_there_and_back(tool: Tools, source: str, tmp_path: Path, data: str, verify: str) -> None:
    there, back = tmp_path / "new" / "ckpt-1", tmp_path / "back" / "model.ckpt-1000"
    flags = (f"--data={data}", f"--verify={verify}")
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={there}", *flags).status == 0
    assert tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={there}").status == 0
    assert tool("ckpt-migrate", f"--checkpoint={there}", f"--output={back}", "--to=name", *flags).status == 0
    assert tool("ckpt-verify", f"--checkpoint={there}", f"--migrated={back}").status == 0
    assert tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={back}").status == 0
    assert same_tensors(source, back)


def test_the_receipt_as_json(tool: Tools, source: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ckpt-1"
    found = tool("ckpt-migrate", "--format=json", f"--checkpoint={source}", f"--output={out}").json
    assert found["prefix"] == str(out)
    assert found["tensors"] == len(ARRAYS) + 1  # the save counter
    assert found["bytes"]["copied"] == 323
    assert found["bytes"]["linked"] == 0
    assert found["verified"] == {"data": False, "verdicts": {"equal checksums": 5, "not read": 1}}


def test_a_link_is_verified_as_the_same_bytes(tool: Tools, source: str, tmp_path: Path) -> None:
    out = f"--output={tmp_path}/new/ckpt-1"
    found = tool("ckpt-migrate", "--format=json", f"--checkpoint={source}", out, "--data=link").json
    assert found["verified"]["verdicts"] == {"the same bytes": 5, "not read": 1}


def test_both_names(tool: Tools, source: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ckpt-1"
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}", "--keep_names").status == 0
    assert set(ARRAYS) == set(Checkpoint.open(out).names)
    assert tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={out}").status == 0


def test_without_a_manifest(tool: Tools, source: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ckpt-1"
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}", "--nomanifest").status == 0
    assert MANIFEST_KEY not in Checkpoint.open(out).all_specs
    found = tool("ckpt-verify", "--format=json", f"--checkpoint={source}", f"--migrated={out}").json
    assert (found["paired_by"], found["complete"]) == ("names", True)


def test_a_plan_file_is_applied_exactly(tool: Tools, source: str, tmp_path: Path) -> None:
    plan, out = tmp_path / "plan.toml", tmp_path / "new" / "ckpt-1"
    planned = tool("ckpt-plan", f"--checkpoint={source}", f"--output={plan}", "--format=json")
    assert planned.status == 0
    assert planned.json["summary"] == "6 certain"
    assert tool("ckpt-plan", f"--checkpoint={source}", f"--output={plan}").status == 1  # it may be reviewed
    assert tool("ckpt-plan", f"--checkpoint={source}", f"--output={plan}", "--overwrite").status == 0
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}", f"--plan={plan}").status == 0
    assert tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={out}", f"--plan={plan}").status == 0


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_renaming_by_a_mapping(tool: Tools, tmp_path: Path, kind: str) -> None:
    prefix = write_bundle(tmp_path / "old", {"a": np.zeros(2, np.float32), "b": np.ones(2, np.float32)})
    mapping = tmp_path / f"mapping.{kind}"
    mapping.write_text(json.dumps({"a": "x/y"}) if kind == "json" else 'a = "x/y"\n')
    out = tmp_path / "new"
    ran = tool(
        "ckpt-migrate", f"--checkpoint={prefix}", f"--output={out}", "--to=rename", f"--mapping={mapping}"
    )
    assert ran.status == 0, ran.err
    assert Checkpoint.open(out).keys == ("b", "x/y")


def test_the_target_is_refused_if_it_is_there(tool: Tools, source: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ckpt-1"
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}").status == 0
    before = contents(tmp_path / "new")
    ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}")
    assert (ran.status, ran.out) == (1, "")
    assert "already there" in ran.err
    assert contents(tmp_path / "new") == before
    assert tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}", "--overwrite").status == 0


@pytest.mark.parametrize("spelled", ["{0}", "{0}/../model.ckpt-1000", "{0}.link"])
def test_the_source_is_never_the_target(tool: Tools, source: str, spelled: str) -> None:
    os.symlink(source + ".index", source + ".link.index")
    out = spelled.format(source).replace("model.ckpt-1000/../", "")
    ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}", "--overwrite")
    assert ran.status == 1
    assert "the target is the source" in ran.err


def test_the_source_stays_as_it_is(tool: Tools, source: str, tmp_path: Path) -> None:
    folder = Path(source).parent
    before, times = contents(folder), {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    for number, flags in enumerate((("--data=copy",), ("--data=link",), ("--keep_names",))):
        tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-{number}", *flags)
    assert contents(folder) == before
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_what_fails_verification_is_removed(
    tool: Tools, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = VerifiedTensor(
        target="x", sources=("y",), verdict=Verdict.DIFFERS, nbytes=4, detail="from byte 0 on"
    )
    report = VerificationReport(source="s", migrated="m", basis="the plan", rows=(row,))
    monkeypatch.setattr(migration.checked, "verify", lambda *arguments, **more: report)
    ran = tool("ckpt-migrate", f"--checkpoint={source}", f"--output={tmp_path}/new/ckpt-1")
    assert ran.status == 3
    assert "1 of 1 tensors are not what they should be; it was removed again" in ran.err
    assert not (tmp_path / "new").exists()


def test_a_changed_result_fails_verification(tool: Tools, source: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / "ckpt-1"
    tool("ckpt-migrate", f"--checkpoint={source}", f"--output={out}")
    shard = Path(f"{out}.data-00000-of-00001")
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])
    ran = tool("ckpt-verify", "--format=json", f"--checkpoint={source}", f"--migrated={out}")
    assert ran.status == 3
    assert [row["verdict"] for row in ran.json["tensors"] if not row["good"]] == ["damaged"]


def test_another_training_run_fails_verification(tool: Tools, source: str, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", {**ARRAYS, "dense/kernel": ARRAYS["dense/kernel"] + 1})
    ran = tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={other}")
    assert ran.status == 3
    assert "from element 0 of 12 on" in ran.out


def test_a_tensor_without_partner_is_told(tool: Tools, source: str, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", {**ARRAYS, "more": np.zeros(1, np.float32)})
    ran = tool("ckpt-verify", f"--checkpoint={source}", f"--migrated={other}")
    assert ran.status == 2
    assert "only in the result: more" in ran.err


def test_left_overs_are_refused_unless_allowed(tool: Tools, tmp_path: Path) -> None:
    old = write_bundle(tmp_path / "old", {"w": np.ones(2, np.float32)})
    tool("ckpt-migrate", f"--checkpoint={old}", f"--output={tmp_path}/template")
    both = write_bundle(
        tmp_path / "both", {"w": np.zeros(2, np.float32), "extra/thing": np.zeros(5, np.int8)}
    )
    flags = (f"--checkpoint={both}", f"--output={tmp_path}/new", f"--template={tmp_path}/template")
    refused = tool("ckpt-migrate", *flags)
    assert (refused.status, refused.out) == (2, "")
    assert "extra/thing" in refused.err
    assert not (tmp_path / "new.index").exists()
    allowed = tool("ckpt-migrate", *flags, "--allow_unused", "--format=json")
    assert (allowed.status, allowed.json["left_out"]) == (0, ["extra/thing"])
    assert Checkpoint.open(tmp_path / "new").read("w/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [0, 0]


def test_what_the_source_lacks_may_come_from_the_template(tool: Tools, tmp_path: Path) -> None:
    full = write_bundle(tmp_path / "full", {"w": np.ones(2, np.float32), "head/k": np.full(3, 7, np.int8)})
    tool("ckpt-migrate", f"--checkpoint={full}", f"--output={tmp_path}/template")
    old = write_bundle(tmp_path / "old", {"w": np.zeros(2, np.float32)})
    flags = (f"--checkpoint={old}", f"--output={tmp_path}/new", f"--template={tmp_path}/template")
    assert tool("ckpt-migrate", *flags).status == 2
    assert tool("ckpt-migrate", *flags, "--allow_unfilled", "--verify=data").status == 0
    assert Checkpoint.open(tmp_path / "new").read("head/k/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [7, 7, 7]
    verified = ("ckpt-verify", f"--checkpoint={old}", f"--migrated={tmp_path}/new")
    assert tool(*verified).status == 0
    assert tool(*verified, f"--template={tmp_path}/template").status == 0
