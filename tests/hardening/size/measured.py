"""One job in a process of its own: what it told, how long it took and the most memory that it held."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORKER = "tests.hardening.size.worker"
MOST_TOLD = 2000  # characters of an error that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a job told of its result, and what it took."""

    told: Mapping[str, Any]
    seconds: float
    megabytes: float


class FailedError(Exception):
    """A job that ended with an error; the text is the end of what it wrote."""


def measured(job: str, *, seconds: float, most_files: int | None = None, **arguments: Any) -> Measured:
    """Run the worker's function `job` with the arguments. Raises FailedError, also where time is up.

    `most_files` is how many descriptors it may have open at a time.
    """

    def limited() -> None:
        if most_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))

    started = time.monotonic()
    command = [sys.executable, "-m", WORKER, job, json.dumps(arguments, default=str)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=max(seconds, 1.0),
            preexec_fn=limited,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"not done after {seconds:.0f} s") from None
    taken = time.monotonic() - started
    if done.returncode:
        raise FailedError(f"exit {done.returncode}: {done.stderr[-MOST_TOLD:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return Measured(told=told["told"], seconds=taken, megabytes=told["peak"] / 1e6)


def peak() -> int:
    """The most bytes that this process has held; getrusage may tell what its parent held before it."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
