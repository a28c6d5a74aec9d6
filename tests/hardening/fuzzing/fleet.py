"""Processes that run inputs, started again where one dies, and what is left of those that died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.hardening.fuzzing.targets import Target
from tests.hardening.fuzzing.watch import SECONDS, Results, Watch

_STUCK = 60.0  # seconds of wall time without a new input: it waits for something that does not come
_LEAST = 1.0  # seconds that are worth a new start
_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fatal:
    """An input on which a process died, and what is known of it."""

    target: str
    number: int
    seen: str
    raw: bytes


@dataclass(slots=True, kw_only=True)
class Crew:
    """One place for processes, one after the other, that share a watch and their results."""

    folder: Path
    targets: Sequence[Target]
    fatal: list[Fatal] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lost: int = 0  # processes that ended between two inputs, by what makes inputs or by the machine

    @property
    def watch(self) -> Watch:
        """Counts and the last input."""
        return Watch(self.folder / "watch")

    @property
    def results(self) -> Results:
        """What the processes themselves found."""
        return Results(self.folder / "results")

    def executions(self) -> int:
        """How many there were, over all targets."""
        watch = self.watch
        return sum(watch.counts(at)[0] for at in range(len(self.targets)))

    def values(self) -> int:
        """How many of them gave a value."""
        watch = self.watch
        return sum(watch.counts(at)[1] for at in range(len(self.targets)))

    def work(self, arguments: list[str], seconds: float) -> None:
        """Run that module with these arguments, again after each death, until the seconds are over."""
        ends = time.time() + seconds  # a clock that the processes share
        while ends - time.time() > _LEAST:
            before = self.executions()
            status = self._run([*arguments, f"--until={ends}", *self._paths()])
            if status == 0:
                return
            if self.executions() == before:  # it has not come to an input: another start helps nothing
                self.failed.append(self._log()[-400:])
                return
            self._died(status)

    def _paths(self) -> list[str]:
        """What every process is told of this crew."""
        return [f"--watch={self.folder / 'watch'}", f"--results={self.folder / 'results'}"]

    def _run(self, arguments: list[str]) -> int:
        environment = {**os.environ, "TMPDIR": str(self.folder), "OPENBLAS_NUM_THREADS": "1"}
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=_ROOT, env=environment, stdout=log, stderr=log
            )
            try:
                return self._awaited(process)
            finally:
                process.kill()
                process.wait()

    def _awaited(self, process: subprocess.Popen[bytes]) -> int:
        """The exit status; of a process that does not come to a next input, the signal that ends it."""
        executions, changed = self.executions(), time.monotonic()
        while process.poll() is None:
            time.sleep(0.05)
            now = self.executions()
            if now != executions:
                executions, changed = now, time.monotonic()
            elif time.monotonic() - changed > _STUCK:
                process.kill()
        return process.wait()

    def _died(self, status: int) -> None:
        if not self.watch.is_reading():
            self.lost += 1
            return
        at, number, raw = self.watch.last()
        if -status == signal.SIGPROF:
            seen = f"more than {SECONDS:g} s of CPU"
        elif -status == signal.SIGKILL:
            seen = f"killed: by the system for its memory, or stuck for {_STUCK:g} s"
        else:
            seen = f"the interpreter ended with {status}"
        place = self._place()
        self.fatal.append(
            Fatal(
                target=self.targets[at].name,
                number=number,
                seen=f"{seen} ({place})" if place else seen,
                raw=raw,
            )
        )

    def _place(self) -> str:
        """The innermost line of the package in the traceback that the process left."""
        for line in self._log().splitlines():
            if 'File "' in line and "/migration/" in line:
                return line.strip().replace('File "', "").rpartition("/migration/")[2].replace('"', "")
        return ""

    def _log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")


def place_for_files() -> tempfile.TemporaryDirectory[str]:
    """A directory for all that the processes write, in memory where the machine has such a place."""
    memory = "/dev/shm"
    usable = os.path.isdir(memory) and os.access(memory, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="fuzzing-", dir=memory if usable else None)


def together(tasks: Sequence[Callable[[], None]], at_once: int) -> None:
    """Run all tasks, so many at a time; each only waits for its process."""
    with ThreadPoolExecutor(at_once) as pool:
        for done in [pool.submit(task) for task in tasks]:
            done.result()
