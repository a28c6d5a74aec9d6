"""A checkpoint that is written anew while it is open: its reader gets the old values, or is told."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import migration
from migration import checkpoint as checkpoint_module
from migration import stored_file
from migration.checkpoint import Checkpoint
from migration.contents.streams import blocks, open_stream
from migration.errors import CheckpointNotFoundError, FormatError, MigrationError, ReplacedError
from migration.formats.saved_slices import SavedSlices
from migration.formats.tensor_bundle import BundleHeader, BundleIndex, shard_name
from migration.verify import verify
from tests.bundles import write_bundle
from tests.formats.test_saved_slices import BOTTOM, TOP, WHOLE, one_part

pytestmark = pytest.mark.quick

KEYS = tuple(f"w{number}" for number in range(6))
TOLD = "m was replaced while it was read: open it again"


def generation(number: int) -> dict[str, np.ndarray[Any, Any]]:
    frozen = {"frozen": np.arange(8, dtype=np.float32)}
    return {**{key: np.full(8, number, np.float32) for key in KEYS}, **frozen}


def write(folder: pathlib.Path, number: int, num_shards: int = 2) -> str:
    return write_bundle(folder / "m", generation(number), num_shards=num_shards)


def replace(folder: pathlib.Path, number: int, num_shards: int) -> None:
    """Write a generation as `execute` does (shards of other names) or TensorFlow (of the same)."""
    (folder / "new").mkdir()
    write(folder / "new", number, num_shards)
    shards = [shard_name("m", shard, num_shards) for shard in range(num_shards)]
    old = set(map(os.path.basename, glob.glob(str(folder / "m.data-*")))) - set(shards)
    for name in [*shards, "m.index"]:
        os.replace(folder / "new" / name, folder / name)
    for name in old:
        (folder / name).unlink()
    (folder / "new").rmdir()


@pytest.mark.parametrize("num_shards", [2, 3], ids=["same names", "other names"])
@pytest.mark.parametrize("reading", [Checkpoint.read, Checkpoint.read_bytes])
def test_replaced_before_the_first_read(
    tmp_path: pathlib.Path, num_shards: int, reading: Callable[[Checkpoint, str], object]
) -> None:
    found = Checkpoint.open(write(tmp_path, 1))
    replace(tmp_path, 2, num_shards)
    for key in (*KEYS, "frozen"):
        with pytest.raises(ReplacedError, match=TOLD):
            reading(found, key)
    with pytest.raises(ReplacedError, match=TOLD):
        found.check_shards()
    with pytest.raises(ReplacedError, match=TOLD):
        found.check_unchanged()
    again = Checkpoint.open(found.prefix)
    again.check_unchanged()
    assert again.read("w0").tolist() == [2] * 8


@pytest.mark.parametrize("num_shards", [2, 3], ids=["same names", "other names"])
def test_replaced_after_the_first_read(tmp_path: pathlib.Path, num_shards: int) -> None:
    """The shards were opened together: all of the old values are there still."""
    found = Checkpoint.open(write(tmp_path, 1))
    assert found.read("w0").tolist() == [1] * 8
    replace(tmp_path, 2, num_shards)
    for key, array in generation(1).items():
        np.testing.assert_array_equal(found.read(key), array)
        assert b"".join(blocks(open_stream(found, key))) == array.tobytes()  # type: ignore[arg-type]
    found.close()
    with pytest.raises(ReplacedError, match=r"was (replaced|removed) while it was read"):
        found.read("w1")


def test_only_the_index_is_new(tmp_path: pathlib.Path) -> None:
    """The moment at which TensorFlow has renamed its shards and not its index, or the other way round."""
    found = Checkpoint.open(write(tmp_path, 1))
    (tmp_path / "new").mkdir()
    write(tmp_path / "new", 2)
    os.replace(tmp_path / "new" / "m.data-00000-of-00002", tmp_path / "m.data-00000-of-00002")
    with pytest.raises(FormatError, match="checksum") as raised:
        found.read("w0")
    assert not isinstance(raised.value, ReplacedError)  # not yet: a shard that does not fit is damage
    os.replace(tmp_path / "new" / "m.index", tmp_path / "m.index")
    for reading in (found.read, found.read_bytes, lambda key: list(blocks(open_stream(found, key)))):
        with pytest.raises(ReplacedError, match=TOLD):
            reading("w0")


@pytest.mark.parametrize("num_shards", [12, 13], ids=["same names", "other names"])
def test_more_shards_than_are_opened_together(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, num_shards: int
) -> None:
    monkeypatch.setattr(stored_file, "MOST_OPEN", 4)
    found = Checkpoint.open(write(tmp_path, 1, 12))
    assert found.read("w0").tolist() == [1] * 8
    replace(tmp_path, 2, num_shards)
    assert found.read("w0").tolist() == [1] * 8
    with pytest.raises(ReplacedError, match=TOLD):
        found.read("w1")


def test_an_index_that_tells_of_very_many_shards(tmp_path: pathlib.Path) -> None:
    prefix = write(tmp_path, 1)
    index = BundleIndex.from_bytes((tmp_path / "m.index").read_bytes())
    raw = BundleIndex(BundleHeader(2**31 - 1), index.entries, index.slice_entries).to_bytes()
    (tmp_path / "m.index").write_bytes(raw)
    with pytest.raises(FormatError, match=r"absent, but the index of .* needs it"):
        Checkpoint.open(prefix).read("w0")


def _index(folder: pathlib.Path) -> pathlib.Path:
    return folder / "m.index"


def _shard(folder: pathlib.Path) -> pathlib.Path:
    return folder / "m.data-00001-of-00002"


@pytest.mark.parametrize("file", [_index, _shard])
@pytest.mark.parametrize("looked_at", ["read", "check_shards"])
@pytest.mark.parametrize("how", ["rename", "rewrite", "append", "remove"])
def test_check_unchanged(
    tmp_path: pathlib.Path, file: Callable[[pathlib.Path], pathlib.Path], looked_at: str, how: str
) -> None:
    found = Checkpoint.open(write(tmp_path, 1))
    found.check_unchanged()
    if looked_at == "read":
        found.read("w0")
    else:
        found.check_shards()
    found.check_unchanged()
    path = file(tmp_path)
    os.link(path, tmp_path / "another name")  # as `link` does with a source: nothing of it changes
    found.check_unchanged()
    _change(path, how)
    with pytest.raises(ReplacedError, match=TOLD):
        found.check_unchanged()


def _change(path: pathlib.Path, how: str) -> None:
    raw = path.read_bytes()
    path.unlink()
    if how == "rename":
        path.with_suffix(".aside").write_bytes(raw)
        path.with_suffix(".aside").rename(path)
    elif how != "remove":
        path.write_bytes(raw + b"x" * (how == "append"))


def test_check_unchanged_of_v1_files(tmp_path: pathlib.Path) -> None:
    for number, part in enumerate((TOP, BOTTOM)):
        (tmp_path / f"m-{number:05d}-of-00002").write_bytes(one_part(part))
    found = Checkpoint.open(tmp_path / "m")
    found.check_unchanged()
    digest = found.digest
    raw = (tmp_path / "m-00001-of-00002").read_bytes()
    (tmp_path / "new").write_bytes(raw + b"more")
    os.replace(tmp_path / "new", tmp_path / "m-00001-of-00002")
    assert found.read("emb").shape == (4, 3)  # open since it was opened
    with pytest.raises(ReplacedError, match="was replaced while it was read"):
        found.check_unchanged()
    assert found.digest == digest


def test_a_v1_file_that_was_closed_and_replaced(tmp_path: pathlib.Path) -> None:
    (tmp_path / "m").write_bytes(WHOLE)
    kept, closed = Checkpoint.open(tmp_path / "m"), Checkpoint.open(tmp_path / "m")
    closed.close()
    (tmp_path / "new").write_bytes(WHOLE)
    os.replace(tmp_path / "new", tmp_path / "m")
    assert kept.read("step") == 7  # open since the checkpoint was opened
    with pytest.raises(ReplacedError, match=TOLD):
        closed.read("step")  # in a block that was not read before


def test_v1_files_replaced_while_they_are_opened(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_bytes(WHOLE)
    opened = SavedSlices.open
    tries = []

    def slow(sources: Any, names: Any) -> SavedSlices:
        found = opened(sources, names)
        tries.append(found)
        if len(tries) < 3:
            (tmp_path / "new").write_bytes(WHOLE)
            os.replace(tmp_path / "new", tmp_path / "m")
        return found

    monkeypatch.setattr(SavedSlices, "open", slow)
    assert Checkpoint.open(tmp_path / "m").read("step") == 7
    assert len(tries) == 3
    tries.clear()
    monkeypatch.setattr("migration.snapshot._TRIES", 2)
    with pytest.raises(ReplacedError, match=TOLD):
        Checkpoint.open(tmp_path / "m")


def test_the_latest_is_rotated_away_while_it_is_opened(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        write_bundle(tmp_path / f"m-{number}", generation(number))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-1"\n')
    locate = checkpoint_module.locate

    def slow(path: Any, latest: str) -> Any:
        found = locate(path, latest)
        if found.prefix.endswith("m-1"):
            (tmp_path / "checkpoint").write_text('model_checkpoint_path: "m-2"\n')
            (tmp_path / "m-1.index").unlink()
        return found

    monkeypatch.setattr(checkpoint_module, "locate", slow)
    assert Checkpoint.open(tmp_path).read("w0").tolist() == [2] * 8
    with pytest.raises(CheckpointNotFoundError):
        Checkpoint.open(tmp_path / "m-1")


def test_the_index_is_read_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that both read it could each have another one's."""
    found = Checkpoint(checkpoint_module.locate(write(tmp_path, 1)))
    times = []
    from_table = BundleIndex.from_table
    monkeypatch.setattr(BundleIndex, "from_table", lambda table: times.append(table) or from_table(table))
    with ThreadPoolExecutor(8) as pool:
        indexes = list(pool.map(lambda _: found.index, range(32)))
    assert len(times) == 1
    assert len(set(map(id, indexes))) == 1


def test_verify_tells_damage_from_a_new_generation(tmp_path: pathlib.Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    source, made = Checkpoint.open(write(tmp_path / "a", 1)), Checkpoint.open(write(tmp_path / "b", 1))
    assert verify(source, made).is_complete
    made = Checkpoint.open(write(tmp_path / "b", 1))
    replace(tmp_path / "b", 2, 2)
    with pytest.raises(ReplacedError, match=TOLD):
        verify(source, made)


def test_it_is_a_format_error_and_public() -> None:
    assert migration.ReplacedError.__mro__[1:3] == (FormatError, MigrationError)
