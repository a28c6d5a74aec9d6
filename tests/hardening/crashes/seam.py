"""The place where a process meets the system: its calls counted, and one of them made to fail.

The functions of `os` are replaced in a child that was forked for one trial, so nothing is ever put back.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

WRITING = (
    "write", "pwrite", "writev", "pwritev", "fsync", "fdatasync", "rename", "replace", "link", "symlink",
    "unlink", "remove", "mkdir", "rmdir", "truncate", "ftruncate", "posix_fallocate", "chmod", "utime",
)  # fmt: skip
READING = ("file", "read", "pread", "preadv", "readv", "fstat", "stat", "lstat", "listdir", "scandir")
_ELSEWHERE: dict[str, tuple[Any, str]] = {"flock": (fcntl, "flock"), "file": (builtins, "open")}
_WRITES = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC
REFUSALS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES}
# "for good": from that call on, everything of the kind fails; what frees space goes on where the disk is full
KINDS = ("EIO", "ENOSPC", "EACCES", "EIO for good", "ENOSPC for good", "short", "death")
_FREES = ("unlink", "remove", "rmdir", "rename", "replace", "fsync", "flock")


@dataclass(frozen=True)
class Call:
    """One call as it was made: the function, and the path or the path behind the descriptor."""

    name: str
    paths: tuple[str, ...]


@dataclass
class Seam:
    """Counts calls; at the `at`-th does what `kind` says."""

    at: int = 0
    kind: str = ""
    watched: tuple[str, ...] = (*WRITING, "open", "flock")
    below: str = ""  # only calls that are about files below this folder, where it is given
    log: list[Call] = field(default_factory=list)
    _count: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _apart: threading.local = field(default_factory=threading.local)

    @property
    def count(self) -> int:
        """How many calls were made so far."""
        return self._count

    def install(self) -> None:
        """Replace the functions in this process."""
        for name in self.watched:
            module, attribute = _ELSEWHERE.get(name, (os, name))
            setattr(module, attribute, self._wrapped(name, getattr(module, attribute)))

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            if getattr(self._apart, "busy", False) or not self._is_watched(name, arguments):
                return real(*arguments, **more)
            with self.apart():
                number = self._counted(name, arguments)
            if number == self.at or (number > self.at > 0 and self._goes_on(name)):
                return self._fail(name, real, arguments, more)
            return real(*arguments, **more)

        return call

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What this thread does in the block is the trial's own doing, and no call of the run's."""
        self._apart.busy = True
        try:
            yield
        finally:
            self._apart.busy = False

    def _is_watched(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Opening a file is writing if it may make one; anything is reading."""
        if self.below:
            with self.apart():
                return any(path.startswith(self.below) for path in _paths(arguments))
        if name != "open" or "pread" in self.watched:
            return True
        return bool(len(arguments) > 1 and arguments[1] & _WRITES)

    def _counted(self, name: str, arguments: tuple[Any, ...]) -> int:
        with self._lock:
            self._count += 1
            self.log.append(Call(name, _paths(arguments)))
            return self._count

    def _goes_on(self, name: str) -> bool:
        return self.kind.endswith("for good") and not (self.kind.startswith("ENOSPC") and name in _FREES)

    def _fail(self, name: str, real: Any, arguments: tuple[Any, ...], more: dict[str, Any]) -> Any:
        if self.kind == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "short":
            return real(*_shortened(name, arguments), **more)
        number = REFUSALS[self.kind.split()[0]]
        raise OSError(number, os.strerror(number))


def _shortened(name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same write, of half the bytes, or read of half of them."""
    if name in ("pwrite", "write") and len(arguments[1]) > 1:
        part = memoryview(arguments[1]).cast("B")
        return (arguments[0], part[: len(part) // 2], *arguments[2:])
    if name in ("pread", "read") and arguments[1] > 1:
        return (arguments[0], arguments[1] // 2, *arguments[2:])
    return arguments


def _paths(arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """The paths that a call is about; a path object counts as its text."""
    places = (os.fspath(each) if isinstance(each, os.PathLike) else each for each in arguments[:2])
    return tuple(_path(each) for each in places if isinstance(each, str | int))


def _path(place: str | int) -> str:
    """The path that a call is about, also where it is given as a descriptor."""
    if isinstance(place, str):
        return os.path.realpath(os.path.dirname(place) or ".") + "/" + os.path.basename(place)
    try:
        return os.readlink(f"/proc/self/fd/{place}")
    except OSError:
        return ""
