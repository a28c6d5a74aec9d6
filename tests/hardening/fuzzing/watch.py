"""What an execution may take, and a record of it that outlives the process."""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import resource
import signal
import struct
import sys
from pathlib import Path

SECONDS = 2.0  # of CPU, for one execution
MEGABYTES = 512  # of address space, above what the process starts with
_HEADER = struct.Struct("<QQQQ")  # the target's and the case's number, the input's size, whether it is read
_COUNTS = struct.Struct("<QQ")  # for each target: executions, and how many of them gave a value
_MOST_TARGETS = 32
_START = _HEADER.size + _MOST_TARGETS * _COUNTS.size
_SIZE = _START + (1 << 21)


class Watch:
    """The last input and the counts, in a file that stays when the process is killed."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def count(self, target: int) -> None:
        """Count an execution."""
        executions, values = self.counts(target)
        self._put(target, executions + 1, values)

    def begin(self, target: int, number: int, raw: bytes) -> None:
        """Note the input, and start its time."""
        self._map[_START : _START + len(raw)] = raw
        _HEADER.pack_into(self._map, 0, target, number, len(raw), 1)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)

    def end(self) -> None:
        """No input is read now: what goes wrong from here on is no reader's."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        _HEADER.pack_into(self._map, 0, *_HEADER.unpack_from(self._map, 0)[:3], 0)

    def is_reading(self) -> bool:
        """Whether the last input was still being read."""
        return bool(_HEADER.unpack_from(self._map, 0)[3])

    def gave_value(self, target: int) -> None:
        """Count that the last input was read, not refused."""
        executions, values = self.counts(target)
        self._put(target, executions, values + 1)

    def counts(self, target: int) -> tuple[int, int]:
        """Executions of that target, and those that gave a value."""
        executions, values = _COUNTS.unpack_from(self._map, _HEADER.size + target * _COUNTS.size)
        return executions, values

    def last(self) -> tuple[int, int, bytes]:
        """The target and case that ran last, and its input."""
        target, number, size, _ = _HEADER.unpack_from(self._map, 0)
        return target, number, self._map[_START : _START + size]

    def _put(self, target: int, executions: int, values: int) -> None:
        _COUNTS.pack_into(self._map, _HEADER.size + target * _COUNTS.size, executions, values)


def set_limits() -> None:
    """Bound what this process may take from now on; a death by the clock leaves a traceback."""
    faulthandler.enable()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)
    status = Path("/proc/self/statm")
    if status.exists():
        present = int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most = present + (MEGABYTES << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Results:
    """Findings, one JSON line each, appended as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, target: str, number: int, signature: str, seen: str, raw: bytes) -> None:
        """Append one."""
        line = {"target": target, "number": number, "signature": signature, "seen": seen, "raw": raw.hex()}
        with self._path.open("a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")

    def all(self) -> list[dict[str, str]]:
        """All of them."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text("ascii").splitlines()]


def largest_megabytes() -> int:
    """The most memory that one of the processes had which this one started and which have ended."""
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return kilobytes >> (10 if sys.platform != "darwin" else 20)
