"""Where bytes lie: reading by range, and writing aside until all of it stands.

A target is staged in a hidden directory beside it, flushed, and renamed file by file in the order that
the writer gives; the index is last, so that what a crash leaves cannot be read as a checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TypeVar

from migration.errors import CheckpointNotFoundError, FormatError, TargetError

_Part = TypeVar("_Part", bytes, int)

STAGING_MARK = ".ckpt-staging-"  # .NAME.ckpt-staging-PID beside the target


class StoredFile:
    """A file open for reading by range, from any thread. Never opened for writing."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            raise CheckpointNotFoundError(f"{path}: no such file") from None
        except OSError as error:
            raise FormatError(f"{path}: cannot be read ({error.strerror}): check its permissions") from None
        self.size = os.fstat(self._descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """The `size` bytes at `offset`. Raises FormatError where the file is shorter."""
        self.reach(offset, size)
        parts: list[bytes] = []
        while size:
            with self._told():
                part = os.pread(self._descriptor, size, offset)
            parts.append(self._some(part))
            size, offset = size - len(part), offset + len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill `target` with the bytes at `offset`. Raises FormatError where the file is shorter."""
        self.reach(offset, len(target))
        while len(target):
            with self._told():
                done = os.preadv(self._descriptor, [target], offset)
            self._some(done)
            target, offset = target[done:], offset + done

    def reach(self, offset: int, size: int) -> None:
        """Raises FormatError unless the file holds `size` bytes at `offset`."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError(
                f"{self.path}: {self.size} bytes, but byte {offset + size} is asked for: "
                "the file is short; copy it again"
            )

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

    def close(self) -> None:
        """Close the file; reading afterwards fails."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()


class StagedFile:
    """A file being written aside, at any offset and from any thread."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666
        )
        if size:
            os.truncate(self._descriptor, size)

    def write(self, offset: int, payload: bytes | bytearray | memoryview) -> None:
        """Put `payload` at `offset`."""
        view = memoryview(payload).cast("B")
        while len(view):
            done = os.pwrite(self._descriptor, view, offset)
            view, offset = view[done:], offset + done

    def flush(self) -> None:
        """Bring the bytes to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Staging:
    """The files of one target until they are all there. Left without a commit, nothing remains of them."""

    def __init__(self, prefix: str) -> None:
        directory, self._base = os.path.split(prefix)
        self.directory = directory or "."
        self.folder = os.path.join(self.directory, f".{self._base}{STAGING_MARK}{os.getpid()}")
        self._files: list[StagedFile] = []
        self._linked: set[str] = set()
        self._moved: list[str] = []  # in place already, while the index is not
        self._made: list[str] = []  # directories above the target that were not there, the deepest first
        self._lock = -1

    def __enter__(self) -> Staging:
        with _told(self.directory):
            self._made = _absent(self.directory)
            os.makedirs(self.directory, exist_ok=True)
            sweep(self.directory, self._base)
            try:
                os.mkdir(self.folder)
            except FileExistsError:
                raise self._busy(self.folder) from None
        self._lock = os.open(self.folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        _try_lock(self._lock)
        other = next((folder for folder in self._others() if _is_locked(folder)), None)
        if other is not None:
            self._leave(failed=False)  # the directories are the other's, too
            raise self._busy(other)
        return self

    def _busy(self, folder: str) -> TargetError:
        target = os.path.join(self.directory, self._base)
        return TargetError(f"{target}: another run is writing it (in {folder}): let it end, then run again")

    def _others(self) -> Iterator[str]:
        own = os.path.basename(self.folder)
        for name in os.listdir(self.directory):
            if name.startswith(f".{self._base}{STAGING_MARK}") and name != own:
                yield os.path.join(self.directory, name)

    def _leave(self, failed: bool) -> None:
        """Remove the staging folder, and after a failure the directories that were made for the target."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if failed:
            _remove_empty(self._made)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()
        for name in self._moved:  # without the index behind them they are a half that nobody can read
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.directory, name))
        self._leave(failed=error is not None)
        if isinstance(error, OSError):
            raise _target_error(self.directory, error) from error

    def create(self, name: str, size: int = 0) -> StagedFile:
        """A new file that will be called `name`, of `size` bytes for a start."""
        file = StagedFile(os.path.join(self.folder, name), size)
        self._files.append(file)
        return file

    def link(self, source: str, name: str) -> None:
        """Give the bytes of the file `source` the further name `name`, without copying them."""
        try:
            os.link(os.path.realpath(source), os.path.join(self.folder, name))
        except OSError as error:
            raise TargetError(
                f"{source}: cannot be hard-linked into {self.directory} ({error.strerror}): "
                "use --data=copy, or a target on the same file system"
            ) from None
        self._linked.add(name)

    def commit(self, names: Sequence[str], replaces: Sequence[str] = ()) -> None:
        """Flush everything, remove the files `replaces`, then rename `names` into place, in that order."""
        for file in self._files:
            file.flush()
            file.close()
        _flush_directory(self.folder)
        for name in replaces:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, name))
        if replaces:
            _flush_directory(self.directory)
        for name in names[:-1]:
            os.replace(os.path.join(self.folder, name), os.path.join(self.directory, name))
            self._moved.append(name)
        _flush_directory(self.directory)
        os.replace(os.path.join(self.folder, names[-1]), os.path.join(self.directory, names[-1]))
        self._moved.clear()
        _flush_directory(self.directory)


def _try_lock(descriptor: int) -> bool:
    """Lock a staging folder for as long as it is open; a process that dies lets go of it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: then nobody holds one
        pass
    return True


def _is_locked(folder: str) -> bool:
    """Whether a run that is alive is writing into the staging folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _absent(directory: str) -> list[str]:
    """The directory and those above it that do not exist, the deepest first."""
    found = []
    while directory and not os.path.lexists(directory):
        found.append(directory)
        directory = os.path.dirname(directory)
    return found


def _remove_empty(directories: Sequence[str]) -> None:
    with contextlib.suppress(OSError):  # somebody else's file is in it by now
        for directory in directories:
            os.rmdir(directory)


def stale_stagings(directory: str, base: str | None = None) -> Iterator[str]:
    """The staging folders in `directory` that an interrupted write left (of the target `base`, or of any)."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        stem, mark, pid = name.rpartition(STAGING_MARK)
        if not (mark and stem.startswith(".") and pid.isdigit() and (base is None or stem == f".{base}")):
            continue
        path = os.path.join(directory, name)
        if not _runs(int(pid)) and not _is_locked(path):
            yield path


def sweep(directory: str, base: str) -> None:
    """Remove what interrupted writes of the target `base` left in `directory`."""
    for stale in stale_stagings(directory, base):
        if os.path.isdir(stale):
            shutil.rmtree(stale, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(stale)


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False  # another run in this process holds a lock, a dead one of the same number does not
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _flush_directory(path: str) -> None:
    with contextlib.suppress(OSError):  # some file systems do not let a directory be flushed
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _target_error(where, error) from error


def _target_error(where: str, error: OSError) -> TargetError:
    cause = error.strerror or str(error)
    advice = (
        "free some space"
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "check the path and its permissions"
    )
    return TargetError(
        f"{where}: cannot be written ({cause}): {advice} and run again; nothing was left behind"
    )
