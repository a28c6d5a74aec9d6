"""The files of one target, aside until all of them stand."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from types import TracebackType

from migration.errors import TargetError
from migration.storage.flushing import flush_directory
from migration.storage.journal import Journal, Mark, marks, write_journal
from migration.storage.locks import Held, entering
from migration.storage.names import free_count, fresh_staging, index_name, present
from migration.storage.settling import settle
from migration.storage.staged_file import StagedFile
from migration.storage.stale import stagings, sweep_entered


class Staging:
    """The files of one target until they are all there. Left without a commit, nothing remains of them."""

    def __init__(self, prefix: str) -> None:
        directory, self._base = os.path.split(prefix)
        self.directory = directory or "."
        self.folder = os.path.join(self.directory, fresh_staging(self._base))
        self._files: list[StagedFile] = []
        self._made: list[str] = []  # directories above the target that were not there, the deepest first
        self._old: tuple[Mark, ...] = ()  # what is to be replaced, as it was when the run entered
        self._held: Held | None = None
        self._unconfirmed = False

    @property
    def prefix(self) -> str:
        """Where the files lie now, as a checkpoint's prefix: complete, they can be read there."""
        return os.path.join(self.folder, self._base)

    @property
    def _target(self) -> str:
        return os.path.join(self.directory, self._base)

    def __enter__(self) -> Staging:
        try:
            self._enter()
        except OSError as error:
            raise self._told(error, self._leave()) from error
        except BaseException:
            self._leave()
            raise
        return self

    def _enter(self) -> None:
        self._made = _absent(self.directory)
        os.makedirs(self.directory, exist_ok=True)
        with entering(self.directory):
            sweep_entered(self.directory, self._base)
            other = next((path for path, live in stagings(self.directory, self._base) if live), None)
            if other is not None:
                self._made = []  # the other one's, too
                raise TargetError(
                    f"{self._target}: another run is writing it (in {other}): let it end, then run again"
                )
            self._old = self._there()
            os.mkdir(self.folder)
            self._held = Held(self.folder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):  # what counts was flushed before
                file.close()
        clean = self._leave()
        if isinstance(error, OSError):
            raise self._told(error, clean) from error

    def _leave(self) -> bool:
        """End or take back what was begun; returns whether nothing of it is left."""
        committed = clean = False
        try:
            if not self._unconfirmed and os.path.lexists(self.folder):
                committed = settle(self.folder)
            clean = not self._unconfirmed
        except OSError:  # the next run settles it
            pass
        if self._held is not None:
            self._held.release()
            self._held = None
        if clean and not committed:
            _remove_empty(self._made)
        return clean

    def _told(self, error: OSError, clean: bool) -> TargetError:
        advice = (
            "free some space"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "check the path and its permissions"
        )
        left = "nothing was left behind" if clean else f"that clears what is left in {self.folder}"
        cause = error.strerror or str(error)
        return TargetError(f"{self.directory}: cannot be written ({cause}): {advice} and run again; {left}")

    def count(self, needed: int) -> int:
        """How many shards to write, at least `needed`, for none to have the name of a file that is there."""
        return free_count(self.directory, self._base, needed)

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
                'use data="copy" (--data=copy), or a target on the same file system'
            ) from None

    def flush(self) -> None:
        """Bring every byte to the disk; nothing is written any more."""
        for file in self._files:
            file.flush()
            file.close()

    def commit(self, shards: Sequence[str]) -> None:
        """Move the shards of these names and the index into place, and so replace what is there.

        Renaming the index is the one step from the old checkpoint to the new one.
        """
        self.flush()
        index = index_name(self._base)
        self._check(self._there() == self._old)
        journal = Journal(base=self._base, shards=marks(self.folder, shards), old=self._old)
        write_journal(self.folder, journal)
        flush_directory(self.folder)
        flush_directory(self.directory)
        for name in shards:
            self._check(Mark.at(self.directory, name) is None)
            os.rename(os.path.join(self.folder, name), os.path.join(self.directory, name))
        flush_directory(self.directory)
        self._check(Mark.at(self.directory, index) in (*self._old, None))
        os.replace(os.path.join(self.folder, index), os.path.join(self.directory, index))
        self._confirm()

    def _there(self) -> tuple[Mark, ...]:
        """The files that the target has in its place now."""
        return marks(self.directory, present(self.directory, self._base))

    def _check(self, untouched: bool) -> None:
        if not untouched:
            raise TargetError(f"{self._target}: another program wrote it meanwhile: look at it, run again")

    def _confirm(self) -> None:
        """Bring the new index to the disk; before that the old files may be needed again."""
        try:
            flush_directory(self.directory)
        except OSError as error:
            self._unconfirmed = True
            raise TargetError(
                f"{self._target}: was written, but the disk does not confirm it ({error.strerror}): "
                "check the disk, then run again with overwrite=True (--overwrite)"
            ) from error


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
