"""`tf.compat.v1.train`, with this package's Saver wherever a Saver is used and its state-file functions."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.training import checkpoint_utils, warm_starting_util

from legacy_ckpt.management import state
from legacy_ckpt.management.state import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    latest_checkpoint,
    remove_checkpoint,
    update_checkpoint_state,
)
from legacy_ckpt.saver import Saver, export_meta_graph, import_meta_graph
from legacy_ckpt.v1.gone import gone
from legacy_ckpt.v1.rebinding import rebound, with_changes
from legacy_ckpt.v1.sessions import (
    ChiefSessionCreator,
    MonitoredSession,
    MonitoredTrainingSession,
    Scaffold,
    SessionManager,
    SingularMonitoredSession,
    Supervisor,
    WorkerSessionCreator,
)

_stock = tf.compat.v1.train
_wait = rebound(
    checkpoint_utils.wait_for_new_checkpoint,
    checkpoint_management=with_changes(checkpoint_management, latest_checkpoint=state.latest_checkpoint),
)

checkpoints_iterator = rebound(checkpoint_utils.checkpoints_iterator, wait_for_new_checkpoint=_wait)


def load_checkpoint(ckpt_dir_or_file: str | os.PathLike[str]) -> Any:
    """A reader of the checkpoint at a prefix, at one of its files or in a directory."""
    return _stock.load_checkpoint(state.resolved(ckpt_dir_or_file))


def load_variable(ckpt_dir_or_file: str | os.PathLike[str], name: str) -> Any:
    """The value of one variable, by its name or its tensor's (`w:0`)."""
    return _stock.load_variable(state.resolved(ckpt_dir_or_file), name)


def list_variables(ckpt_dir_or_file: str | os.PathLike[str]) -> list[tuple[str, list[int]]]:
    """All names and shapes, sorted."""
    listed: list[tuple[str, list[int]]] = _stock.list_variables(state.resolved(ckpt_dir_or_file))
    return listed


def init_from_checkpoint(ckpt_dir_or_file: str | os.PathLike[str], assignment_map: Any) -> None:
    """Let variables start with a checkpoint's values, as `tf.compat.v1.train.init_from_checkpoint` does."""
    _stock.init_from_checkpoint(state.resolved(ckpt_dir_or_file), assignment_map)


def warm_start(ckpt_to_initialize_from: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
    """Warm-start variables of the graph, as `tf.compat.v1.train.warm_start` does."""
    warm_starting_util.warm_start(state.resolved(ckpt_to_initialize_from), *args, **kwargs)


def __getattr__(name: str) -> Any:
    try:
        return getattr(_stock, name)
    except AttributeError:
        raise gone("train", name) from None


def __dir__() -> list[str]:
    return sorted({*dir(_stock), *globals()})


__all__ = [
    "ChiefSessionCreator",
    "MonitoredSession",
    "MonitoredTrainingSession",
    "Saver",
    "Scaffold",
    "SessionManager",
    "SingularMonitoredSession",
    "Supervisor",
    "WorkerSessionCreator",
    "checkpoint_exists",
    "checkpoints_iterator",
    "export_meta_graph",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "import_meta_graph",
    "init_from_checkpoint",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "remove_checkpoint",
    "update_checkpoint_state",
    "warm_start",
]
__all__ += [name for name in dir(_stock) if not (name.startswith("_") or name in __all__)]
