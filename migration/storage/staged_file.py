"""A file that is being written aside."""

from __future__ import annotations

import errno
import os

from migration.storage.flushing import CLOEXEC


class StagedFile:
    """A file being written aside, at any offset and from any thread."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | CLOEXEC, 0o666)
        if size:
            try:
                os.truncate(self._descriptor, size)
            except BaseException:
                self.close()
                raise

    def write(self, offset: int, payload: bytes | bytearray | memoryview) -> None:
        """Put `payload` at `offset`."""
        view = memoryview(payload).cast("B")
        while len(view):
            done = os.pwrite(self._descriptor, view, offset)
            if not done:  # no file system should; to try for ever would not be better
                raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
            view, offset = view[done:], offset + done

    def flush(self) -> None:
        """Bring the bytes to the disk."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
