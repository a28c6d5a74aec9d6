"""What the doctor says of checkpoints that something has happened to."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from migration.checkpoint import MANIFEST_KEY, Checkpoint
from migration.convert import execute
from migration.doctor import Diagnosis, examine, mend
from migration.errors import CheckpointNotFoundError
from migration.planning.planner import make_plan
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(40)
ZIP = b"PK\x03\x04" + bytes(40)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A directory with three checkpoints of two shards, and a sound state file."""
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (1, 2, 3):
        arrays = {"a/w": np.full((4, 4), step, np.float32), "b": np.zeros(3, np.float64)}
        write_bundle(folder / f"model.ckpt-{step}", arrays, num_shards=2)
    paths = "".join(f'all_model_checkpoint_paths: "model.ckpt-{step}"\n' for step in (1, 2, 3))
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "model.ckpt-3"\n{paths}')
    return folder


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def test_a_healthy_directory(run: Path) -> None:
    found = examine(run)
    assert found.is_healthy
    assert found.what == "a directory of 3 checkpoints with a state file"
    assert found.checkpoints[0] == (
        f"{run}/model.ckpt-1",
        "a V2 checkpoint, name-based, 2 tensors in 2 shards",
    )


def test_a_healthy_prefix_and_its_result(run: Path, tmp_path: Path) -> None:
    prefix = run / "model.ckpt-3"
    assert examine(prefix).what == "a V2 checkpoint, name-based, 2 tensors in 2 shards"
    source = Checkpoint.open(prefix)
    execute(make_plan(source), source, tmp_path / "ckpt-3")
    found = examine(tmp_path / "ckpt-3")
    assert (found.what, found.findings) == ("a V2 checkpoint, object-based, 3 tensors in 1 shard", ())


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    def breaks(run: Path) -> None:
        (run / name).write_bytes(content)

    return breaks


def remove(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def truncate(name: str, size: int) -> Callable[[Path], None]:
    return lambda run: os.truncate(run / name, size)


def flip(name: str, at: int) -> Callable[[Path], None]:
    def breaks(run: Path) -> None:
        raw = bytearray((run / name).read_bytes())
        raw[at] ^= 1
        (run / name).write_bytes(raw)

    return breaks


def folder(name: str, inside: str) -> Callable[[Path], None]:
    def makes(run: Path) -> None:
        (run / name).mkdir()
        (run / name / inside).write_bytes(b"x")

    return makes


SHARD, INDEX = "model.ckpt-2.data-00000-of-00002", "model.ckpt-2.index"
DEAD = 2**22 + 1  # no process has this number: Linux allows up to 2**22
CASES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "shard gone": (remove(SHARD), "missing-shard", SHARD),
    "shard short": (truncate(SHARD, 8), "short-shard", SHARD),
    "shard empty": (truncate(SHARD, 0), "short-shard", SHARD),
    "shard flipped": (flip(SHARD, 5), "checksum", SHARD),
    "shard is a pointer": (overwrite(SHARD, LFS), "lfs-pointer", SHARD),
    "shard of another save": (
        overwrite("model.ckpt-2.data-00000-of-00003", b"x"),
        "stray-shard",
        "model.ckpt-2.data-00000-of-00003",
    ),
    "index gone": (remove(INDEX), "missing-index", INDEX),
    "index empty": (truncate(INDEX, 0), "empty-file", INDEX),
    "index cut": (truncate(INDEX, 100), "truncated", INDEX),
    "index flipped": (flip(INDEX, 30), "corrupt-index", INDEX),
    "index is a pointer": (overwrite(INDEX, LFS), "lfs-pointer", INDEX),
    "index is a zip": (overwrite(INDEX, ZIP), "keras-archive", INDEX),
    "graph broken": (overwrite("model.ckpt-2.meta", b"\xff\xff\xff"), "graph-file", "model.ckpt-2.meta"),
    "graph is a pointer": (overwrite("model.ckpt-2.meta", LFS), "lfs-pointer", "model.ckpt-2.meta"),
    "graph without values": (overwrite("model.ckpt-9.meta", b""), "missing-index", "model.ckpt-9.index"),
    "staging left": (
        folder(f".model.ckpt-4.ckpt-staging-{DEAD}", "model.ckpt-4.data-00000-of-00001"),
        "interrupted-write",
        f".model.ckpt-4.ckpt-staging-{DEAD}",
    ),
    "TensorFlow's folder left": (
        folder("model.ckpt-4_temp", "part-00000-of-00001.data-00000-of-00001"),
        "interrupted-write",
        "model.ckpt-4_temp",
    ),
    "TensorFlow's older folder left": (
        folder("model.ckpt-4_temp_" + "0a" * 16, "part-00000-of-00001.index"),
        "interrupted-write",
        "model.ckpt-4_temp_" + "0a" * 16,
    ),
    "TensorFlow's file left": (
        overwrite("model.ckpt-4.index.tempstate123", b""),
        "interrupted-write",
        "model.ckpt-4.index.tempstate123",
    ),
    "weights of Keras": (overwrite("weights.h5", HDF5), "hdf5", "weights.h5"),
    "a model of Keras": (overwrite("model.keras", ZIP), "keras-archive", "model.keras"),
    "state file is a pointer": (overwrite("checkpoint", LFS), "state-file", "checkpoint"),
    "state file empty": (overwrite("checkpoint", b""), "state-file", "checkpoint"),
    "state file is no text format": (overwrite("checkpoint", b"latest = 3"), "state-file", "checkpoint"),
    "state file names what is gone": (
        overwrite(
            "checkpoint", b'model_checkpoint_path: "model.ckpt-3"\nall_model_checkpoint_paths: "gone"\n'
        ),
        "state-names-absent",
        "checkpoint",
    ),
    "state file's latest is gone": (
        overwrite("checkpoint", b'model_checkpoint_path: "model.ckpt-30"\n'),
        "state-latest-absent",
        "checkpoint",
    ),
    "state file of another machine": (
        overwrite("checkpoint", b'model_checkpoint_path: "/home/gone/run/model.ckpt-3"\r\n'),
        "stale-path",
        "checkpoint",
    ),
    "state file of another system": (
        overwrite("checkpoint", b'model_checkpoint_path: "C:\\\\runs\\\\model.ckpt-3"\r\n'),
        "stale-path",
        "checkpoint",
    ),
    "state file with too few timestamps": (
        overwrite(
            "checkpoint",
            b'model_checkpoint_path: "model.ckpt-3"\nall_model_checkpoint_paths: "model.ckpt-2"\n'
            b'all_model_checkpoint_paths: "model.ckpt-3"\nall_model_checkpoint_timestamps: 1.5\n',
        ),
        "state-timestamps",
        "checkpoint",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_right_word(run: Path, case: str) -> None:
    breaks, kind, where = CASES[case]
    breaks(run)
    found = examine(run)
    assert kinds(found) == [kind]
    (finding,) = found.findings
    assert finding.where == str(run / where)
    assert finding.cause
    assert finding.mend


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith(("shard", "index", "graph is"))])
def test_the_right_word_for_the_prefix_itself(run: Path, case: str) -> None:
    breaks, kind, where = CASES[case]
    breaks(run)
    found = examine(run / "model.ckpt-2")
    assert [(finding.kind, finding.where) for finding in found.findings] == [(kind, str(run / where))]


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00002", ".meta"])
def test_a_file_in_place_of_the_prefix(run: Path, suffix: str) -> None:
    shutil.copy(run / "checkpoint", run / "aside")  # any file: its content is not a graph's
    (run / "model.ckpt-2.meta").write_bytes(b"")
    found = examine(f"{run}/model.ckpt-2{suffix}")
    assert kinds(found)[0] == "file-instead-of-prefix"
    assert "not an sstable" in found.findings[0].cause
    assert found.findings[0].mend.endswith(f"{run}/model.ckpt-2")


