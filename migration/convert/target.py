"""Where a result may be written: not over its source, and not over anything that nobody said to replace."""

from __future__ import annotations

import os

from migration.checkpoint import Checkpoint
from migration.errors import TargetError
from migration.location import INDEX
from migration.storage import present, sweep


def check_target(prefix: str, source: Checkpoint, *, overwrite: bool) -> list[str]:
    """The names of files that the write replaces. What an interrupted write left of them is cleared before.

    Raises TargetError for a target that may not be written.
    """
    name = os.path.basename(prefix)
    if not name or name in (".", "..") or os.path.isdir(prefix):
        raise TargetError(
            f"{prefix}: a directory: a checkpoint needs a prefix in it, like {os.path.join(prefix, 'ckpt')}"
        )
    if _is_source(prefix, source):
        raise TargetError(
            f"{prefix}: the target is the source, which is never written: choose another prefix"
        )
    directory = os.path.dirname(prefix) or "."
    sweep(directory, name)
    try:
        there = present(directory, name)
    except OSError as error:
        raise TargetError(
            f"{directory}: cannot be looked at ({error.strerror}): check its permissions"
        ) from None
    has_index = name + INDEX in there
    shards = [each for each in there if each != name + INDEX]
    if (has_index or shards) and not overwrite:
        what = "a checkpoint" if has_index else f"shards without an index ({shards[0]})"
        raise TargetError(
            f"{prefix}: {what} is already there: choose another prefix, or pass overwrite=True (--overwrite)"
        )
    return there


def check_free(prefix: str, replaced: list[str], overwrite: bool) -> None:
    """Now that no other run writes, raises TargetError where one wrote meanwhile."""
    there = present(os.path.dirname(prefix) or ".", os.path.basename(prefix))
    if not overwrite and not set(there) <= set(replaced):
        raise TargetError(
            f"{prefix}: another run wrote it meanwhile: choose another prefix, or pass "
            "overwrite=True (--overwrite)"
        )


def _is_source(prefix: str, source: Checkpoint) -> bool:
    if os.path.realpath(prefix) == os.path.realpath(source.prefix):
        return True
    try:
        return any(os.path.samefile(prefix + INDEX, path) for path in source.location.files)
    except OSError:
        return False
