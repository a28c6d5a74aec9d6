"""A manager of checkpoints for Savers, with the interface of tf.train.CheckpointManager and a best one."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import tensorflow as tf

from legacy_ckpt.management.record import Entry
from legacy_ckpt.management.shelf import Shelf
from legacy_ckpt.management.writers import writer_for
from migration.errors import InputError

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

    Raises ValueError for a `max_to_keep` that is not positive, a negative `keep_best`, a
    `checkpoint_interval` without `step_counter`, or a directory that is no directory's name; InputError
    where `checkpoint` is neither a Saver nor a tf.train.Checkpoint.
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
        check_retention(max_to_keep, keep_best)
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError("`step_counter` should be passed if `checkpoint_interval` is not None.")
        if best_mode not in ("min", "max"):
            raise ValueError(f"best_mode is 'min' or 'max', not {best_mode!r}")
        self._writer = writer_for(checkpoint, write_meta_graph)
        self._checkpoint, self._session, self._init_fn = checkpoint, session, init_fn
        self._name, self._metric = checkpoint_name, best_metric
        self._max_to_keep = None if max_to_keep is None else int(max_to_keep)
        self._every_n_hours = keep_checkpoint_every_n_hours
        self._step_counter, self._interval = step_counter, checkpoint_interval
        self._last_step = last_checkpoint_step
        self._shelf = Shelf(
            _checked(os.fspath(directory), checkpoint_name),
            checkpoint_name,
            (best_metric, best_mode, keep_best),
        )

    @property
    def directory(self) -> str:
        """The directory that it manages."""
        return self._shelf.directory

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
        return self._shelf.latest

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the newest checkpoints, oldest first; without those kept as best, or preserved."""
        return list(self._shelf.active)

    @property
    def best_checkpoints(self) -> list[str]:
        """The paths of the best `keep_best` checkpoints by `best_metric` that exist, the best first."""
        return self._shelf.best()

    @property
    def best_checkpoint(self) -> str | None:
        """The path of the best checkpoint by `best_metric`, or None."""
        return next(iter(self._shelf.best()), None)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics that each checkpoint was saved with, by path, oldest first."""
        return {
            self._shelf.path(each.path): dict(each.metrics) for each in self._shelf.record.entries.values()
        }

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
        named = self._named(metrics)
        step = None if self._interval is None else _number(self._step_counter, session)
        if step is not None and not self._due(step, check_interval):
            return None
        number = None if checkpoint_number is None else _number(checkpoint_number, session)
        following = self._writer.advance(self._shelf.highest() if number is None else 0)
        number = following if number is None else number
        path = self._write(
            Entry(path=f"{self._name}-{number}", number=number, written=time.time(), metrics=named),
            session,
            options,
        )
        self._last_step = step
        if self._max_to_keep is not None:
            self._shelf.sweep(self._max_to_keep, self._every_n_hours)
        return path

    def _write(self, entry: Entry, session: Any, options: Any) -> str:
        self._shelf.announce(entry)
        try:
            path = self._writer.write(self._shelf.path(entry.path), session, options)
        except BaseException:
            self._shelf.withdraw(entry)
            raise
        self._shelf.add(entry, path)
        return path

    def _due(self, step: int, check_interval: bool) -> bool:
        last = self._last_step
        assert self._interval is not None
        return last is None or (step != last and not (check_interval and step < last + self._interval))

    def _named(self, metrics: Metrics) -> dict[str, float]:
        if metrics is None:
            return {}
        if isinstance(metrics, Mapping):
            return {name: float(value) for name, value in metrics.items()}
        if self._metric is None:
            raise InputError(
                "metrics is a plain number, but no best_metric was given to name it: pass a dict"
            )
        return {self._metric: float(metrics)}

    def find(self, which: int | str | os.PathLike[str] = "latest") -> str:
        """The path of the "latest" checkpoint, of the "best", of that number, or of that path or name.

        Raises CheckpointNotFoundError, naming those that exist.
        """
        return self._shelf.find(which)

    def restore(self, which: int | str | os.PathLike[str] = "latest", *, session: Any = None) -> str:
        """Restore that checkpoint (see `find`); returns its path.

        A later save without a number of its own gets one beyond all others: it overwrites none.
        """
        path = self.find(which)
        session = self._session if session is None else session
        self._writer.restore(path, session)
        if self._interval is not None:
            self._last_step = _number(self._step_counter, session)
        return path

    def restore_or_initialize(self, *, session: Any = None) -> str | None:
        """Restore the latest checkpoint and return its path; without one, call `init_fn` and return None."""
        if self.latest_checkpoint is not None:
            return self.restore("latest", session=session)
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Wait for what is still being written."""
        self._writer.wait()


def check_retention(max_to_keep: float | None, keep_best: int) -> None:
    """Raises ValueError for numbers of checkpoints that cannot be kept."""
    if max_to_keep is not None and max_to_keep <= 0:
        raise ValueError(f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}.")
    if keep_best < 0:
        raise ValueError(f"keep_best is 0 or more, not {keep_best}")


def _checked(directory: str, checkpoint_name: str) -> str:
    field = _FIELD.search(directory)
    if field:
        parent = os.path.dirname(directory[: field.start()]) or "."
        raise ValueError(
            f"directory={directory!r}: {field[0]} is never filled in, as a manager numbers its checkpoints "
            f"itself: give the directory alone, such as {parent!r}, and perhaps checkpoint_name"
        )
    if field := _FIELD.search(checkpoint_name):
        raise ValueError(
            f"checkpoint_name={checkpoint_name!r}: {field[0]} is never filled in, as a manager numbers its "
            "checkpoints itself: give a plain name, such as 'ckpt'"
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
    elif isinstance(value, (tf.Tensor, tf.Variable, _v1.Variable)):
        session = session or _v1.get_default_session()
        if session is None:
            raise InputError(f"no session to evaluate {value.name} in: pass session=")
        value = session.run(value)
    return int(value.item() if hasattr(value, "item") else value)
