"""The state file of the results, as tf.train.CheckpointManager reads and continues it."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from migration.errors import MigrationError
from migration.formats.checkpoint_state import CheckpointState
from migration.location import INDEX, STATE_FILE
from migration.model_dir.found import Directory, Found
from migration.state_files import ReadState, kept_beside, read_state, write_state


def renew_state(directory: Directory, output_dir: str, made: Collection[str]) -> str | None:
    """Write the state file of `output_dir`, unless it already says just that; returns its path.

    It lists what the source's state file lists, as far as it is there, in that order, with its
    timestamps. What that file leaves out (a Saver or a manager forgets the checkpoints that it keeps
    for good) is left out here too, so that no manager deletes it. What training has saved in
    `output_dir` since, stays in the list, and stays the latest. Of the results it lists those of the names
    `made`, and those that it listed before: a foreign checkpoint of such a name is not to be deleted.
    A file of that name that is no state file is kept beside it.
    """
    file = os.path.join(output_dir, STATE_FILE)
    old = _old(file)
    ours = {*made, *(() if old is None else map(os.path.basename, old.recorded))}
    there = [
        each
        for each in _in_order(directory)
        if each.name in ours and os.path.isfile(os.path.join(output_dir, each.name + INDEX))
    ]
    if not there:
        return None
    state = _joined(directory, there, old)
    if old is None or old.state != state:
        if old is None and os.path.lexists(file) and _old(file) is None:  # a rival may have written it since
            kept_beside(file)
        write_state(file, state)
    return file


def _in_order(directory: Directory) -> Sequence[Found]:
    """The listed ones, in the order of the state file."""
    listed = {each.prefix: each for each in directory.found if each.listed}
    if directory.state is None:
        return list(listed.values())
    order = [found for path in directory.state.recorded if (found := directory.state.found[path]) in listed]
    return [listed[prefix] for prefix in dict.fromkeys(order) if prefix is not None] or list(listed.values())


def _old(file: str) -> ReadState | None:
    try:
        return read_state(file)
    except MigrationError:
        return None


def _joined(directory: Directory, there: Sequence[Found], old: ReadState | None) -> CheckpointState:
    later = _later(directory, old)
    names = [each.name for each in there]
    latest = directory.latest.name if directory.latest.name in names else names[-1]
    if old is not None and os.path.basename(old.state.model_checkpoint_path) in later:
        latest = os.path.basename(old.state.model_checkpoint_path)
    preserved = [
        state.state.last_preserved_timestamp for state in (directory.state, old) if state is not None
    ]
    return CheckpointState(
        model_checkpoint_path=latest,
        all_model_checkpoint_paths=(*names, *later),
        all_model_checkpoint_timestamps=(*(each.written for each in there), *later.values()),
        last_preserved_timestamp=max(preserved, default=0.0),
    )


def _later(directory: Directory, old: ReadState | None) -> dict[str, float]:
    """What the old state file lists, and is there, and is no result of this migration: name and timestamp."""
    if old is None:
        return {}
    ours = {each.name for each in directory.found}
    paths, times = old.state.all_model_checkpoint_paths, old.state.all_model_checkpoint_timestamps
    dated = dict(zip(paths, times, strict=True)) if len(paths) == len(times) else {}
    later: dict[str, float] = {}
    for path in old.recorded:
        found, name = old.found[path], os.path.basename(path)
        if found is not None and name not in ours and os.path.dirname(found) == old.directory:
            later[name] = dated.get(path) or os.path.getmtime(found + INDEX)
    return later
