"""The campaign finds nothing, and finds what is broken on purpose."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import TargetError
from migration.formats.sstable import Table, read_block
from migration.formats.sstable_blocks import Item, decode_block
from migration.planning.planner import make_plan
from migration.snapshot import Snapshot
from tests.bundles import write_bundle
from tests.hardening.campaign import Budget, Record
from tests.hardening.flips.subjects import v1_table
from tests.hardening.threads import often_switching, run
from tests.hardening.threads.expected import Expected
from tests.hardening.threads.overwriting import Writer
from tests.hardening.threads.reader import Reader, generation
from tests.hardening.threads.same_target import judged
from tests.hardening.threads.sharing import Round, unread

BUDGET = Budget(name="short", seconds=1.0, seed=5)


def test_a_short_run_finds_nothing() -> None:
    outcome = run(BUDGET)
    assert outcome.findings == ()
    assert {
        "a tensor read, in 6 threads at once",
        "a target overwritten under its readers",
        "threads that write one target at once",
    } <= outcome.tried.keys()


def faults_with(kind: type[Checkpoint], wanted: Expected, folder: Path) -> list[str]:
    """What a round finds where all threads share a checkpoint of that kind."""
    shared = kind(unread(wanted.prefix).location)
    attempt = Round(wanted, shared, folder, seed=1)
    with often_switching():
        attempt.run()
    assert sum(attempt.counts.values()) == 72
    return attempt.faults


class SharedDict(Checkpoint):
    """Keeps what it is asked for where another thread puts its own question."""

    asked: dict[str, str]

    def read(self, key: str) -> Any:
        self.__dict__.setdefault("asked", {})["key"] = key
        time.sleep(0.001)
        return super().read(self.asked["key"])


@pytest.mark.quick
def test_a_shared_dict_is_noticed(tmp_path: Path) -> None:
    arrays = {f"v{number}": generation(number)["gen/b"] for number in range(40)}
    wanted = Expected.of("V2", write_bundle(tmp_path / "ckpt", arrays))
    assert faults_with(Checkpoint, wanted, tmp_path) == []
    assert any("Mismatch" in fault for fault in faults_with(SharedDict, wanted, tmp_path))


def _torn(self: Table, number: int) -> list[Item]:
    """Looks twice at the block that was kept: the second time it may be another thread's."""
    if self._cached[0] == number:
        time.sleep(0.001)
        return self._cached[1]
    self._cached = (number, decode_block(read_block(self._source, self._handles[number])))
    return self._cached[1]


@pytest.mark.quick
def test_a_torn_look_at_a_block_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {f"v{number}": generation(number)["gen/b"] for number in range(6)}
    (tmp_path / "ckpt").write_bytes(v1_table(arrays))
    wanted = Expected.of("V1", str(tmp_path / "ckpt"))
    assert faults_with(Checkpoint, wanted, tmp_path) == []
    monkeypatch.setattr(Table, "_block", _torn)
    assert any(
        "absent" in fault or "Mismatch" in fault for fault in faults_with(Checkpoint, wanted, tmp_path)
    )


def looks(writer: Writer, kind: type[Checkpoint]) -> Reader:
    """Three looks of a reader at the target."""
    reader = Reader(writer.target, kind.open, random.Random(1))
    left = iter([False, False, True])
    reader.run(lambda: next(left))
    return reader


@pytest.mark.quick
def test_mixed_generations_are_noticed(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.write()

    class Mixing(Checkpoint):
        """Reads what lies there now, whatever was opened."""

        def read(self, key: str) -> Any:
            writer.write()
            return Checkpoint.open(self.prefix).read(key)

    class Replaced(Checkpoint):
        """Is replaced before its first read."""

        def read(self, key: str) -> Any:
            writer.write()
            return super().read(key)

    assert looks(writer, Checkpoint).faults == []
    assert any("in one checkpoint" in fault for fault in looks(writer, Mixing).faults)
    told = looks(writer, Replaced)
    assert (told.faults, told.counts) == ([], {"told that it was replaced": 3})


@pytest.mark.quick
def test_a_reader_that_is_not_told_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path)
    writer.write()

    class Blind(Checkpoint):
        """Is replaced before its first read, and does not look."""

        def read(self, key: str) -> Any:
            with monkeypatch.context() as patch:
                writer.write()
                patch.setattr(Snapshot, "check", lambda self, paths=None: None)
                return super().read(key)

    assert any("absent" in fault for fault in looks(writer, Blind).faults)


@pytest.mark.quick
def test_what_two_runs_to_one_target_may_not_do(tmp_path: Path) -> None:
    sources = [Checkpoint.open(write_bundle(tmp_path / str(number), generation(number))) for number in (0, 1)]
    execute(make_plan(sources[1]), sources[1], tmp_path / "own" / "ckpt")
    record = Record("threads", BUDGET)
    assert judged([None, TargetError("busy")], sources, tmp_path / "own", record, "case").total() == 2
    (tmp_path / "own" / ".ckpt.part").touch()
    judged([ValueError("?"), None], sources, tmp_path / "own", record, "case")
    seen = [finding.seen for finding in record.findings]
    assert seen == [
        "the target is none of 1 threads' that wrote it",
        "ValueError: ?",
        "left behind: ['.ckpt.part']",
    ]
