"""Repairs that lose nothing: a state file written anew, the old one kept beside it; strays cleared."""

from __future__ import annotations

import glob
import os

from migration.doctor.findings import Diagnosis
from migration.doctor.leftovers import INTERRUPTED
from migration.errors import MigrationError, TargetError
from migration.formats.checkpoint_state import CheckpointState
from migration.location import locate, prefixes_in
from migration.state_files import ReadState, kept_beside, read_state, write_state
from migration.storage import sweep


def mend(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Do what the fixable findings ask for; returns what was done, a sentence each.

    Raises TargetError where the disk refuses.
    """
    fixable = [finding for finding in diagnosis.findings if finding.fixable]
    done = [_cleared(finding.where) for finding in fixable if finding.kind == INTERRUPTED]
    files = dict.fromkeys(finding.where for finding in fixable if finding.kind != INTERRUPTED)
    return (*done, *(_rewrite(file) for file in files if os.path.basename(file) and _is_mendable(file)))


def _cleared(staging: str) -> str:
    """End or take back what an interrupted write began. Raises TargetError where that cannot be done."""
    sweep(os.path.dirname(staging) or ".")
    if os.path.lexists(staging):
        raise TargetError(f"{staging}: cannot be removed: check its permissions")
    return f"{staging}: cleared"


def _is_mendable(file: str) -> bool:
    return bool(prefixes_in(os.path.dirname(file) or "."))


def _rewrite(file: str) -> str:
    try:
        state = true_state(read_state(file))
    except MigrationError:
        state = state_of_directory(os.path.dirname(file) or ".")
    kept = kept_beside(file)
    write_state(file, state)
    return f"{file}: written anew with relative paths; the old one is {kept}"


def true_state(read: ReadState) -> CheckpointState:
    """The state with relative paths to what is there, in its order; what is wholly gone is left out."""
    state = read.state
    times = state.all_model_checkpoint_timestamps
    dated = (
        dict(zip(state.all_model_checkpoint_paths, times, strict=False))
        if len(times) == len(state.all_model_checkpoint_paths)
        else {}
    )
    there = {path: read.found[path] or read.without_index(path) for path in read.recorded}
    kept = {place: dated.get(path) for path, place in there.items() if place is not None}
    if not kept:
        return state_of_directory(read.directory)
    latest = there.get(state.model_checkpoint_path) or list(kept)[-1]
    return CheckpointState(
        model_checkpoint_path=_relative(read.directory, latest),
        all_model_checkpoint_paths=tuple(_relative(read.directory, path) for path in kept),
        all_model_checkpoint_timestamps=tuple(
            _written(path) if at is None else at for path, at in kept.items()
        ),
        last_preserved_timestamp=state.last_preserved_timestamp,
    )


def state_of_directory(directory: str) -> CheckpointState:
    """The state of a directory whose file tells nothing: all checkpoints, in natural order."""
    prefixes = prefixes_in(directory)
    return CheckpointState(
        model_checkpoint_path=_relative(directory, prefixes[-1]),
        all_model_checkpoint_paths=tuple(_relative(directory, prefix) for prefix in prefixes),
        all_model_checkpoint_timestamps=tuple(map(_written, prefixes)),
    )


def _relative(directory: str, prefix: str) -> str:
    return os.path.relpath(prefix, directory)


def _written(prefix: str) -> float:
    shards = sorted(glob.glob(f"{glob.escape(prefix)}.data-?????-of-?????"))
    return os.path.getmtime(shards[0] if shards else locate(prefix).files[0])
