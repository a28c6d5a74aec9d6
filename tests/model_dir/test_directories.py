"""A directory of checkpoints, migrated: which, how often, and what is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from migration.checked import Writing
from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import CheckpointNotFoundError, InputError, UnmappedError
from migration.formats.checkpoint_state import CheckpointState
from migration.model_dir import Outcome, migrate_directory
from migration.planning.options import Options
from migration.planning.planner import make_plan
from migration.state_files import read_state
from migration.verify import verify
from tests.bundles import write_bundle
from tests.model_dir.conftest import write_state, write_step
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

KERNEL = "dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"
COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"


def outcomes(report: object) -> list[Outcome]:
    return [row.outcome for row in report.rows]  # type: ignore[attr-defined]


def state_of(folder: Path) -> CheckpointState:
    return CheckpointState.from_text((folder / "checkpoint").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_checkpoint_with_its_own_step(run: Path, tmp_path: Path) -> None:
    report = migrate_directory(run, tmp_path / "new")
    assert outcomes(report) == [Outcome.MIGRATED] * 6
    assert [row.step for row in report.rows] == [10, 20, 30, 40, 50, 100]
    for row in report.rows:
        made = Checkpoint.open(row.target)
        assert made.read(COUNTER) == row.step
        assert made.read("global_step/.ATTRIBUTES/VARIABLE_VALUE") == row.step
        assert made.read(KERNEL)[0, 0] == row.step
        assert verify(row.source, row.target).is_complete


def test_the_state_file(run: Path, tmp_path: Path) -> None:
    write_state(
        run,
        [40, 50, 100],
        more="\n".join(f"all_model_checkpoint_timestamps: {at}" for at in (4.5, 5.5, 6.5))
        + "\nlast_preserved_timestamp: 3.5",
    )
    migrate_directory(run, tmp_path / "new")
    assert state_of(tmp_path / "new") == CheckpointState(
        model_checkpoint_path="model.ckpt-100",
        all_model_checkpoint_paths=("model.ckpt-40", "model.ckpt-50", "model.ckpt-100"),
        all_model_checkpoint_timestamps=(4.5, 5.5, 6.5),
        last_preserved_timestamp=3.5,
    )


def test_timestamps_come_from_the_files_where_the_state_file_has_none(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    assert state_of(tmp_path / "new").all_model_checkpoint_timestamps == (1_000_040, 1_000_050, 1_000_100)


def test_an_earlier_checkpoint_may_be_the_latest(run: Path, tmp_path: Path) -> None:
    text = (run / "checkpoint").read_text()
    (run / "checkpoint").write_text(text.replace("ckpt-100", "ckpt-50", 1))
    migrate_directory(run, tmp_path / "new")
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-50"


@pytest.mark.parametrize("state", [None, "broken {", 'model_checkpoint_path: "gone"\n'])
def test_without_a_state_file_all_are_listed(run: Path, tmp_path: Path, state: str | None) -> None:
    (run / "checkpoint").unlink()
    if state is not None:
        (run / "checkpoint").write_text(state)
    report = migrate_directory(run, tmp_path / "new")
    steps = [10, 20, 30, 40, 50, 100]
    assert state_of(tmp_path / "new").all_model_checkpoint_paths == tuple(
        f"model.ckpt-{step}" for step in steps
    )
    assert bool(report.notes) is (state is not None)


def test_a_second_run_has_nothing_to_do(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "new").iterdir()}
    report = migrate_directory(run, tmp_path / "new")
    assert report.is_unchanged
    assert outcomes(report) == [Outcome.KEPT] * 6
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "new").iterdir()} == before


def test_without_manifests_as_well(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new", writing=Writing(manifest=False))
    assert migrate_directory(run, tmp_path / "new", writing=Writing(manifest=False)).is_unchanged


@pytest.mark.parametrize("lost", ["model.ckpt-50.index", "model.ckpt-50.data-00000-of-00001"])
def test_only_what_is_missing_is_done(run: Path, tmp_path: Path, lost: str) -> None:
    migrate_directory(run, tmp_path / "new")
    whole = contents(tmp_path / "new")
    for path in (tmp_path / "new").glob("model.ckpt-50.*"):
        path.unlink()
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.rows if row.outcome is Outcome.MIGRATED] == [50]
    assert contents(tmp_path / "new") == whole


def test_new_checkpoints_are_added(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    write_step(run, 110)
    write_state(run, [50, 100, 110])
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.rows if row.outcome is Outcome.MIGRATED] == [110]
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-110"


def test_another_state_of_the_source_is_not_taken_for_done(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    arrays = {
        key: Checkpoint.open(run / "model.ckpt-50").read(key)
        for key in Checkpoint.open(run / "model.ckpt-50").keys
    }
    write_bundle(run / "model.ckpt-50", {**arrays, "dense/kernel": arrays["dense/kernel"] + 1})
    report = migrate_directory(run, tmp_path / "new")
    (failed,) = report.failures
    assert failed.step == 50
    assert "already there" in failed.error
    again = migrate_directory(run, tmp_path / "new", writing=Writing(overwrite=True))
    assert again.is_complete
    assert Checkpoint.open(tmp_path / "new" / "model.ckpt-50").read(KERNEL)[0, 0] == 51


def test_one_that_fails_does_not_stop_the_others(run: Path, tmp_path: Path) -> None:
    os.truncate(run / "model.ckpt-30.data-00000-of-00001", 5)
    os.truncate(run / "model.ckpt-100.index", 50)
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.failures] == [30, 100]
    assert [row.step for row in report.rows if row.outcome is Outcome.MIGRATED] == [10, 20, 40, 50]
    assert "model.ckpt-30" in report.failures[0].error
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-50"
    assert not list((tmp_path / "new").glob("model.ckpt-100*"))


def test_a_checkpoint_of_other_tensors_gets_a_plan_of_its_own(run: Path, tmp_path: Path) -> None:
    write_bundle(run / "model.ckpt-5", {"dense/kernel": np.ones((2, 2), np.float32)})
    report = migrate_directory(run, tmp_path / "new")
    assert report.is_complete
    assert any("model.ckpt-5 holds other tensors" in note for note in report.notes)


def test_files_of_other_kinds_are_left_alone(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    write_bundle(out / "foreign-7", {"x": np.zeros(2, np.float32)})
    before, foreign = contents(run), contents(out)
    for _ in range(2):
        migrate_directory(run, out)
        assert contents(run) == before
        after = contents(out)
        assert {name: after[name] for name in foreign} == foreign
    assert not (out / "events.out.tfevents.1").exists()
    assert "foreign-7" not in (out / "checkpoint").read_text()


def test_what_training_saved_since_stays_the_latest(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    migrate_directory(run, out)
    write_bundle(out / "ckpt-101", {"x": np.zeros(2, np.float32)})
    text = (out / "checkpoint").read_text().replace('"model.ckpt-100"', '"ckpt-101"', 1)
    (out / "checkpoint").write_text(
        text + 'all_model_checkpoint_paths: "ckpt-101"\nall_model_checkpoint_timestamps: 7.5\n'
    )
    write_step(run, 60)
    migrate_directory(run, out)
    state = state_of(out)
    assert state.model_checkpoint_path == "ckpt-101"
    assert state.all_model_checkpoint_paths == (
        "model.ckpt-40",
        "model.ckpt-50",
        "model.ckpt-100",
        "ckpt-101",
    )
    assert state.all_model_checkpoint_timestamps[-1] == 7.5


@pytest.mark.parametrize(
    ("only", "steps"), [("latest", [100]), ("10,100", [10, 100]), ("50", [50]), (" 20 , 30 ", [20, 30])]
)
def test_only_some(run: Path, tmp_path: Path, only: str, steps: list[int]) -> None:
    report = migrate_directory(run, tmp_path / "new", only=only)
    assert [row.step for row in report.rows] == steps
    assert sorted(int(path.stem.rpartition("-")[2]) for path in (tmp_path / "new").glob("*.index")) == steps


@pytest.mark.parametrize(("only", "told"), [("60", "there are 10, 20, 30"), ("newest", "say 'latest'")])
def test_only_what_is_there(run: Path, tmp_path: Path, only: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        migrate_directory(run, tmp_path / "new", only=only)
    assert not (tmp_path / "new").exists()


def test_back_to_names(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    assert migrate_directory(tmp_path / "new", tmp_path / "back", to="name").is_complete
    assert [
        verify(run / f"model.ckpt-{step}", tmp_path / "back" / f"model.ckpt-{step}").is_complete
        for step in (10, 100)
    ]
    assert state_of(tmp_path / "back").model_checkpoint_path == "model.ckpt-100"


def test_directories_that_cannot_be(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a directory of their own"):
        migrate_directory(run, run)
    with pytest.raises(CheckpointNotFoundError, match="no such directory"):
        migrate_directory(tmp_path / "nowhere", tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointNotFoundError, match="without a checkpoint"):
        migrate_directory(tmp_path / "empty", tmp_path / "new")
    with pytest.raises(InputError, match="one step for all"):
        migrate_directory(run, tmp_path / "new", options=Options(step=3))


def test_what_is_undecided_is_told_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "template", only="10")
    for path in run.glob("model.ckpt-100*"):
        path.unlink()
    write_bundle(run / "model.ckpt-100", {"surplus": np.zeros((3, 3, 3), np.float32)})
    with pytest.raises(UnmappedError, match="surplus"):
        migrate_directory(run, tmp_path / "new", tmp_path / "template" / "model.ckpt-10")
    assert not (tmp_path / "new").exists()


def test_v1_globs_get_a_name(corpus: Path, tmp_path: Path) -> None:
    name = "tensorflow__serving__session_bundle_half_plus_two"
    (row,) = migrate_directory(corpus / name, tmp_path / "new").rows
    assert row.target == str(tmp_path / "new" / "export")
    assert Checkpoint.open(row.target).format == "V2"


def test_a_v1_file_that_was_written_again_is_compared(corpus: Path, tmp_path: Path) -> None:
    """Equal sizes are all that the digest of a V1 file knows."""
    run = tmp_path / "old"
    run.mkdir()
    for path in (corpus / "shekkizh__TensorflowProjects__mnist4").glob("model.ckpt-20000*"):
        (run / path.name).write_bytes(path.read_bytes())
    migrate_directory(run, tmp_path / "new")
    os.utime(run / "model.ckpt-20000", (2**32, 2**32))
    assert migrate_directory(run, tmp_path / "new").is_unchanged


def test_the_tool(tool: Tools, run: Path, tmp_path: Path) -> None:
    flags = (f"--model_dir={run}", f"--output_dir={tmp_path}/new")
    ran = tool("ckpt-migrate", *flags)
    assert ran.status == 0
    columns, _, *rows = ran.out.splitlines()
    assert columns.split() == ["step", "checkpoint", "tensors", "bytes", "seconds", "verdict"]
    assert len(rows) == 6
    assert "6 migrated, verified" in ran.err
    again = tool("ckpt-migrate", *flags, "--format=json")
    assert (again.status, again.json["unchanged"]) == (0, True)
    os.truncate(run / "model.ckpt-30.data-00000-of-00001", 5)
    for path in (tmp_path / "new").glob("model.ckpt-30*"):
        path.unlink()
    failed = tool("ckpt-migrate", *flags)
    assert failed.status == 1
    assert f"failed: {run}/model.ckpt-30: " in failed.err


def test_killed_half_way_and_run_again(tmp_path: Path, tool: Tools) -> None:
    """Twenty checkpoints under a stale state file; SIGKILL as soon as some of them are there."""
    run, out = tmp_path / "old", tmp_path / "new"
    run.mkdir()
    for step in range(100, 2100, 100):
        write_step(run, step)
    write_state(run, [1700, 1800, 1900, 2000])
    command = [
        sys.executable,
        "-m",
        "ckpt_tools.migrate_checkpoint",
        f"--model_dir={run}",
        f"--output_dir={out}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(out.glob("*.index"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(out.glob("*.index")))
    assert not (out / "checkpoint").exists() or done == 20
    ran = tool("ckpt-migrate", f"--model_dir={run}", f"--output_dir={out}", "--format=json")
    assert ran.status == 0
    verdicts = [row["verdict"] for row in ran.json["checkpoints"]]
    assert (verdicts.count("already there"), len(verdicts)) == (done, 20)
    straight = migrate_directory(run, tmp_path / "straight")
    assert straight.is_complete
    assert contents(out) == contents(tmp_path / "straight")
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_a_true_absolute_state_file_seen_from_a_relative_path(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its Saver keeps for good stays out of the list, or a manager would delete it."""
    write_state(run, [40, 50, 100], root=f"{run}/")
    monkeypatch.chdir(tmp_path)
    migrate_directory("old", "new")
    names = ("model.ckpt-40", "model.ckpt-50", "model.ckpt-100")
    assert state_of(tmp_path / "new").all_model_checkpoint_paths == names


