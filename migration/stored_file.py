"""Files that are read by range, from any thread: known by a stamp, and open while they are read.

A descriptor is a number that the system gives to the next file once it is closed, so it is held by an object
that closes it when the last reader has let go: no thread reads from another file, whoever calls `close`.
A process keeps no more than a part of the descriptors that it may have; a file that was closed to make room
is opened again, if it is the same file still.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from migration.errors import CheckpointNotFoundError, FormatError, ReplacedError

_Part = TypeVar("_Part", bytes, int)

MOST_OPEN = 256  # files that are kept open by a process that may have very many
_SHARE = 4  # of the descriptors that a process may have, one in so many is taken
# A FIFO or a device would wait for somebody at the other end; of regular files it changes nothing.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | _NO_WAIT


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells a file from another that has taken its name, or from itself with other bytes."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileStamp:
        """The stamp of a file that was looked at."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    @classmethod
    def at(cls, path: str) -> FileStamp | None:
        """The stamp of what lies at `path` now, or None. Raises FormatError where it cannot be told."""
        try:
            return cls.of(os.stat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(path, error) from None


class StoredFile:
    """A file to be read by range, from any thread. Never opened for writing."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            descriptor, self.stamp = _opened(path)
        except FileNotFoundError:
            raise CheckpointNotFoundError(f"{path}: no such file") from None
        except OSError as error:
            raise _unreadable(path, error) from None
        self.size = self.stamp.size
        self._descriptor: _Descriptor | None = descriptor
        _KEPT.keep(self)

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`. Raises FormatError where the file is shorter."""
        self.reach(offset, size)
        descriptor = self._held()
        parts: list[bytes] = []
        while size:
            with self._told():
                part = os.pread(descriptor.number, size, offset)
            parts.append(self._some(part))
            size, offset = size - len(part), offset + len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes at `offset`. Raises FormatError where the file is shorter."""
        self.reach(offset, len(target))
        descriptor = self._held()
        while len(target):
            with self._told():
                done = os.preadv(descriptor.number, [target], offset)
            self._some(done)
            target, offset = target[done:], offset + done

    def reach(self, offset: int, size: int) -> None:
        """Raises FormatError unless the file holds `size` bytes at `offset`."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError(
                f"{self.path}: {self.size} bytes, but byte {offset + size} is asked for: "
                "the file is short; copy it again"
            )

    def close(self) -> None:
        """Close the file, once nobody reads from it; reading afterwards opens it again."""
        self._descriptor = None

    def _held(self) -> _Descriptor:
        """The descriptor, which stays open for as long as it is held."""
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._descriptor = self._again()
        _KEPT.keep(self)
        return descriptor

    def _again(self) -> _Descriptor:
        try:
            descriptor, stamp = _opened(self.path)
        except FileNotFoundError:
            raise ReplacedError(
                f"{self.path} was removed while it was read: open the checkpoint again"
            ) from None
        except OSError as error:
            raise _unreadable(self.path, error) from None
        if stamp != self.stamp:
            raise ReplacedError(f"{self.path} was replaced while it was read: open the checkpoint again")
        return descriptor

    def _some(self, part: _Part) -> _Part:
        if not part:
            raise FormatError(f"{self.path}: became shorter while it was read: copy it again")
        return part

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FormatError(f"{self.path}: cannot be read ({error.strerror})") from None


class _Descriptor:
    """An open file's number, closed when nobody holds it any more."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        with contextlib.suppress(OSError):  # closed behind our back, by a process that became a daemon
            os.close(self.number)


def _opened(path: str) -> tuple[_Descriptor, FileStamp]:
    try:
        descriptor = _Descriptor(os.open(path, _FLAGS))
    except BlockingIOError:  # a file server lends the file out, and gets it back while we wait
        descriptor = _Descriptor(os.open(path, _FLAGS & ~_NO_WAIT))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        _KEPT.shrink(0)
        descriptor = _Descriptor(os.open(path, _FLAGS))
    found = os.fstat(descriptor.number)
    if not stat.S_ISREG(found.st_mode):
        raise FormatError(f"{path}: is no regular file: check the path")
    return descriptor, FileStamp.of(found)


def _unreadable(path: str, error: OSError) -> FormatError:
    return FormatError(f"{path}: cannot be read ({error.strerror}): check its permissions")


def most_open() -> int:
    """How many files are kept open, at most: a part of what this process may open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_OPEN if allowed == resource.RLIM_INFINITY else max(1, min(MOST_OPEN, allowed // _SHARE))


class _Kept:
    """The files of the process that are open, the one read last at the end; those too many are closed."""

    def __init__(self) -> None:
        # A finalizer that the garbage collector runs in here may read a checkpoint, too: reentrant.
        self._lock = threading.RLock()
        self._files: OrderedDict[int, weakref.ref[StoredFile]] = OrderedDict()

    def keep(self, file: StoredFile) -> None:
        name = id(file)
        with self._lock:
            if name in self._files:
                self._files.move_to_end(name)
                return
            self._files[name] = weakref.ref(file, lambda _: self._files.pop(name, None))
            self.shrink(most_open())

    def shrink(self, most: int) -> None:
        with self._lock:
            while len(self._files) > most:
                with contextlib.suppress(KeyError):  # the last one went by itself just now
                    _, reference = self._files.popitem(last=False)
                    file = reference()
                    if file is not None:
                        file.close()

    def forget_lock(self) -> None:
        """In a process that was forked: the thread that held the lock is not there to let go of it."""
        self._lock = threading.RLock()


_KEPT = _Kept()
os.register_at_fork(after_in_child=_KEPT.forget_lock)
