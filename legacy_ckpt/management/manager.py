"""A manager of checkpoints for Savers, with the interface of tf.train.CheckpointManager and a best one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import tensorflow as tf

from legacy_ckpt.management import state
from legacy_ckpt.management.files import delete
from legacy_ckpt.management.record import Entry, Record, digest_of, read_record, write_record, write_whole
from legacy_ckpt.management.writers import writer_for
from migration import location
from migration.errors import CheckpointNotFoundError, InputError
from migration.formats.checkpoint_state import CheckpointState

_v1 = tf.compat.v1
_gfile = tf.io.gfile
_FIELD = re.compile(r"\{[^{}]*\}")
Metrics = Mapping[str, float] | float | None


class CheckpointManager:
    """Writes numbered checkpoints into a directory, keeps the newest and the best, and goes back to any.

    The arguments up to `last_checkpoint_step`, the methods and the properties are those of
    `tf.train.CheckpointManager`; `checkpoint` is a Saver (or a tf.train.Checkpoint in eager mode). It
    deletes only checkpoints that it, or a manager before it in the same directory, wrote.

    session: the session to save and restore in, where none is given later; the default one otherwise.
    best_metric, best_mode, keep_best: the metric ("val_loss") that `save(metrics=...)` gives, whether the
        best is its "min" or "max", and how many of the best are kept beside the newest `max_to_keep`.
    write_meta_graph: whether a Saver writes the graph beside each checkpoint.

    Raises ValueError for a `max_to_keep` that is not positive, a `checkpoint_interval` without
    `step_counter`, or a directory that is no directory's name; InputError where `checkpoint` is neither.
    """

    def __init__(
        self,
        checkpoint: Any,
        directory: str | os.PathLike[str],
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], Any] | None = None,
        last_checkpoint_step: int | None = None,
        *,
        session: Any = None,
        best_metric: str | None = None,
        best_mode: Literal["min", "max"] = "min",
        keep_best: int = 1,
        write_meta_graph: bool = True,
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}.")
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError("`step_counter` should be passed if `checkpoint_interval` is not None.")
        if best_mode not in ("min", "max"):
            raise ValueError(f"best_mode is 'min' or 'max', not {best_mode!r}")
        self._writer = writer_for(checkpoint, write_meta_graph)
        self._checkpoint, self._session = checkpoint, session
        self._directory = _checked_directory(os.fspath(directory))
        self._name = checkpoint_name
        self._max_to_keep, self._every_n_hours = max_to_keep, keep_checkpoint_every_n_hours
        self._step_counter, self._interval = step_counter, checkpoint_interval
        self._last_step = last_checkpoint_step
        self._init_fn = init_fn
        self._best_metric, self._best_mode, self._keep_best = best_metric, best_mode, keep_best
        self._record = read_record(self._directory)
        self._latest: str | None = None
        self._active: dict[str, float] = {}
        self._last_preserved = time.time() - 1  # a manager made again at once still sees what follows as later
        self._recover()

    def _recover(self) -> None:
        """Take up the state file of a manager, or a Saver, before this one."""
        known = state.get_checkpoint_state(self._directory)
        if known is None:
            return
        now = time.time()
        self._last_preserved = min(known.last_preserved_timestamp, now)
        paths = list(known.all_model_checkpoint_paths)
        times = list(known.all_model_checkpoint_timestamps) or [now] * len(paths)
        for path, written in zip(paths, times, strict=False):
            if min(written, now) > self._last_preserved and state.checkpoint_exists(path):
                self._active[path] = min(written, now)
        self._latest = state.latest_checkpoint(self._directory)

    # What there is ---------------------------------------------------------------------------------

    @property
    def directory(self) -> str:
        """The directory that it manages."""
        return self._directory

    @property
    def checkpoint(self) -> Any:
        """The Saver, or the tf.train.Checkpoint, that it was given."""
        return self._checkpoint

    @property
    def checkpoint_interval(self) -> int | None:
        """How many steps lie between two checkpoints at least."""
        return self._interval

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return self._latest

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the newest checkpoints, oldest first; without those kept as best, or preserved."""
        return list(self._active)

    @property
    def best_checkpoints(self) -> list[str]:
        """The paths of the best `keep_best` checkpoints by `best_metric` that exist, the best first."""
        if self._best_metric is None:
            return []
        ranked = (self._path(each) for each in self._record.best(self._best_metric, self._best_mode))
        return [path for path in ranked if state.checkpoint_exists(path)][: self._keep_best]

    @property
    def best_checkpoint(self) -> str | None:
        """The path of the best checkpoint by `best_metric`, or None."""
        return next(iter(self.best_checkpoints), None)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics that each checkpoint was saved with, by path, oldest first."""
        return {self._path(each): dict(each.metrics) for each in self._record.entries.values()}

    # Saving ----------------------------------------------------------------------------------------

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: Any = None,
        *,
        session: Any = None,
        metrics: Metrics = None,
    ) -> str | None:
        """Write a checkpoint, then delete those of its own that are no longer to be kept.

        checkpoint_number: an integer, or a tensor or variable of one; one more than the greatest so far
            by default. metrics: numbers by name, or the number that `best_metric` names.

        Returns the path, or None where `checkpoint_interval` says that it is too early. Raises
        ValueError where a checkpoint of that number exists that no manager wrote.
        """
        session = self._session if session is None else session
        if not self._due(check_interval, session):
            return None
        if checkpoint_number is None:
            number = self._writer.next_number(self._highest())
        else:
            number = _number(checkpoint_number, session)
        entry = Entry(
            path=f"{self._name}-{number}", number=number, written=time.time(), metrics=self._named(metrics)
        )
        self._refuse_foreign(entry)
        _gfile.makedirs(self._directory)
        self._remember(self._record.with_entry(entry))
        path = self._writer.write(os.path.join(self._directory, entry.path), session, options)
        self._take_in(entry, path)
        return path

    def _take_in(self, entry: Entry, path: str) -> None:
        """Enter a written checkpoint; the state file names it before anything else is deleted."""
        written = os.path.relpath(path, self._directory)
        record = self._record.without(entry.path) if written != entry.path else self._record
        finished = Entry(
            path=written,
            number=entry.number,
            written=entry.written,
            index=digest_of(path.replace("?????", "00000")),
            metrics=entry.metrics,
        )
        self._remember(record.with_entry(finished))
        self._active.pop(path, None)
        self._active[path] = time.time()
        self._latest = path
        self._write_state()
        if self._sweep():
            self._write_state()

    def _due(self, check_interval: bool, session: Any) -> bool:
        if self._interval is None:
            return True
        step = _number(self._step_counter, session)
        last, self._last_step = self._last_step, step
        if last is not None and (step == last or (check_interval and step < last + self._interval)):
            self._last_step = last
            return False
        return True

    def _named(self, metrics: Metrics) -> dict[str, float]:
        if metrics is None:
            return {}
        if isinstance(metrics, Mapping):
            return {name: float(value) for name, value in metrics.items()}
        if self._best_metric is None:
            raise InputError("metrics is a plain number, but no best_metric was given to name it: pass a dict")
        return {self._best_metric: float(metrics)}

    def _refuse_foreign(self, entry: Entry) -> None:
        path = os.path.join(self._directory, entry.path)
        if state.checkpoint_exists(path) and not self._is_own(entry.path):
            raise ValueError(
                f"{path} exists and was not written by this manager: it is not overwritten; "
                "save under another number or checkpoint_name, or move it away"
            )

    def _highest(self) -> int:
        """The greatest number of a checkpoint of this name in the directory."""
        pattern = re.compile(re.escape(self._name) + r"-(\d+)(-\?{5}-of-\d{5})?")
        names = [os.path.basename(path) for path in location.prefixes_in(self._directory)]
        known = [*names, *map(os.path.basename, self._active), *self._record.entries]
        return max((int(found[1]) for found in map(pattern.fullmatch, known) if found), default=0)

    # Keeping ---------------------------------------------------------------------------------------

    def _sweep(self) -> bool:
        """Let go of the oldest; delete what is the manager's own and no longer wanted. True if anything changed."""
        let_go = []
        while self._max_to_keep is not None and len(self._active) > self._max_to_keep:
            path = next(iter(self._active))
            self._let_go(path, self._active.pop(path))
            let_go.append(path)
        kept = {os.path.relpath(path, self._directory) for path in (*self._active, *self.best_checkpoints)}
        gone = [each for each in self._record.entries.values() if not (each.path in kept or each.preserved)]
        if self._max_to_keep is None:
            return False
        for each in gone:
            if self._is_own(each.path):
                delete(os.path.join(self._directory, each.path))
            self._record = self._record.without(each.path)
        if gone or let_go:
            self._remember(self._record)
        return bool(gone or let_go)

    def _let_go(self, path: str, written: float) -> None:
        """Preserve a checkpoint that leaves the newest, where its hour has come."""
        hours = self._every_n_hours
        if hours and written - hours * 3600 >= self._last_preserved:
            self._last_preserved = written
            name = os.path.relpath(path, self._directory)
            if name in self._record.entries:
                self._record = self._record.changed(name, preserved=True)

    def _is_own(self, name: str) -> bool:
        """Whether the files are still what a manager wrote, or half wrote, under that name."""
        entry = self._record.entries.get(name)
        if entry is None:
            return False
        return not entry.index or entry.index == digest_of(self._path(entry).replace("?????", "00000"))

    def _remember(self, record: Record) -> None:
        self._record = record
        write_record(self._directory, record)

    def _write_state(self) -> None:
        assert self._latest is not None
        text = CheckpointState(
            model_checkpoint_path=os.path.relpath(self._latest, self._directory),
            all_model_checkpoint_paths=tuple(os.path.relpath(path, self._directory) for path in self._active),
            all_model_checkpoint_timestamps=tuple(self._active.values()),
            last_preserved_timestamp=self._last_preserved,
        ).to_text()
        write_whole(os.path.join(self._directory, state.STATE_FILE), text)

    def _path(self, entry: Entry) -> str:
        return os.path.join(self._directory, entry.path)

    # Going back ------------------------------------------------------------------------------------

    def find(self, which: int | str | os.PathLike[str] = "latest") -> str:
        """The path of the "latest" checkpoint, the "best" one, the one of that number, or of that path or name.

        Raises CheckpointNotFoundError, naming those that exist.
        """
        if which == "latest":
            found = self._latest
        elif which == "best":
            found = self.best_checkpoint
        elif isinstance(which, int):
            found = self._numbered(which)
        else:
            found = self._called(which)
        if found is None:
            there = [os.path.basename(path) for path in location.prefixes_in(self._directory)]
            told = f"it has {', '.join(there[-5:])}" if there else "it has no checkpoint at all"
            raise CheckpointNotFoundError(f"{self._directory}: no checkpoint {which!r}; {told}")
        return found

    def restore(self, which: int | str | os.PathLike[str] = "latest", *, session: Any = None) -> str:
        """Restore that checkpoint (see `find`) and return its path. Later saves overwrite none that exists."""
        path = self.find(which)
        session = self._session if session is None else session
        self._writer.restore(path, session)
        if self._interval is not None:
            self._last_step = _number(self._step_counter, session)
        return path

    def restore_or_initialize(self, *, session: Any = None) -> str | None:
        """Restore the latest checkpoint and return its path; without one, call `init_fn` and return None."""
        if self._latest is not None:
            return self.restore("latest", session=session)
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Wait for what is still being written."""
        self._writer.wait()

    def _numbered(self, number: int) -> str | None:
        names = [each.path for each in self._record.entries.values() if each.number == number]
        listed = [path for path in self._active if re.fullmatch(rf".*-0*{number}", path)]
        paths = [os.path.join(self._directory, name) for name in (*names, f"{self._name}-{number}")]
        others = [path for path in location.prefixes_in(self._directory) if re.fullmatch(rf".*-0*{number}", path)]
        return next((path for path in (*paths, *listed, *others) if state.checkpoint_exists(path)), None)

    def _called(self, which: str | os.PathLike[str]) -> str | None:
        text = os.fspath(which).removesuffix(".index")
        paths = (os.path.join(self._directory, text), text)
        return next((path for path in paths if state.checkpoint_exists(path)), None)


def _checked_directory(directory: str) -> str:
    field = _FIELD.search(directory)
    if field:
        raise ValueError(
            f"directory={directory!r}: {field[0]} is never filled in: a manager numbers its checkpoints itself; give "
            f"the directory alone, such as {os.path.dirname(_FIELD.split(directory)[0]) or '.'!r}, and checkpoint_name"
        )
    if _gfile.exists(directory) and not _gfile.isdir(directory):
        raise ValueError(f"directory={directory!r} is a file: give the directory of the checkpoints")
    return directory


def _number(value: Any, session: Any) -> int:
    """The integer that a number, a tensor or a variable holds."""
    if isinstance(value, int):
        return value
    if hasattr(value, "numpy") and tf.executing_eagerly():
        value = value.numpy()
    elif isinstance(value, (tf.Tensor, tf.Variable)):
        session = session or _v1.get_default_session()
        if session is None:
            raise InputError(f"no session to evaluate {value.name} in: pass session=")
        value = session.run(value)
    return int(getattr(value, "item", lambda: value)())