def test_a_copy_of_a_directory_whose_original_is_still_there(run: Path, tmp_path: Path) -> None:
    write_state(run, [40, 50], root=f"{run}/")
    shutil.copytree(run, tmp_path / "copy")
    migrate_directory(tmp_path / "copy", tmp_path / "new")
    state = state_of(tmp_path / "new")
    assert state.model_checkpoint_path == "model.ckpt-50"
    assert state.all_model_checkpoint_paths == ("model.ckpt-40", "model.ckpt-50")


def test_results_of_another_template_are_not_taken_for_done(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    template = tmp_path / "new" / "model.ckpt-10"
    report = migrate_directory(run, tmp_path / "new", template)
    assert outcomes(report) == [Outcome.FAILED] * 6
    assert any("were made without a template" in note for note in report.notes)


def test_names_that_are_to_be_kept_too_are_not_taken_for_done(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    report = migrate_directory(run, tmp_path / "new", writing=Writing(keep_names=True))
    assert outcomes(report) == [Outcome.FAILED] * 6


def test_the_way_back_has_each_ones_own_values(run: Path, tmp_path: Path) -> None:
    """The beta powers, which no template of weights alone has a place for: the manifests keep them."""
    weights = Checkpoint.open(write_bundle(tmp_path / "w", {"dense/kernel": np.zeros((8, 4), np.float32)}))
    execute(make_plan(weights), weights, str(tmp_path / "template"))
    migrate_directory(run, tmp_path / "new", tmp_path / "template", allow_unused=True)
    migrate_directory(tmp_path / "new", tmp_path / "back", to="name", allow_unused=True)
    for step in (10, 20, 100):
        was, back = (Checkpoint.open(each / f"model.ckpt-{step}") for each in (run, tmp_path / "back"))
        for key in ("beta1_power", "beta2_power", "global_step"):
            assert key in back.keys
            assert back.read(key) == was.read(key)


def test_the_latest_is_damaged(run: Path, tmp_path: Path) -> None:
    os.truncate(run / "model.ckpt-100.data-00000-of-00001", 8)
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.failures] == [100]
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-50"


def test_what_is_no_checkpoint_any_more_is_told(run: Path, tmp_path: Path) -> None:
    (run / "model.ckpt-20.index").unlink()  # the state file does not name it: a save that never ended
    (run / "model.ckpt-50.index").unlink()  # it names this one
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.failures] == [50]
    assert "model.ckpt-50.index: no such file" in report.failures[0].error
    assert any("model.ckpt-20" in note and "never ended" in note for note in report.notes)


