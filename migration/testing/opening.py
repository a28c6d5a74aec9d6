"""What an assertion is given to compare, opened."""

from __future__ import annotations

import os

from migration.checkpoint import Checkpoint
from migration.errors import InputError

Openable = Checkpoint | str | os.PathLike[str]


def opened(thing: object, what: str) -> Checkpoint:
    """The checkpoint that `thing` is or points at. Raises InputError for what is neither, and what
    `Checkpoint.open` raises; `what` is the argument's name."""
    if isinstance(thing, Checkpoint):
        return thing
    if isinstance(thing, (str, os.PathLike)):
        return Checkpoint.open(thing)
    wanted = "a path to a checkpoint, or a migration.Checkpoint"
    if thing is None:
        raise InputError(
            f"{what} is None: give {wanted} (latest_checkpoint() gives None where it finds none)"
        )
    hint = ", and the object first" if hasattr(thing, "restore") else ""
    raise InputError(f"{what} is of type {type(thing).__name__}: give {wanted}{hint}")
