"""A Keras callback that writes `tf.train.Checkpoint`s during `fit`, for Keras 3 and for tf_keras.

Keras 3's own `ModelCheckpoint` writes `.weights.h5` or `.keras` files and no longer this format.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from legacy_ckpt.management.manager import CheckpointManager, check_retention
from migration.errors import InputError

_FIELD = re.compile(r"\{[^{}]*\}")
_HIGHER_IS_BETTER = re.compile(r"acc|auc|precision|recall|f1|f_beta|iou|top_k|r2|bleu|map")


class CheckpointCallback:
    """Writes a `tf.train.Checkpoint` every N steps or epochs; keeps the newest K, and the best by a metric.

    model.fit(x, y, epochs=10, callbacks=[CheckpointCallback("runs/a", monitor="val_loss")])

    directory: the directory of the checkpoints.
    checkpoint: the tf.train.Checkpoint to write; `tf.train.Checkpoint(model=model)` by default, which holds
        the optimizer of a compiled model as well.
    every_epochs, every_steps: how often; one of them (each epoch by default). Steps are batches of `fit`.
    max_to_keep: how many of the newest are kept; None keeps all.
    monitor, mode, keep_best: the metric in Keras's logs, whether its "min" or "max" is the best ("auto":
        by its name), and how many of the best are kept beside the newest. Without `monitor` there is no best.
    resume: whether `fit` starts with restoring the latest checkpoint of the directory. `initial_epoch` then
        says where to go on: `model.fit(..., initial_epoch=callback.initial_epoch)`.

    Checkpoints are numbered by the optimizer's iterations, where there is an optimizer. Raises InputError
    for a directory with an unfilled `{epoch}`, or both intervals, and ValueError for a `mode`, `max_to_keep`
    or `keep_best` that there is not.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        checkpoint: Any = None,
        *,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        max_to_keep: int | None = 5,
        monitor: str | None = None,
        mode: Literal["auto", "min", "max"] = "auto",
        keep_best: int = 1,
        checkpoint_name: str = "ckpt",
        resume: bool = False,
    ) -> None:
        self.directory = _checked(os.fspath(directory), checkpoint_name)
        if every_epochs is None and every_steps is None:
            every_epochs = 1
        if (every_epochs is None) == (every_steps is None):
            raise InputError("every_epochs and every_steps are both given: choose one")
        if (every_epochs or every_steps or 0) < 1:
            raise InputError("every_epochs and every_steps are 1 or more")
        self._every_epochs, self._every_steps = every_epochs, every_steps
        self._checkpoint = checkpoint
        self._monitor, self._resume = monitor, resume
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode is 'auto', 'min' or 'max', not {mode!r}")
        check_retention(max_to_keep, keep_best)
        self._retention: dict[str, Any] = {
            "max_to_keep": max_to_keep,
            "checkpoint_name": checkpoint_name,
            "best_metric": monitor,
            "best_mode": _mode(monitor, mode),
            "keep_best": keep_best,
        }
        self._manager: CheckpointManager | None = None
        self._model: Any = None
        self._steps = self._epoch = 0
        self.params: Mapping[str, Any] = {}

    # What a person reads ---------------------------------------------------------------------------

    @property
    def manager(self) -> CheckpointManager:
        """The manager of the directory: `latest_checkpoint`, `best_checkpoint`, `restore("best")` ...

        Raises InputError before the callback knows its model.
        """
        if self._manager is None:
            raise InputError("the callback has no model yet: use it in fit, or call set_model(model)")
        return self._manager

    @property
    def initial_epoch(self) -> int:
        """The epoch that `fit` goes on with after the latest checkpoint; 0 without one."""
        manager = self._manager
        if manager is None:
            manager = CheckpointManager(tf.train.Checkpoint(), self.directory, **self._retention)
        latest = manager.latest_checkpoint
        return 0 if latest is None else int(manager.metrics.get(latest, {}).get("epochs", 0))

    def restore(self, which: int | str | os.PathLike[str] = "latest") -> str:
        """Restore the "latest" or "best" checkpoint, that of a step, or of a path; returns its path.

        Raises InputError for a model that is not built yet, CheckpointNotFoundError, or, where checkpoint
        and model differ, AssertionError with what was not restored: the model may hold a part of it then.
        """
        _refuse_unbuilt(self._model)
        _build_optimizer(self._model)
        path = self.manager.find(which)
        try:
            status = self.manager.checkpoint.restore(path)
        except ValueError as error:  # a variable of another shape
            raise AssertionError(f"{path} is of another model: {error}") from error
        status.assert_existing_objects_matched()
        status.expect_partial()
        return path

    # What Keras calls ------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model that `fit` trains."""
        return self._model

    def set_model(self, model: Any) -> None:
        """Keras tells the model."""
        if model is self._model and self._manager is not None:
            return
        self._model = model
        if self._checkpoint is None:
            self._checkpoint = tf.train.Checkpoint(model=model)
        self._manager = CheckpointManager(self._checkpoint, self.directory, **self._retention)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keras tells epochs and steps."""
        self.params = params

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the latest checkpoint, where `resume` asks for it and there is one."""
        if self._resume and self.manager.latest_checkpoint is not None:
            self.restore("latest")

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint every `every_steps` steps."""
        self._steps += 1
        if self._every_steps is not None and self._steps % self._every_steps == 0:
            self._save(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint every `every_epochs` epochs."""
        if self._every_epochs is not None and (epoch + 1) % self._every_epochs == 0:
            self._save(epoch + 1, logs)

    def _save(self, epochs: int, logs: Mapping[str, Any] | None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items() if _is_scalar(value)}
        if self._monitor is not None and self._monitor not in metrics:
            tf.compat.v1.logging.warning(
                "monitor=%r is not among the metrics here (%s): this checkpoint cannot be the best",
                self._monitor,
                ", ".join(metrics) or "none",
            )
        self.manager.save(_iterations(self._model), metrics={**metrics, "epochs": epochs})

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """One of the hooks that this callback has no use for."""

    on_train_end = on_batch_begin = on_batch_end = on_train_batch_begin = _nothing
    on_test_begin = on_test_end = on_test_batch_begin = on_test_batch_end = _nothing
    on_predict_begin = on_predict_end = on_predict_batch_begin = on_predict_batch_end = _nothing

    # tf_keras asks which hooks do something, and whether they take tensors for numbers.
    _supports_tf_logs = False

    def _implements_train_batch_hooks(self) -> bool:
        return self._every_steps is not None

    def _implements_test_batch_hooks(self) -> bool:
        return False

    _implements_predict_batch_hooks = _implements_test_batch_hooks