@pytest.mark.parametrize(
    ("content", "kind"), [(HDF5, "hdf5"), (ZIP, "keras-archive"), (LFS, "lfs-pointer"), (b"", "empty-file")]
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "model.ckpt").write_bytes(content)
    assert kinds(examine(tmp_path / "model.ckpt")) == [kind]


def test_a_file_of_no_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see here")
    (finding,) = examine(tmp_path / "notes.txt").findings
    assert finding.kind == "not-a-checkpoint"
    assert "not an sstable (bad magic number)" in finding.cause


def test_a_directory_of_nothing(tmp_path: Path) -> None:
    assert kinds(examine(tmp_path)) == ["no-checkpoint"]


def test_nothing_at_all_is_an_error(run: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="the nearest that exist"):
        examine(run / "model.ckpt")


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    values = np.array([1, np.nan, np.inf, -np.inf], np.float32)
    prefix = write_bundle(
        tmp_path / "m", {"w": values, "sound": np.zeros(2), "z": values.astype(np.complex64)}
    )
    (finding,) = examine(prefix).findings
    assert (finding.kind, finding.tensors) == ("nan", ("w", "z"))
    assert "w (1 NaN, 2 infinite of 4)" in finding.cause
    assert examine(prefix, data=False).is_healthy


def test_a_manifest_that_no_longer_fits(run: Path, tmp_path: Path) -> None:
    source = Checkpoint.open(run / "model.ckpt-3")
    execute(make_plan(source), source, tmp_path / "ckpt-3")
    made = Checkpoint.open(tmp_path / "ckpt-3")
    arrays = {key: made.read(key) for key in made.all_specs}
    lacking = {key: array for key, array in arrays.items() if not key.startswith("a/w")}
    (finding,) = [
        each for each in examine(write_bundle(tmp_path / "x", lacking)).findings if each.kind == "manifest"
    ]
    assert finding.tensors == ("a/w/.ATTRIBUTES/VARIABLE_VALUE",)
    broken = {**arrays, MANIFEST_KEY: np.array(b"{", object)}
    assert kinds(examine(write_bundle(tmp_path / "y", broken))) == ["manifest"]


