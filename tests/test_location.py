"""What a person may point at, and which checkpoint that is."""

from __future__ import annotations

import os
import pathlib
import shutil

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.doctor import examine
from migration.errors import CheckpointNotFoundError, FormatError, MigrationError
from migration.location import prefixes_in
from migration.outside import leads_outside
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

SAMPLE = pathlib.Path(__file__).parent / "sample"


@pytest.fixture
def run(tmp_path: pathlib.Path) -> pathlib.Path:
    """A training directory with two checkpoints and a state file."""
    for step in (9, 10):
        write_bundle(tmp_path / f"model.ckpt-{step}", {"w": np.full((2, 2), step, np.float32)})
    (tmp_path / "model.ckpt-10.meta").write_bytes((SAMPLE / "model.ckpt-100.meta").read_bytes())
    state(tmp_path, "model.ckpt-10")
    return tmp_path


def state(directory: pathlib.Path, latest: str) -> None:
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "{latest}"\n')


@pytest.mark.parametrize(
    "pointed",
    [
        "model.ckpt-10",
        "model.ckpt-10.index",
        "model.ckpt-10.data-00000-of-00001",
        "model.ckpt-10.meta",
        "checkpoint",
        ".",
        "./",
    ],
)
def test_every_file_of_a_checkpoint_leads_to_it(run: pathlib.Path, pointed: str) -> None:
    checkpoint = Checkpoint.open(f"{run}/{pointed}")
    assert os.path.realpath(checkpoint.prefix) == os.path.realpath(run / "model.ckpt-10")
    assert checkpoint.read("w").tolist() == [[10.0, 10.0], [10.0, 10.0]]


def test_a_path_object_is_taken(run: pathlib.Path) -> None:
    assert Checkpoint.open(run / "model.ckpt-9").keys == ("w",)


@pytest.mark.parametrize(
    "recorded",
    [
        "/gone/machine/model.ckpt-9",
        "/gone/machine/../run/model.ckpt-9",
        "../elsewhere/model.ckpt-9",
        "C:\\\\runs\\\\model.ckpt-9",
    ],
)
def test_a_stale_path_is_looked_for_beside_the_state_file(run: pathlib.Path, recorded: str) -> None:
    state(run, recorded)
    checkpoint = Checkpoint.open(run)
    assert checkpoint.prefix == str(run / "model.ckpt-9")
    assert "which is not there" in checkpoint.location.remarks[0]


def test_a_stale_path_keeps_as_much_of_its_end_as_exists(run: pathlib.Path) -> None:
    (run / "sub").mkdir()
    write_bundle(run / "sub" / "model.ckpt-9", {"other": np.zeros(3, np.float32)})
    state(run, "/gone/sub/model.ckpt-9")
    assert Checkpoint.open(run).keys == ("other",)


def test_line_ends_of_another_system_are_no_matter(run: pathlib.Path) -> None:
    (run / "checkpoint").write_bytes(b'model_checkpoint_path: "model.ckpt-9"\r\n')
    assert Checkpoint.open(run).prefix.endswith("model.ckpt-9")


def test_a_state_file_of_another_name(run: pathlib.Path) -> None:
    (run / "best").write_text('model_checkpoint_path: "model.ckpt-9"\n')
    assert Checkpoint.open(run, latest_filename="best").prefix.endswith("model.ckpt-9")


def test_the_one_checkpoint_of_a_directory_is_opened_and_said(run: pathlib.Path) -> None:
    (run / "checkpoint").unlink()
    for path in run.glob("model.ckpt-9*"):
        path.unlink()
    assert "no state file" in Checkpoint.open(run).location.remarks[0]


def test_several_checkpoints_without_a_state_file_are_named(run: pathlib.Path) -> None:
    (run / "checkpoint").unlink()
    with pytest.raises(CheckpointNotFoundError, match=r"2 checkpoints without a state file.*model\.ckpt-10"):
        Checkpoint.open(run)


def test_a_prefix_without_its_number_names_the_nearest(run: pathlib.Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"nearest that exist: .*model\.ckpt-10"):
        Checkpoint.open(run / "model.ckpt")


def test_a_prefix_with_dots_is_taken_whole(tmp_path: pathlib.Path) -> None:
    write_bundle(tmp_path / "a.b.R1F32.ckpt", {"w": np.zeros(1, np.float32)})
    assert Checkpoint.open(tmp_path / "a.b.R1F32.ckpt").keys == ("w",)


@pytest.mark.parametrize("inside", ["", "variables", "variables/variables", "saved_model.pb"])
def test_a_saved_model(tmp_path: pathlib.Path, inside: str) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "variables").mkdir()
    write_bundle(tmp_path / "variables" / "variables", {"w": np.zeros(1, np.float32)})
    assert Checkpoint.open(tmp_path / inside).prefix == str(tmp_path / "variables" / "variables")