def _checked(directory: str, checkpoint_name: str) -> str:
    for name, text in (("directory", directory), ("checkpoint_name", checkpoint_name)):
        field = _FIELD.search(text)
        if field:
            raise InputError(
                f"{name}={text!r}: {field[0]} is never filled in: checkpoints are numbered by step; "
                "give a plain directory, and the metric to keep the best by as monitor="
            )
    return directory


def _mode(monitor: str | None, mode: str) -> str:
    if mode != "auto":
        return mode
    return "max" if monitor and _HIGHER_IS_BETTER.search(monitor.lower()) and "loss" not in monitor else "min"


def _is_scalar(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _iterations(model: Any) -> int | None:
    """How many steps the model's optimizer has done; None without an optimizer."""
    optimizer = getattr(model, "optimizer", None)
    iterations = getattr(optimizer, "iterations", None)
    return (
        None
        if iterations is None
        else int(iterations.numpy() if hasattr(iterations, "numpy") else iterations)
    )


def _refuse_unbuilt(model: Any) -> None:
    if not getattr(model, "built", True):
        raise InputError(
            f"{type(model).__name__} {getattr(model, 'name', '')!r} is not built: "
            "a restore would fill nothing; call model.build(input_shape), or the model on a batch, first"
        )


def _build_optimizer(model: Any) -> None:
    """Make the slots, which Keras otherwise makes at the first step: a restore needs them."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not getattr(optimizer, "built", True) and hasattr(optimizer, "build"):
        optimizer.build(model.trainable_variables)