def test_a_truncated_v1_file_is_told(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("a-1", "a-2"):
        shutil.copy(corpus / "siemanko__tensorflow-deepq__karpathy" / "karpathy_game.ckpt", folder / name)
    os.truncate(folder / "a-2", 3000)
    report = migrate_directory(folder, tmp_path / "new")
    assert [row.step for row in report.failures] == [2]


def test_two_formats_of_one_name(corpus: Path, run: Path, tmp_path: Path) -> None:
    shards = corpus / "tensorflow__serving__session_bundle_half_plus_two" / "export-00000-of-00001"
    shutil.copy(shards, run / "model.ckpt-10-00000-of-00001")
    report = migrate_directory(run, tmp_path / "new")
    assert report.is_complete
    assert [Path(row.target).name for row in report.rows[:2]] == ["model.ckpt-10", "model.ckpt_2-10"]
    assert any("another checkpoint has the name" in note for note in report.notes)


@pytest.mark.parametrize("only", [" ", ",", "abc"])
def test_steps_that_are_none(run: Path, tmp_path: Path, only: str) -> None:
    with pytest.raises(InputError, match="say 'latest', or steps"):
        migrate_directory(run, tmp_path / "new", only=only)


def test_the_output_directory_is_a_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("")
    with pytest.raises(InputError, match="is no directory"):
        migrate_directory(run, tmp_path / "new")


def test_a_foreign_checkpoint_of_the_same_name_is_not_listed(run: Path, tmp_path: Path) -> None:
    """A manager would delete it."""
    (tmp_path / "new").mkdir()
    write_bundle(tmp_path / "new" / "model.ckpt-50", {"theirs": np.zeros(3, np.float32)})
    before = contents(tmp_path / "new")
    report = migrate_directory(run, tmp_path / "new")
    assert [row.step for row in report.failures] == [50]
    assert before.items() <= contents(tmp_path / "new").items()
    names = ("model.ckpt-40", "model.ckpt-100")
    assert state_of(tmp_path / "new").all_model_checkpoint_paths == names


def test_a_foreign_file_with_the_name_of_the_state_file_is_kept(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "checkpoint").write_bytes(b"\x89HDF not a state file {")
    migrate_directory(run, tmp_path / "new")
    assert (tmp_path / "new" / "checkpoint.old-1").read_bytes() == b"\x89HDF not a state file {"
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-100"


def test_the_state_file_of_a_rival_is_not_foreign(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rival writes it between our look for one and our own writing."""
    asked: list[str] = []

    def read(file: str) -> object:
        asked.append(file)
        if len(asked) == 1:
            migrate_directory(run, tmp_path / "new")
            raise CheckpointNotFoundError(file)
        return read_state(file)

    monkeypatch.setattr("migration.model_dir.new_state.read_state", read)
    migrate_directory(run, tmp_path / "new", writing=Writing(overwrite=True))
    assert len(asked) > 1
    assert not (tmp_path / "new" / "checkpoint.old-1").exists()
    assert state_of(tmp_path / "new").model_checkpoint_path == "model.ckpt-100"
