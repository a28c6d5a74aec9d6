"""The files of one checkpoint as they were when it was opened: read together, or told to be others by now.

Whoever writes a checkpoint anew puts its index in place between its shards and the removal of the old ones.
So shards belong to the index that was read if that index still lies at its path when they are open.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from migration.errors import CheckpointNotFoundError, FormatError, ReplacedError
from migration.stored_file import FileStamp, StoredFile, most_open

_TRIES = 3  # at files that are replaced, or rotated away, between their being found and read
_Opened = TypeVar("_Opened")


def settled(attempt: Callable[[], _Opened]) -> _Opened:
    """What `attempt` returns, tried again where the files that it found were replaced before it read them."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(CheckpointNotFoundError, ReplacedError):
            return attempt()
    return attempt()


class Snapshot:
    """The files that were read or looked at, with their stamps as they were first."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._seen: dict[str, FileStamp] = {}
        self._files: dict[str, StoredFile] = {}

    def saw(self, path: str, stamp: FileStamp) -> None:
        """Raises ReplacedError where the file was seen before, and was another then."""
        if self._seen.setdefault(path, stamp) != stamp:
            raise self._replaced()

    def keep(self, file: StoredFile) -> StoredFile:
        """The file, which `close` will close. Raises ReplacedError as `saw` does."""
        self.saw(file.path, file.stamp)
        self._files[file.path] = file
        return file

    def size(self, path: str) -> int:
        """The bytes of a file that was seen."""
        return self._seen[path].size

    def check(self, paths: Sequence[str] | None = None) -> None:
        """Raises ReplacedError where one of the files seen, or of `paths` among them, is another now."""
        for path in list(self._seen) if paths is None else paths:
            if path in self._seen and FileStamp.at(path) != self._seen[path]:
                raise self._replaced()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Lets a FormatError from the block be told as what it is, where a file was replaced meanwhile."""
        try:
            yield
        except FormatError:
            self.check()
            raise

    def close(self) -> None:
        """Close the files; each is opened again where it is read again."""
        for file in list(self._files.values()):
            file.close()

    def _replaced(self) -> ReplacedError:
        return ReplacedError(f"{self._prefix} was replaced while it was read: open it again")


class ShardFiles:
    """The shards of a V2 bundle, opened together at the first read where they are not very many."""

    def __init__(self, snapshot: Snapshot, index: str, count: int, path_of: Callable[[int], str]) -> None:
        self._snapshot = snapshot
        self._index = index
        self._count = count
        self._path_of = path_of
        self._files: dict[int, StoredFile] = {}
        self._lock = threading.RLock()

    def file(self, shard: int) -> StoredFile:
        """The file of that shard, open.

        Raises ReplacedError where the checkpoint was replaced since its index was read;
        CheckpointNotFoundError or FormatError where the shard is absent or cannot be read.
        """
        found = self._files.get(shard)
        if found is None:
            with self._lock:
                found = self._files.get(shard) or self._open(shard)
        return found

    def _open(self, shard: int) -> StoredFile:
        fresh: dict[int, StoredFile] = {}
        try:
            fresh[shard] = StoredFile(self._path_of(shard))
            if self._count <= most_open() // 2:
                fresh |= self._others(shard)
        finally:  # a shard that is absent was removed behind its index, where that is another now
            self._snapshot.check([self._index])
        for number, file in fresh.items():
            self._files[number] = self._snapshot.keep(file)
        return fresh[shard]

    def _others(self, shard: int) -> dict[int, StoredFile]:
        found = {}
        for other in set(range(self._count)) - self._files.keys() - {shard}:
            with contextlib.suppress(CheckpointNotFoundError, FormatError):  # told when it is asked for
                found[other] = StoredFile(self._path_of(other))
        return found

    def sizes(self, shards: Sequence[int]) -> dict[int, int]:
        """The bytes of each of these shards that exists. Raises ReplacedError."""
        found = {}
        for shard in shards:
            path = self._path_of(shard)
            stamp = FileStamp.at(path)
            if stamp is not None:
                self._snapshot.saw(path, stamp)
                found[shard] = stamp.size
        self._snapshot.check([self._index])
        return found
