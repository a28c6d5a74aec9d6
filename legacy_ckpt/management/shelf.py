"""The checkpoints of one directory: which are there, which are kept, and which may be deleted."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import tensorflow as tf

from legacy_ckpt.management import state
from legacy_ckpt.management.files import delete
from legacy_ckpt.management.record import Entry, Record, digest_of, read_record, write_record, write_whole
from migration.errors import CheckpointNotFoundError, InputError
from migration.formats.checkpoint_state import CheckpointState

_gfile = tf.io.gfile
_SHARD = "?????"  # in the path of a sharded V1 checkpoint


class Shelf:
    """A directory's state file and record, kept in step with what is saved there.

    `active` are the newest checkpoints, the ones that the state file lists: path and time, oldest first.
    """

    def __init__(self, directory: str, name: str, best: tuple[str | None, str, int]) -> None:
        self.directory = directory
        self._name = name
        self._metric, self._mode, self._keep_best = best
        self.record: Record = read_record(directory)
        self.active: dict[str, float] = {}
        self.latest: str | None = None
        self._last_preserved = (
            time.time() - 1
        )  # so that a shelf opened again at once still counts what follows
        self._recover()

    def _recover(self) -> None:
        known = state.get_checkpoint_state(self.directory)
        if known is None:
            return
        now = time.time()
        self._last_preserved = min(known.last_preserved_timestamp, now)
        paths = list(known.all_model_checkpoint_paths)
        times = list(known.all_model_checkpoint_timestamps) or [now] * len(paths)
        for path, written in zip(paths, times, strict=False):
            if min(written, now) > self._last_preserved and state.checkpoint_exists(path):
                self.active[path] = min(written, now)
        self.latest = state.latest_checkpoint(self.directory)

    def path(self, name: str) -> str:
        """The path of the checkpoint that the record calls `name`."""
        return os.path.join(self.directory, name)

    def name(self, path: str) -> str:
        """What the record calls the checkpoint of that path."""
        return os.path.relpath(path, self.directory)

    def best(self) -> list[str]:
        """The paths of the best checkpoints that exist, the best first."""
        if self._metric is None:
            return []
        ranked = (self.path(each.path) for each in self.record.best(self._metric, self._mode))
        return [path for path in ranked if state.checkpoint_exists(path)][: self._keep_best]

    def highest(self) -> int:
        """The greatest number of a checkpoint of this name in the directory; 0 without one."""
        pattern = re.compile(re.escape(os.path.basename(self._name)) + r"-(\d+)(-\?{5}-of-\d{5})?")
        known = (
            *state.prefixes_in(self.directory),
            *map(os.path.basename, self.active),
            *self.record.entries,
        )
        return max((int(found[1]) for found in map(pattern.fullmatch, known) if found), default=0)

    # Adding ----------------------------------------------------------------------------------------

    def announce(self, entry: Entry) -> None:
        """Record a checkpoint that is about to be written.

        Raises ValueError where one of its name exists that no manager wrote.
        """
        path = self.path(entry.path)
        if state.checkpoint_exists(path) and not self._is_own(entry.path):
            raise ValueError(
                f"{path} exists and was not written by this manager: it is not overwritten; "
                "save under another number or checkpoint_name, or move it away"
            )
        _gfile.makedirs(os.path.dirname(path) or ".")
        _gfile.makedirs(self.directory)
        self._remember(self.record.with_entry(entry))

    def add(self, entry: Entry, path: str) -> None:
        """Enter the announced checkpoint, written to `path` (a V1 Saver adds to the name), as the latest."""
        finished = Entry(
            path=self.name(path),
            number=entry.number,
            written=entry.written,
            index=_digest(path),
            metrics=entry.metrics,
        )
        self._remember(self.record.without(entry.path).with_entry(finished))
        self.active.pop(path, None)
        self.active[path] = time.time()
        self.latest = path
        self._write_state()

    def withdraw(self, entry: Entry) -> None:
        """Forget an announced checkpoint that was not written after all."""
        if not state.checkpoint_exists(self.path(entry.path)):
            self._remember(self.record.without(entry.path))

    # Letting go ------------------------------------------------------------------------------------

    def sweep(self, most: int, hours: float | None) -> None:
        """Keep the newest `most`, the best, and one every so many hours; delete the rest of its own."""
        let_go = list(self.active)[:-most]
        for path in let_go:
            self._let_go(path, self.active.pop(path), hours)
        kept = {self.name(path) for path in (*self.active, *self.best())}
        gone = [
            each.path for each in self.record.entries.values() if not (each.path in kept or each.preserved)
        ]
        for name in gone:
            if self._is_own(name):
                delete(self.path(name))
            self.record = self.record.without(name)
        if gone or let_go:
            self._remember(self.record)
            self._write_state()

    def _let_go(self, path: str, written: float, hours: float | None) -> None:
        """Preserve a checkpoint that leaves the newest, where its hour has come."""
        if not hours or written - hours * 3600 < self._last_preserved:
            return
        self._last_preserved = written
        if self.name(path) in self.record.entries:
            self.record = self.record.changed(self.name(path), preserved=True)

    def _is_own(self, name: str) -> bool:
        """Whether the files are still what a manager wrote, or half wrote, under that name."""
        entry = self.record.entries.get(name)
        return entry is not None and (not entry.index or entry.index == _digest(self.path(name)))

    def _remember(self, record: Record) -> None:
        self.record = record
        write_record(self.directory, record)

    def _write_state(self) -> None:
        assert self.latest is not None
        text = CheckpointState(
            model_checkpoint_path=self.name(self.latest),
            all_model_checkpoint_paths=tuple(map(self.name, self.active)),
            all_model_checkpoint_timestamps=tuple(self.active.values()),
            last_preserved_timestamp=self._last_preserved,
        ).to_text()
        write_whole(os.path.join(self.directory, state.STATE_FILE), text)

    # Finding ---------------------------------------------------------------------------------------

    def find(self, which: Any) -> str:
        """The path of the "latest", of the "best", of that number, or of that path or name.

        Raises CheckpointNotFoundError, naming those that exist.
        """
        if which is None:
            raise InputError(
                f"{self.directory}: which checkpoint? None is none: say 'latest', 'best', a number or a path"
            )
        if which == "latest":
            found = self.latest
        elif which == "best":
            found = next(iter(self.best()), None)
        elif isinstance(which, (str, os.PathLike)):
            text = os.fspath(which).removesuffix(".index")
            found = next((path for path in (self.path(text), text) if state.checkpoint_exists(path)), None)
        else:
            found = self._numbered(int(which))
        if found is None:
            there = state.prefixes_in(self.directory)
            told = f"it has {', '.join(there[-5:])}" if there else "it has no checkpoint at all"
            raise CheckpointNotFoundError(f"{self.directory}: no checkpoint {which!r}; {told}")
        return found

    def _numbered(self, number: int) -> str | None:
        own = [each.path for each in self.record.entries.values() if each.number == number]
        numbered = re.compile(rf".*-0*{number}(-\?{{5}}-of-\d{{5}})?")
        others = [name for name in state.prefixes_in(self.directory) if numbered.fullmatch(name)]
        paths = map(self.path, (*own, f"{self._name}-{number}", *others))
        return next((path for path in paths if state.checkpoint_exists(path)), None)


def _digest(path: str) -> str:
    return digest_of(path.replace(_SHARD, "00000", 1))
