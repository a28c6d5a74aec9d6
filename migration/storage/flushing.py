"""Bringing a directory's names to the disk."""

from __future__ import annotations

import errno
import os

# What a file system answers that does not flush directories, or a directory that may not be read.
_NOT_OFFERED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM}
CLOEXEC = getattr(os, "O_CLOEXEC", 0)


def flush_directory(path: str) -> None:
    """Bring the names in the directory to the disk. Raises OSError where the disk fails at it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED | _NOT_ALLOWED:
            raise
