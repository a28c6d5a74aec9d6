"""TensorFlow 1 checkpoints in TensorFlow 2: a drop-in Saver, and what surrounds one.

The names are loaded when they are first used; TensorFlow is loaded with the first of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from legacy_ckpt.callback import CheckpointCallback
    from legacy_ckpt.graph_session import GraphSession
    from legacy_ckpt.management import (
        CheckpointManager,
        checkpoint_exists,
        get_checkpoint_mtimes,
        get_checkpoint_state,
        latest_checkpoint,
        remove_checkpoint,
        update_checkpoint_state,
    )
    from legacy_ckpt.objects import (
        NotBuiltError,
        ObjectReport,
        load_variables,
        restore,
        save_names,
        template,
    )
    from legacy_ckpt.saver import (
        RestoreReport,
        Saver,
        TrackablePartitions,
        export_meta_graph,
        import_meta_graph,
    )

_HOME = {
    "CheckpointCallback": "callback",
    "CheckpointManager": "management",
    "GraphSession": "graph_session",
    "NotBuiltError": "objects",
    "ObjectReport": "objects",
    "RestoreReport": "saver",
    "Saver": "saver",
    "TrackablePartitions": "saver",
    "checkpoint_exists": "management",
    "export_meta_graph": "saver",
    "get_checkpoint_mtimes": "management",
    "get_checkpoint_state": "management",
    "import_meta_graph": "saver",
    "latest_checkpoint": "management",
    "load_variables": "objects",
    "remove_checkpoint": "management",
    "restore": "objects",
    "save_names": "objects",
    "template": "objects",
    "update_checkpoint_state": "management",
}
_MODULES = ("explain", "management", "objects", "saver", "v1")  # tf1 changes TensorFlow: import it yourself


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})


__all__ = [
    "CheckpointCallback",
    "CheckpointManager",
    "GraphSession",
    "NotBuiltError",
    "ObjectReport",
    "RestoreReport",
    "Saver",
    "TrackablePartitions",
    "checkpoint_exists",
    "export_meta_graph",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "import_meta_graph",
    "latest_checkpoint",
    "load_variables",
    "remove_checkpoint",
    "restore",
    "save_names",
    "template",
    "update_checkpoint_state",
]
