"""What a commit is about to do, on the disk before it begins."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migration.storage.names import index_name, is_own
from migration.storage.staged_file import StagedFile

_NAME = "journal"  # no shard and no index can be called so
_TITLE = b"ckpt-migration journal 1 "


@dataclass(frozen=True, slots=True)
class Mark:
    """A file as it was when the journal was written: where anything differs, it is somebody else's.

    The device is left out: it may have another number after the machine was started again.
    """

    name: str
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def at(cls, folder: str, name: str) -> Mark | None:
        """The mark of the file of that name, a link itself and not what it leads to; None without one."""
        try:
            found = os.lstat(os.path.join(folder, name))
        except FileNotFoundError:
            return None
        return cls(name, found.st_ino, found.st_size, found.st_mtime_ns)

    def is_at(self, folder: str) -> bool:
        """Whether the file in `folder` is still this one."""
        return Mark.at(folder, self.name) == self


def marks(folder: str, names: Iterable[str]) -> tuple[Mark, ...]:
    """The marks of those of the files that are there."""
    return tuple(mark for name in names if (mark := Mark.at(folder, name)) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The new shards, which move before the index of the target `base`; the old files, which go after it."""

    base: str
    shards: tuple[Mark, ...]
    old: tuple[Mark, ...]

    def is_committed(self, directory: str, folder: str) -> bool:
        """Whether the index has moved from the staging folder into the directory."""
        index = index_name(self.base)
        if os.path.lexists(os.path.join(folder, index)):
            return False
        return not any(mark.name == index and mark.is_at(directory) for mark in self.old)

    def to_bytes(self) -> bytes:
        """The journal as a file: a title with the digest of what follows, and one line of JSON."""
        body = json.dumps({"base": self.base, "shards": _rows(self.shards), "old": _rows(self.old)}).encode()
        return _TITLE + hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, raw: bytes, base: str) -> Journal | None:
        """The journal of a commit of the target `base`; None for anything that is not wholly that."""
        title, _, body = raw.partition(b"\n")
        if title != _TITLE + hashlib.sha256(body).hexdigest().encode():
            return None
        try:
            document = json.loads(body)
            shards, old = _marks(document["shards"]), _marks(document["old"])
        except (ValueError, KeyError, TypeError):
            return None
        if document["base"] != base or not all(is_own(mark.name, base) for mark in (*shards, *old)):
            return None
        return cls(base=base, shards=shards, old=old)


def _rows(them: Iterable[Mark]) -> list[list[str | int]]:
    return [[mark.name, mark.inode, mark.size, mark.mtime_ns] for mark in them]


def _marks(rows: Any) -> tuple[Mark, ...]:
    return tuple(Mark(str(name), int(inode), int(size), int(time)) for name, inode, size, time in rows)


def write_journal(folder: str, journal: Journal) -> None:
    """Bring the journal to the disk, in the staging folder."""
    file = StagedFile(os.path.join(folder, _NAME), 0)
    try:
        file.write(0, journal.to_bytes())
        file.flush()
    finally:
        file.close()


def read_journal(folder: str, base: str) -> Journal | None:
    """The journal in a staging folder; None where no commit began, or it is damaged. Raises OSError."""
    try:
        with open(os.path.join(folder, _NAME), "rb") as file:
            return Journal.from_bytes(file.read(), base)
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_journal(folder: str) -> None:
    """Remove it, where there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, _NAME))
