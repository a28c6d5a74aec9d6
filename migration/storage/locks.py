"""Who is alive: a run holds a lock on what it writes aside, and a process that dies lets go of it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from migration.storage.flushing import CLOEXEC

PATIENCE = 30.0  # seconds to wait for another run to enter the directory; it needs milliseconds
_OURS: set[str] = set()  # what this process writes aside: on file systems without locks nothing else tells


class Held:
    """A lock on a file or folder that this process writes aside, until it is released."""

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        self._descriptor = os.open(path, os.O_RDONLY | CLOEXEC)
        _OURS.add(self._path)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # who only looks, holds it for a moment

    def release(self) -> None:
        """Let go; also for children that were forked meanwhile and have the descriptor too."""
        _OURS.discard(self._path)
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1


def is_live(path: str, pid: int) -> bool:
    """Whether the process `pid`, which made it, still writes what lies aside at `path`."""
    if os.path.realpath(path) in _OURS:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return _runs(pid)
    try:
        return _is_locked(descriptor) or (_runs(pid) and not _may_be_locked(descriptor))
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Whether somebody holds it; asked for with a lock that those who only look can share."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _may_be_locked(descriptor: int) -> bool:
    """Whether the file system gives such locks as a run holds; NFS shares some and keeps none of these."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # of another who looks
        pass
    except OSError:
        return False
    return True


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False  # a dead process had the same number: what is ours is known
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextlib.contextmanager
def entering(directory: str) -> Iterator[None]:
    """One run at a time looks around in the directory and puts its own folder there.

    Raises BlockingIOError where another does not come to its end.
    """
    descriptor = os.open(directory, os.O_RDONLY | CLOEXEC)
    try:
        _wait_for(descriptor)
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _wait_for(descriptor: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EAGAIN, "another program keeps its lock on it") from None
            time.sleep(0.005)
        except OSError:  # a file system without locks
            return
