"""A target that is replaced: the old checkpoint or the new one, whatever happens on the way."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import migration.checked
from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import ReplacedError, TargetError, VerificationError
from migration.planning.plan import Plan
from migration.planning.planner import make_plan
from migration.state_files import kept_beside
from migration.storage import STAGING_MARK, Staging, replace_file, stale_stagings, sweep
from migration.storage.journal import Journal, Mark, marks, read_journal, write_journal
from migration.storage.staging import flush_directory
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

DEAD = 4194304 + 17  # beyond the largest process id that Linux gives
OLD = {"old": np.arange(3.0)}


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Checkpoint:
    """Two shards."""
    (tmp_path / "source").mkdir()
    arrays = {"w": np.arange(8, dtype=np.float32), "v": np.arange(3, dtype=np.int64)}
    return Checkpoint.open(write_bundle(tmp_path / "source" / "model.ckpt", arrays, num_shards=2))


@pytest.fixture
def target(tmp_path: pathlib.Path) -> str:
    """A checkpoint of one shard, to be replaced."""
    (tmp_path / "target").mkdir()
    return write_bundle(tmp_path / "target" / "ckpt", OLD)


def names(prefix: str) -> list[str]:
    return sorted(os.listdir(os.path.dirname(prefix)))


def migrate(source: Checkpoint, prefix: str, data: Any = "copy") -> None:
    execute(make_plan(source), source, prefix, data=data, overwrite=True)


def keeps_old(prefix: str) -> bool:
    return Checkpoint.open(prefix).read("old").tolist() == OLD["old"].tolist()


def of(count: int) -> list[str]:
    return [f"ckpt.data-{number:05d}-of-{count:05d}" for number in range(count)] + ["ckpt.index"]


# Names that are free --------------------------------------------------------------------------------


def test_new_shards_take_names_that_nobody_has(source: Checkpoint, target: str) -> None:
    migrate(source, target)
    assert names(target) == of(2)
    assert os.path.getsize(f"{target}.data-00001-of-00002") == 0
    migrate(source, target)
    assert names(target) == of(1)


@pytest.mark.parametrize(("there", "count"), [((), 3), ((3,), 4), ((3, 4), 5), ((4,), 3), ((1,), 3)])
def test_the_smallest_number_of_shards_that_is_free(
    source: Checkpoint, tmp_path: pathlib.Path, there: tuple[int, ...], count: int
) -> None:
    for number in there:
        (tmp_path / f"ckpt.data-00000-of-{number:05d}").touch()
    migrate(source, str(tmp_path / "ckpt"), "link")
    result = Checkpoint.open(tmp_path / "ckpt")
    result.check_shards()
    assert result.index.header.num_shards == count
    assert sorted(path.name for path in tmp_path.glob("ckpt*")) == of(count)


def test_shards_of_another_prefix_are_left(source: Checkpoint, target: str) -> None:
    beside = [f"{target}-2.data-00000-of-00001", f"{target}.data-00000-of-00001.bak"]
    for path in beside:
        pathlib.Path(path).write_bytes(b"another's")
    migrate(source, target)
    assert [pathlib.Path(path).read_bytes() for path in beside] == [b"another's"] * 2


# Interrupted commits --------------------------------------------------------------------------------


def interrupted(prefix: str, committed: bool = False) -> tuple[str, str]:
    """What a process leaves that dies in the commit, behind its first shard (or behind the index); the
    folder, and the shard that has moved."""
    directory, base = os.path.split(prefix)
    folder = os.path.join(directory, f".{base}{STAGING_MARK}{DEAD}.1")
    os.mkdir(folder)
    write_bundle(os.path.join(folder, base), {"new": np.arange(4.0)}, num_shards=2)
    shards = [f"{base}.data-0000{number}-of-00002" for number in range(2)]
    old = marks(directory, [name for name in os.listdir(directory) if name.startswith(f"{base}.")])
    write_journal(folder, Journal(base=base, shards=marks(folder, shards), old=old))
    moved = [*shards, f"{base}.index"] if committed else shards[:1]
    for name in moved:
        os.replace(os.path.join(folder, name), os.path.join(directory, name))
    return folder, os.path.join(directory, shards[0])


def test_before_the_index_it_is_taken_back(target: str) -> None:
    interrupted(target)
    sweep(os.path.dirname(target), "ckpt")
    assert names(target) == of(1)
    assert keeps_old(target)


def test_behind_the_index_it_is_ended(target: str) -> None:
    interrupted(target, committed=True)
    sweep(os.path.dirname(target), "ckpt")
    assert names(target) == of(2)
    assert Checkpoint.open(target).read("new").tolist() == [0, 1, 2, 3]


def test_where_nothing_was_the_next_run_needs_no_flag(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    (tmp_path / "fresh").mkdir()
    prefix = str(tmp_path / "fresh" / "ckpt")
    interrupted(prefix)
    execute(make_plan(source), source, prefix)
    assert names(prefix) == of(1)


@pytest.mark.parametrize("committed", [False, True])
def test_files_that_were_saved_since_are_not_touched(target: str, committed: bool) -> None:
    _, moved = interrupted(target, committed)
    saved = moved if not committed else f"{target}.data-00000-of-00001"
    pathlib.Path(f"{target}.saved").write_bytes(b"saved since")
    os.replace(f"{target}.saved", saved)
    sweep(os.path.dirname(target), "ckpt")
    assert pathlib.Path(saved).read_bytes() == b"saved since"
    assert not list(stale_stagings(os.path.dirname(target)))


def test_a_folder_that_somebody_half_removed_leaves_the_old_checkpoint(target: str) -> None:
    """Its index is gone, but not into its place."""
    folder, _ = interrupted(target)
    os.unlink(os.path.join(folder, "ckpt.index"))
    sweep(os.path.dirname(target), "ckpt")
    assert keeps_old(target)


def in_place(change: Callable[[bytes], bytes]) -> Callable[[str], None]:
    def damage(folder: str) -> None:
        path = pathlib.Path(folder, "journal")
        path.write_bytes(change(path.read_bytes()))

    return damage


def without_digest(change: Callable[[dict[str, Any]], None]) -> Callable[[str], None]:
    """A journal by somebody who knows how to make its digest."""

    def damage(folder: str) -> None:
        import hashlib

        path = pathlib.Path(folder, "journal")
        title, body = path.read_bytes().split(b"\n", 1)
        document = json.loads(body)
        change(document)
        body = json.dumps(document).encode()
        digest = hashlib.sha256(body).hexdigest().encode()
        path.write_bytes(title.rpartition(b" ")[0] + b" " + digest + b"\n" + body)

    return damage


DAMAGES = {
    "cut": in_place(lambda raw: raw[: len(raw) // 2]),
    "empty": in_place(lambda raw: b""),
    "one bit": in_place(lambda raw: raw[:-20] + bytes([raw[-20] ^ 1]) + raw[-19:]),
    "another title": in_place(lambda raw: raw.replace(b"journal 1", b"journal 2", 1)),
    "a path": without_digest(lambda document: document["old"].append(["../victim.index", 1, 2, 3])),
    "an absolute path": without_digest(lambda document: document["old"].append(["/victim.index", 1, 2, 3])),
    "another target": without_digest(lambda document: document.update(base="other")),
    "another target's shard": without_digest(
        lambda document: document["old"].append(["b.data-00000-of-00001", 1, 2, 3])
    ),
    "no list": without_digest(lambda document: document.update(old=5)),
    "a row too short": without_digest(lambda document: document.update(old=[["ckpt.index"]])),
    "no number": without_digest(lambda document: document.update(old=[["ckpt.index", "a", "b", "c"]])),
    "no object": in_place(lambda raw: b"ckpt-migration journal 1 x\n[]"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_removes_nothing(target: str, damage: Callable[[str], None]) -> None:
    folder, _ = interrupted(target, committed=True)
    before = {name for name in names(target) if not name.startswith(".")}
    damage(folder)
    assert read_journal(folder, "ckpt") is None
    sweep(os.path.dirname(target), "ckpt")
    assert set(names(target)) == before


def test_every_bit_of_a_journal_counts(target: str) -> None:
    folder, _ = interrupted(target)
    raw = pathlib.Path(folder, "journal").read_bytes()
    assert Journal.from_bytes(raw, "ckpt") is not None
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        assert Journal.from_bytes(bytes(flipped), "ckpt") is None


def test_names_that_are_no_unicode(tmp_path: pathlib.Path) -> None:
    base = os.fsdecode(b"ckpt-\xff\n")
    mark = Mark(f"{base}.index", 1, 2, 3)
    journal = Journal(base=base, shards=(), old=(mark,))
    assert Journal.from_bytes(journal.to_bytes(), base) == journal


# Errors on the way ----------------------------------------------------------------------------------


def test_a_commit_that_the_disk_does_not_confirm(
    source: Checkpoint, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old shards stay until the new index is known to be on the disk."""
    before = os.stat(f"{target}.index").st_ino

    def unsure(path: str) -> None:
        if os.stat(f"{target}.index").st_ino != before:
            raise OSError(errno.EIO, "Input/output error")
        flush_directory(path)

    with monkeypatch.context() as patch:
        patch.setattr("migration.storage.staging.flush_directory", unsure)
        with pytest.raises(TargetError, match="does not confirm"):
            migrate(source, target)
    assert os.path.exists(f"{target}.data-00000-of-00001")
    assert Checkpoint.open(target).keys != ("old",)
    migrate(source, target)
    assert names(target) == of(1)


