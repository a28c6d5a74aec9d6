"""Which checkpoints a directory holds, how many of them are kept, and which is the latest or the best."""

from __future__ import annotations

from legacy_ckpt.management.manager import CheckpointManager
from legacy_ckpt.management.state import (
    checkpoint_exists,
    get_checkpoint_mtimes,
    get_checkpoint_state,
    latest_checkpoint,
    remove_checkpoint,
    resolved,
    update_checkpoint_state,
)

__all__ = [
    "CheckpointManager",
    "checkpoint_exists",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "latest_checkpoint",
    "remove_checkpoint",
    "resolved",
    "update_checkpoint_state",
]
