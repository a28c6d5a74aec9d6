"""What fresh eyes found in the ground: bookkeeping keys, odd names, slices, targets that several want."""

from __future__ import annotations

import os
import pathlib
import threading
from typing import Any

import numpy as np
import pytest

from migration.checked import Writing, write_and_verify
from migration.checkpoint import MANIFEST_KEY, Checkpoint
from migration.convert import execute
from migration.errors import CheckpointNotFoundError, FormatError, TargetError
from migration.formats.object_graph import GRAPH_KEY
from migration.formats.tensor_bundle import shard_name
from migration.planning.planner import make_plan
from migration.storage import Staging
from migration.verify import verify
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

ARRAYS = {"net/w": np.arange(6, dtype=np.float32).reshape(2, 3), "net/b": np.zeros(3, np.float32)}


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Checkpoint:
    (tmp_path / "old").mkdir()
    return Checkpoint.open(write_bundle(tmp_path / "old" / "m", ARRAYS))


@pytest.mark.parametrize("key", [GRAPH_KEY, MANIFEST_KEY])
@pytest.mark.parametrize("value", [np.float32(1), np.array([b"a", b"b"], object)], ids=["number", "vector"])
def test_a_bookkeeping_key_that_holds_something_else(
    tmp_path: pathlib.Path, key: str, value: np.ndarray[Any, Any]
) -> None:
    found = Checkpoint.open(write_bundle(tmp_path / "m", {**ARRAYS, key: np.asarray(value)}))
    with pytest.raises(FormatError, match=f"{key} is .*, not a string"):
        _ = found.graph, found.manifest_bytes


def test_names_of_bytes_that_are_no_unicode(tmp_path: pathlib.Path) -> None:
    name = b"caf\xe9/w".decode("utf-8", "surrogateescape")
    source = Checkpoint.open(write_bundle(tmp_path / "m", {name: np.ones(2, np.float32), "w": np.ones(1)}))
    execute(make_plan(source), source, tmp_path / "objects")
    there = Checkpoint.open(tmp_path / "objects")
    assert r"caf\xe9/w/.ATTRIBUTES/VARIABLE_VALUE" in there
    execute(make_plan(there, to="name"), there, tmp_path / "back")
    assert Checkpoint.open(tmp_path / "back").digest == source.digest


def test_the_original_that_comes_back_has_its_own_keys_and_no_other(
    source: Checkpoint, tmp_path: pathlib.Path
) -> None:
    execute(make_plan(source), source, tmp_path / "objects")
    there = Checkpoint.open(tmp_path / "objects")
    assert MANIFEST_KEY in there.all_specs
    execute(make_plan(there, to="name"), there, tmp_path / "back")
    back = Checkpoint.open(tmp_path / "back")
    assert tuple(back.all_specs) == tuple(source.all_specs)
    assert verify(there, back).basis == "the manifest"


@pytest.mark.parametrize("made", ["new", "new/deep/er"])
def test_a_failure_leaves_no_directory(source: Checkpoint, tmp_path: pathlib.Path, made: str) -> None:
    path = pathlib.Path(source.shard_path(0))
    raw = bytearray(path.read_bytes())
    raw[5] ^= 1
    path.write_bytes(raw)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FormatError, match="checksum"):
        execute(make_plan(source), source, tmp_path / made / "ckpt")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_source_that_verifying_finds_damaged_is_an_input_error(
    source: Checkpoint, tmp_path: pathlib.Path
) -> None:
    path = pathlib.Path(source.shard_path(0))
    raw = bytearray(path.read_bytes())
    raw[5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"old/m: the checksum is wrong"):
        write_and_verify(
            make_plan(source), source, str(tmp_path / "ckpt"), Writing(data="link", verify_data=True)
        )
    assert not list(tmp_path.glob("ckpt*"))


def test_a_target_that_another_run_is_writing_is_refused(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    plan, target = make_plan(source), str(tmp_path / "new" / "ckpt")
    with Staging(target) as other:
        with pytest.raises(TargetError, match="another run is writing it"):
            execute(plan, source, target)
        assert os.path.isdir(other.folder)
    execute(plan, source, target)


def test_two_runs_and_one_target(
    source: Checkpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that looked before the other wrote does not overwrite what it has not seen."""
    target = tmp_path / "ckpt"
    plan = make_plan(source)
    entered = Staging.__enter__

    def late(self: Staging) -> Staging:
        monkeypatch.setattr(Staging, "__enter__", entered)
        execute(plan, source, target)
        return entered(self)

    monkeypatch.setattr(Staging, "__enter__", late)
    with pytest.raises(TargetError, match="wrote it meanwhile"):
        execute(plan, source, target)
    assert Checkpoint.open(target).manifest_bytes is not None


def test_threads_and_one_target(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    told: list[BaseException] = []

    def run() -> None:
        try:
            execute(make_plan(source), source, tmp_path / "new" / "ckpt", overwrite=True)
        except TargetError as error:
            told.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) < 4
    assert verify(source, tmp_path / "new" / "ckpt").is_equal
    count = Checkpoint.open(tmp_path / "new" / "ckpt").index.header.num_shards
    shards = {shard_name("ckpt", shard, count) for shard in range(count)}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"ckpt.index", *shards}


def test_a_directory_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="absent is no directory that exists; check the path"):
        Checkpoint.open(tmp_path / "absent" / "ckpt")


def test_a_damaged_graph_file_is_told_with_its_path(source: Checkpoint) -> None:
    path = pathlib.Path(f"{source.prefix}.meta")
    path.write_bytes(b"\x0a\xff")
    with pytest.raises(FormatError, match=r"m\.meta: truncated, or no MetaGraphDef"):
        make_plan(source.prefix)


def test_one_place_under_two_checksums_is_checked_under_both(
    source: Checkpoint, tmp_path: pathlib.Path
) -> None:
    index = source.index
    wrong = index.entries["net/b"]
    entries = {
        **index.entries,
        "other": type(wrong)(wrong.spec, 0, wrong.offset, wrong.size, wrong.crc32c ^ 1),
    }
    pathlib.Path(f"{source.prefix}.index").write_bytes(type(index)(index.header, entries).to_bytes())
    doubled = Checkpoint.open(source.prefix)
    with pytest.raises(FormatError, match=r"'other' of .* the checksum is wrong"):
        execute(make_plan(doubled), doubled, tmp_path / "ckpt")


def test_no_name_stands_for_two_tensors_in_a_digest(tmp_path: pathlib.Path) -> None:
    two = Checkpoint.open(write_bundle(tmp_path / "two", {"a": np.ones(2), "b": np.zeros(2)}))
    entry = two.index.entries["a"]
    one = f"a\0{entry.spec}\0[('None', {entry.crc32c})]\nb"
    forged = Checkpoint.open(write_bundle(tmp_path / "one", {one: np.zeros(2)}))
    assert forged.digest != two.digest
    spelled = Checkpoint.open(write_bundle(tmp_path / "spelled", {ascii(one): np.zeros(2)}))
    assert forged.digest != spelled.digest
