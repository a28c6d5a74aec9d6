"""Threads that do everything at once with one Checkpoint, and each other's."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.location import locate
from migration.planning.plan_file import read_plan, write_plan
from migration.verify import verify
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.flips.subjects import every_kind, v1_table
from tests.hardening.threads.expected import Expected, Mismatch, answers_of, check_equal, plan_of, stream_of

THREADS = 6
STEPS = 12  # of each thread with one checkpoint: what is computed once is there after a few
Opener = Callable[[str], Checkpoint]


def unread(prefix: str) -> Checkpoint:
    """A checkpoint of which nothing is read yet, so that the threads meet at its index."""
    return Checkpoint(locate(prefix))


def share(folder: Path, record: Record, seconds: float) -> None:
    """Rounds of threads with a fresh Checkpoint each, over all kinds, until the time is up."""
    kinds = subjects(folder)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end or number < len(kinds):
        wanted = kinds[number % len(kinds)]
        attempt = Round(wanted, unread(wanted.prefix), folder, record.budget.seed + number)
        attempt.run()
        record.tried.update(attempt.counts)
        for fault in attempt.faults:
            record.found(f"{wanted.name}, round {number}", fault)
        number += 1


def subjects(folder: Path) -> list[Expected]:
    """Small checkpoints of every kind, and some with more to be in each other's way about."""
    found = [Expected.of(each.name, each.prefix) for each in every_kind(folder)]
    more = {f"scope/v{number:03d}": np.full(3, number, np.float32) for number in range(60)}
    shards = write_bundle(folder / "shards", more, parts={"scope/v007": 3}, num_shards=20)
    (folder / "tables").write_bytes(v1_table(more))
    return [
        *found,
        Expected.of("V2, 20 shards", shards),
        Expected.of("V1, many blocks", str(folder / "tables")),
    ]


@dataclass(slots=True)
class Round:
    """Some threads, each with random choices of its own, and one Checkpoint."""

    wanted: Expected
    shared: Checkpoint
    folder: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Start all threads at once, and wait for all."""
        ready = threading.Barrier(THREADS)
        threads = [threading.Thread(target=self._work, args=(ready, number)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, ready: threading.Barrier, number: int) -> None:
        choice = random.Random(f"{self.seed} {number}")
        own = self.folder / f"thread-{number}"
        done: Counter[str] = Counter()
        ready.wait()
        for _ in range(STEPS):
            name = choice.choice(_OFTEN)
            try:
                OPERATIONS[name](self.shared, self.wanted, choice, own)
            except Exception as error:
                self.faults.append(f"{name}: {type(error).__name__}: {error}")
            done[f"{name}, in {THREADS} threads at once"] += 1
        for name, times in done.items():
            self.counts[name] += times


def _read(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    key = choice.choice(list(wanted.arrays))
    check_equal(shared.read(key), wanted.arrays[key], key)


def _stream(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    key = choice.choice(list(wanted.streams))
    if stream_of(shared, key) != wanted.streams[key]:
        raise Mismatch(f"{key}: its stream has other bytes")


def _ask(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    for number, (found, answer) in enumerate(zip(answers_of(shared), wanted.answers, strict=True)):
        if found != answer:
            raise Mismatch(f"answer {number}: {found}, not {answer}")


def _close(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    shared.close()


def _check(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    shared.check_shards()
    shared.check_unchanged()


def _open(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    _read(Checkpoint.open(wanted.prefix), wanted, choice, own)


def _plan(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    if wanted.plan is not None and plan_of(shared) != wanted.plan:
        raise Mismatch("another plan than one thread makes")


def _exchange(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    if wanted.plan is None:
        return
    path = own.with_name(f"{wanted.name.replace(' ', '-')}.plan.toml")  # all threads write this one
    write_plan(wanted.plan, path)
    if read_plan(path).steps != wanted.plan.steps:
        raise Mismatch("the plan file holds other steps")


def _migrate(shared: Checkpoint, wanted: Expected, choice: random.Random, own: Path) -> None:
    if wanted.plan is None:
        return
    data = choice.choice(("copy", "link")) if shared.format == "V2" else "copy"
    execute(wanted.plan, shared, own / "ckpt", data="link" if data == "link" else "copy")
    report = verify(shared, own / "ckpt", wanted.plan)
    shutil.rmtree(own)
    if not report.is_complete:
        raise Mismatch(f"the result is not its source: {report.failures}")


Operation = Callable[[Checkpoint, Expected, random.Random, Path], None]
OPERATIONS: Mapping[str, Operation] = {
    "a tensor read": _read,
    "a tensor streamed": _stream,
    "specs, graph and digest asked for": _ask,
    "closed while others read": _close,
    "checked": _check,
    "opened": _open,
    "planned": _plan,
    "plan written and read": _exchange,
    "migrated and verified": _migrate,
}
_WEIGHTS = {"a tensor read": 8, "a tensor streamed": 4, "closed while others read": 3}
_OFTEN: Sequence[str] = [name for name in OPERATIONS for _ in range(_WEIGHTS.get(name, 1))]