def test_what_cannot_be_cleared_is_told(
    source: Checkpoint, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(TargetError, match=r"run again; that clears what is left in .*ckpt-staging"):
            migrate(source, target)
    assert keeps_old(target)
    migrate(source, target)
    assert names(target) == of(2)


def test_a_pwrite_that_writes_nothing_is_an_error(
    source: Checkpoint, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *arguments: 0)
    with pytest.raises(TargetError, match="nothing was left behind"):
        migrate(source, target)
    assert keeps_old(target)


def test_a_directory_that_may_not_be_listed(
    source: Checkpoint, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str = ".") -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(TargetError, match=r"target: .*\(Permission denied\): check its permissions"):
        migrate(source, target)


def test_a_directory_above_that_was_made_is_removed(
    source: Checkpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def refuse(path: str, *arguments: Any, **more: Any) -> None:
        if STAGING_MARK in path:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *arguments, **more)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(TargetError, match="free some space and run again; nothing was left behind"):
        execute(make_plan(source), source, tmp_path / "a" / "b" / "ckpt")
    assert not (tmp_path / "a").exists()


def test_what_fails_verification_leaves_the_old_one(
    source: Checkpoint, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise VerificationError("it differs", ())

    monkeypatch.setattr(migration.checked, "verify", refuse)
    with pytest.raises(VerificationError, match="it differs; it was removed again"):
        write_and_verify(make_plan(source), source, target, Writing(overwrite=True))
    assert keeps_old(target)
    assert names(target) == of(1)


@pytest.mark.parametrize(
    "name", ["data-00001-of-00002", "data-00000-of-00001", "index", "data-00007-of-00009"]
)
def test_another_program_saves_at_the_same_place(source: Checkpoint, target: str, name: str) -> None:
    def saved(staged: str, plan: Plan) -> None:
        pathlib.Path(f"{target}.coming").write_bytes(b"saved meanwhile")
        os.replace(f"{target}.coming", f"{target}.{name}")

    before = set(names(target))
    with pytest.raises(TargetError, match="another program wrote it meanwhile"):
        execute(make_plan(source), source, target, overwrite=True, check=saved)
    assert set(names(target)) == before | {f"ckpt.{name}"}
    assert pathlib.Path(f"{target}.{name}").read_bytes() == b"saved meanwhile"


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize("what", ["index", "data-00000-of-00002"])
def test_a_source_that_is_replaced_is_refused(source: Checkpoint, target: str, data: Any, what: str) -> None:
    def replaced(staged: str, plan: Plan) -> None:
        path = pathlib.Path(f"{source.prefix}.{what}")
        pathlib.Path(f"{path}.new").write_bytes(path.read_bytes())
        os.replace(f"{path}.new", path)

    with pytest.raises(ReplacedError, match=r"replaced while .*run again; nothing was written"):
        execute(make_plan(source), source, target, data=data, overwrite=True, check=replaced)
    assert keeps_old(target)
    assert names(target) == of(1)


def test_the_result_is_seen_under_the_staged_prefix(source: Checkpoint, target: str) -> None:
    seen = []

    def look(staged: str, plan: Plan) -> None:
        seen.append(Checkpoint.open(staged).keys)
        assert keeps_old(target)

    execute(make_plan(source), source, target, overwrite=True, check=look)
    assert seen == [Checkpoint.open(target).keys]


# Single files ---------------------------------------------------------------------------------------


def test_a_file_is_replaced_and_strays_are_cleared(tmp_path: pathlib.Path) -> None:
    (tmp_path / f".plan.toml{STAGING_MARK}{DEAD}.3").write_bytes(b"half")
    (tmp_path / "plan.toml").write_bytes(b"old")
    replace_file(str(tmp_path / "plan.toml"), b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"plan.toml": b"new"}


@pytest.mark.parametrize("call", ["open", "pwrite", "fsync", "replace"])
def test_a_file_that_cannot_be_replaced_stays(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (tmp_path / "plan.toml").write_bytes(b"old")
    real = getattr(os, call)

    def refuse(*arguments: Any, **more: Any) -> Any:
        if call == "open" and not arguments[1] & os.O_CREAT:
            return real(*arguments, **more)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(OSError, match="No space left"):
            replace_file(str(tmp_path / "plan.toml"), b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"plan.toml": b"old"}


def test_a_run_that_is_alive_is_not_swept(tmp_path: pathlib.Path) -> None:
    with Staging(str(tmp_path / "ckpt")) as staging:
        assert not list(stale_stagings(str(tmp_path)))
        sweep(str(tmp_path), "ckpt")
        assert os.path.isdir(staging.folder)
        with pytest.raises(TargetError, match="another run is writing it"), Staging(str(tmp_path / "ckpt")):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shared", [False, True], ids=["no locks", "shared locks only, as on NFS"])
def test_without_locks_a_process_that_runs_is_alive(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        if not (shared and operation & fcntl.LOCK_SH):
            raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    (tmp_path / f".ckpt{STAGING_MARK}{os.getppid()}.1").mkdir()
    (tmp_path / f".ckpt{STAGING_MARK}{DEAD}.1").mkdir()
    assert [path.rpartition("-")[2] for path in stale_stagings(str(tmp_path))] == [f"{DEAD}.1"]
    with Staging(str(tmp_path / "other")) as staging:
        assert staging.folder not in list(stale_stagings(str(tmp_path)))


def test_a_file_is_kept_once(tmp_path: pathlib.Path) -> None:
    """An interrupted run gave it its further name, and did not come to replace it."""
    (tmp_path / "checkpoint").write_bytes(b"no state file")
    (tmp_path / "checkpoint.old-1").write_bytes(b"of before")
    kept = kept_beside(str(tmp_path / "checkpoint"))
    assert kept == str(tmp_path / "checkpoint.old-2")
    assert kept_beside(str(tmp_path / "checkpoint")) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint",
        "checkpoint.old-1",
        "checkpoint.old-2",
    ]


def test_a_number_that_another_process_has_by_now_is_not_alive(tmp_path: pathlib.Path) -> None:
    """Where locks work, the process that runs would hold one."""
    (tmp_path / f".ckpt{STAGING_MARK}{os.getppid()}.1").mkdir()
    sweep(str(tmp_path), "ckpt")
    assert list(tmp_path.iterdir()) == []