def test_a_saved_model_without_variables(tmp_path: pathlib.Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(CheckpointNotFoundError, match="SavedModel without variables"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (b"PK\x03\x04" + bytes(64), "zip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"nothing of the kind", "neither a V1 checkpoint"),
        (b"", "neither a V1 checkpoint"),
    ],
    ids=["h5", "keras", "lfs", "text", "empty"],
)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: pathlib.Path, head: bytes, told: str) -> None:
    (tmp_path / "file").write_bytes(head)
    with pytest.raises(FormatError, match=told):
        Checkpoint.open(tmp_path / "file")


@pytest.mark.parametrize("pointed", ["", "absent", "absent/model.ckpt-1", "empty"])
def test_what_is_not_there_is_a_clear_error(tmp_path: pathlib.Path, pointed: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointNotFoundError):
        Checkpoint.open(f"{tmp_path}/{pointed}" if pointed else "")


def test_an_index_that_was_left_behind(run: pathlib.Path) -> None:
    (run / "model.ckpt-9.index").unlink()
    for pointed in ("model.ckpt-9", "model.ckpt-9.data-00000-of-00001"):
        with pytest.raises(CheckpointNotFoundError, match=r"model\.ckpt-9\.index: no such file"):
            Checkpoint.open(run / pointed)


def test_a_shard_that_was_left_behind(run: pathlib.Path) -> None:
    checkpoint = Checkpoint.open(run / "model.ckpt-9")
    os.unlink(run / "model.ckpt-9.data-00000-of-00001")
    with pytest.raises(FormatError, match="copy the file again"):
        checkpoint.check_shards()
    with pytest.raises(FormatError, match="absent"):
        checkpoint.read("w")


def test_no_directory_above_is_needed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SAMPLE, tmp_path / "s")
    monkeypatch.chdir(tmp_path / "s")
    assert Checkpoint.open("model.ckpt-100").keys == Checkpoint.open(".").keys


def test_a_key_that_is_not_there_names_the_nearest(run: pathlib.Path) -> None:
    write_bundle(run / "n", {f"layer_{number}/kernel": np.zeros(1, np.float32) for number in (1, 2)})
    with pytest.raises(KeyError, match="layer_1/kernel"):
        Checkpoint.open(run / "n").read("layer1/kernel")
    with pytest.raises(MigrationError):
        Checkpoint.open(run / "n").spec("layer1/kernel")


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Another directory, with checkpoints 8 and 9."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for step in (8, 9):
        write_bundle(folder / f"model.ckpt-{step}", {"other": np.zeros(3, np.float32)})
    return folder


def test_a_path_that_leads_outside_is_looked_for_in_the_directory_first(
    run: pathlib.Path, elsewhere: pathlib.Path
) -> None:
    for recorded in (os.path.relpath(elsewhere / "model.ckpt-9", run), f"{elsewhere}/model.ckpt-9"):
        state(run, recorded)
        checkpoint = Checkpoint.open(run)
        assert checkpoint.prefix == str(run / "model.ckpt-9")
        assert "which lies outside of its directory" in checkpoint.location.remarks[0]


def test_where_it_is_only_outside_it_is_opened_and_said(run: pathlib.Path, elsewhere: pathlib.Path) -> None:
    state(run, os.path.relpath(elsewhere / "model.ckpt-8", run))
    checkpoint = Checkpoint.open(run)
    assert checkpoint.keys == ("other",)
    assert "outside of its directory, and that was opened" in checkpoint.location.remarks[0]


def test_a_linked_directory_is_no_elsewhere(run: pathlib.Path, elsewhere: pathlib.Path) -> None:
    (elsewhere / "link").symlink_to(run)
    state(run, f"{run}/model.ckpt-9")
    assert not Checkpoint.open(elsewhere / "link").location.remarks


def test_an_index_whose_name_begins_with_a_dot(tmp_path: pathlib.Path) -> None:
    """It was taken for a V1 file; the one that macOS puts beside each file it copies is none at all."""
    write_bundle(tmp_path / ".ckpt", {"a": np.ones(1, np.float32)})
    (tmp_path / "._.ckpt.index").write_bytes(b"\0\x05\x16\x07" + bytes(200))
    assert prefixes_in(str(tmp_path)) == [str(tmp_path / ".ckpt")]


@pytest.mark.parametrize("path", ["a\0b", "x/\0/y", "\ud800/x", b"a\xff\0"])
def test_what_no_file_can_be_called(path: str | bytes) -> None:
    for opened in (Checkpoint.open, examine):
        with pytest.raises(CheckpointNotFoundError, match="no file can be called so"):
            opened(path)  # type: ignore[operator]
    assert leads_outside(os.fsdecode(path), "/")
