"""Repairs that lose nothing: a state file written anew, the old one kept beside it."""

from __future__ import annotations

import glob
import os

from migration.doctor.findings import Diagnosis
from migration.errors import MigrationError
from migration.formats.checkpoint_state import CheckpointState
from migration.location import locate, prefixes_in
from migration.state_files import ReadState, free_name, read_state, write_state


def mend(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Do what the fixable findings ask for; returns what was done, a sentence each.

    Raises TargetError where the disk refuses.
    """
    files = dict.fromkeys(finding.where for finding in diagnosis.findings if finding.fixable)
    return tuple(_rewrite(file) for file in files if os.path.basename(file) and _is_mendable(file))


def _is_mendable(file: str) -> bool:
    return bool(prefixes_in(os.path.dirname(file) or "."))


def _rewrite(file: str) -> str:
    try:
        state = true_state(read_state(file))
    except MigrationError:
        state = state_of_directory(os.path.dirname(file) or ".")
    kept = free_name(file)
    os.link(file, kept)  # never overwrites, and the state file stays where it is until it is replaced
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