def test_a_graph_that_names_what_is_not_there(run: Path, tmp_path: Path) -> None:
    source = Checkpoint.open(run / "model.ckpt-3")
    execute(make_plan(source), source, tmp_path / "ckpt-3", manifest=False)
    made = Checkpoint.open(tmp_path / "ckpt-3")
    lacking = {key: made.read(key) for key in made.all_specs if not key.startswith("a/w")}
    (finding,) = examine(write_bundle(tmp_path / "x", lacking)).findings
    assert finding.kind == "object-graph"
    assert finding.tensors == ("a/w/.ATTRIBUTES/VARIABLE_VALUE",)


def test_a_saved_model(run: Path, tmp_path: Path) -> None:
    variables = tmp_path / "model" / "variables"
    variables.mkdir(parents=True)
    write_bundle(variables / "variables", {"w": np.zeros(2, np.float32)})
    assert kinds(examine(tmp_path / "model")) == ["missing-graph"]
    (tmp_path / "model" / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    found = examine(tmp_path / "model")
    assert found.is_healthy
    assert found.what == "a SavedModel, whose variables are a V2 checkpoint, name-based, 1 tensor in 1 shard"


def test_a_saved_model_whose_variables_were_left_out(corpus: Path, tmp_path: Path) -> None:
    for name, kinds_told in (
        ("tensorflow__serving__saved_model_half_plus_two", ["missing-index"]),
        ("google-deepmind__deepmind-research__dm21_sm", ["missing-index"]),
    ):
        shutil.copytree(corpus / name, tmp_path / name)
        shutil.rmtree(tmp_path / name / "variables")
        assert kinds(examine(tmp_path / name)) == kinds_told
        (tmp_path / name / "saved_model.pb").write_bytes(b"\xff\xff\xff")
        assert kinds(examine(tmp_path / name)) == ["graph-file"]


FIXABLE = [case for case in CASES if case.startswith("state file") and "pointer" not in case]


@pytest.mark.parametrize("case", FIXABLE)
def test_fixing_a_state_file_loses_nothing(run: Path, case: str) -> None:
    CASES[case][0](run)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    found = examine(run)
    assert found.findings[0].fixable
    assert found.findings[0].mend == f"ckpt-doctor {run} --fix"
    assert len(mend(found)) == 1
    assert examine(run).is_healthy
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert after.pop("checkpoint.old-1") == before["checkpoint"]
    assert {**after, "checkpoint": before["checkpoint"]} == before
    assert b"model.ckpt-3" in after["checkpoint"]
    assert b"/home" not in after["checkpoint"]


def test_fixing_twice_keeps_both(run: Path) -> None:
    for _ in range(2):
        CASES["state file of another machine"][0](run)
        mend(examine(run))
    assert {"checkpoint.old-1", "checkpoint.old-2"} <= {path.name for path in run.iterdir()}


def test_an_interrupted_migration_is_cleared(run: Path) -> None:
    before = {path.name for path in run.iterdir()}
    CASES["staging left"][0](run)
    found = examine(run)
    assert found.findings[0].fixable
    assert found.findings[0].mend == f"ckpt-doctor {run} --fix"
    assert len(mend(found)) == 1
    assert examine(run).is_healthy
    assert {path.name for path in run.iterdir()} == before


NOT_FIXED = [case for case in CASES if not case.startswith("state file") and case != "staging left"]


@pytest.mark.parametrize("case", NOT_FIXED)
def test_nothing_else_is_fixed(run: Path, case: str) -> None:
    CASES[case][0](run)
    assert mend(examine(run)) == ()


@pytest.mark.parametrize("name", ["a b's.h5", "model.keras", "model.ckpt-7"])
def test_the_command_for_a_keras_file_is_one(tmp_path: Path, name: str) -> None:
    """As a shell and Python take it; Keras goes by the suffix, so another name is copied first."""
    path = tmp_path / name
    path.write_bytes(ZIP if name.endswith(".keras") else HDF5)
    (finding,) = examine(path).findings
    words = shlex.split(finding.mend, comments=True)
    code = words[words.index("-c") + 1]
    compile(code, "mend", "exec")
    assert repr(str(path) if path.suffix in (".h5", ".keras") else f"{path}.h5") in code
    assert (words[0] == "cp") is (name == "model.ckpt-7")


@pytest.mark.parametrize("given", ["", "m-1", "m-1-00000-of-00002"])
def test_a_file_of_a_sharded_v1_checkpoint_is_gone(corpus: Path, tmp_path: Path, given: str) -> None:
    shard = corpus / "tensorflow__serving__session_bundle_half_plus_two" / "export-00000-of-00001"
    shutil.copy(shard, tmp_path / "m-1-00000-of-00002")
    found = examine(tmp_path / given if given else tmp_path)
    assert [(each.kind, each.where) for each in found.findings] == [
        ("missing-shard", str(tmp_path / "m-1-00001-of-00002"))
    ]


def test_a_true_state_file_from_a_relative_path(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (run / "checkpoint").read_text().replace('"model', f'"{run}/model')
    (run / "checkpoint").write_text(text)
    monkeypatch.chdir(run.parent)
    found = examine("run")
    assert found.is_healthy
    assert not found.remarks
