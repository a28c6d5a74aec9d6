"""A target that is written anew as fast as it goes, and readers of it in threads and in processes."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.planning.plan import Plan
from migration.planning.planner import make_plan
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.threads.reader import Opener, Reader, generation

READERS = 3  # threads; and a process, which has another interpreter lock
ROOT = Path(__file__).parents[3]


def overwrite(folder: Path, record: Record, seconds: float, opened: Opener = Checkpoint.open) -> None:
    """Write generations for the time given, and note what the readers saw."""
    writer = Writer(folder)
    writer.write()
    end = time.monotonic() + seconds

    def stop() -> bool:
        return time.monotonic() > end

    readers = [
        Reader(writer.target, opened, random.Random(f"{record.budget.seed} {number}"))
        for number in range(READERS)
    ]
    threads = [threading.Thread(target=reader.run, args=(stop,)) for reader in readers]
    processes = _processes(writer.target, seconds, record)
    for thread in threads:
        thread.start()
    while not stop():
        with record.trial("a target overwritten under its readers", f"generation {writer.number + 1}"):
            writer.write()
    for thread in threads:
        thread.join()
    for reader in readers:
        record.tried.update({f"in a thread: {kind}": times for kind, times in reader.counts.items()})
        for fault in reader.faults:
            record.found(f"a reading thread, seed {record.budget.seed}", fault)
    for process in processes:
        _gather(process, record)
    _check_left(folder, writer, record)


@dataclass(slots=True)
class Writer:
    """Makes one generation after the other the target's, by copy and by link in turn."""

    folder: Path
    number: int = 0
    plan: Plan | None = field(default=None)

    @property
    def target(self) -> str:
        """The prefix that is written again and again."""
        return str(self.folder / "target" / "ckpt")

    def write(self) -> None:
        """One more generation."""
        number = self.number + 1
        sources = self.folder / f"source-{number}"
        sources.mkdir()
        # In one shard or three: linked, the target has the source's number of them, or one more.
        shards = 1 + 2 * (number // 2 % 2)
        prefix = write_bundle(sources / "ckpt", generation(number), parts={"gen/part": 3}, num_shards=shards)
        source = Checkpoint.open(prefix)
        if self.plan is None:
            self.plan = make_plan(source)
        execute(self.plan, source, self.target, data="link" if number % 2 else "copy", overwrite=number > 1)
        shutil.rmtree(sources)
        self.number = number


def _processes(target: str, seconds: float, record: Record) -> list[subprocess.Popen[str]]:
    kinds = ["ours"]
    if record.budget.is_long and importlib.util.find_spec("tensorflow"):
        kinds.append("tensorflow")
    elif record.budget.is_long:
        record.notes.append("TensorFlow is not installed: its reader was not tried on a target in motion")
    command = [sys.executable, "-m", "tests.hardening.threads.reader", target, str(time.time() + seconds)]
    return [
        subprocess.Popen(
            [*command, str(record.budget.seed), kind],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind in kinds
    ]


def _gather(process: subprocess.Popen[str], record: Record) -> None:
    """What a reading process has printed."""
    with record.trial("reading processes", "its report"):
        printed, said = process.communicate(timeout=60)
        if process.returncode:
            raise RuntimeError(f"status {process.returncode}: {said[-500:]}")
        seen = json.loads(printed)
        record.tried.update({f"in a process: {kind}": times for kind, times in seen["counts"].items()})
        for fault in seen["faults"]:
            record.found("a reading process", fault)


def _check_left(folder: Path, writer: Writer, record: Record) -> None:
    """At the end the target is the last generation, and nothing else lies beside it."""
    with record.trial("the target after the last write", "after the last write"):
        found = Checkpoint.open(writer.target)
        wanted = {
            f"ckpt.data-{shard:05d}-of-{found.index.header.num_shards:05d}"
            for shard in range(found.index.header.num_shards)
        }
        there = {path.name for path in (folder / "target").iterdir()}
        if there != wanted | {"ckpt.index"}:
            record.found("after the last write", f"beside the target: {sorted(there - wanted)}")
