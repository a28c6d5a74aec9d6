"""A state file: whether it can be read, and whether what it names is there."""

from __future__ import annotations

import os

from migration.doctor.files import foreign_finding, quoted
from migration.doctor.findings import Finding, listed
from migration.errors import MigrationError
from migration.location import prefixes_in
from migration.state_files import ReadState, read_state


def examine_state(file: str) -> tuple[ReadState | None, list[Finding]]:
    """The state file as far as it can be read, and what is wrong with it."""
    foreign = foreign_finding(file)
    if foreign is not None:
        return None, [
            _unreadable(file, foreign.cause, _fix(file) if foreign.kind == "empty-file" else foreign.mend)
        ]
    try:
        read = read_state(file)
    except MigrationError as error:
        return None, [_unreadable(file, str(error), _fix(file))]
    return read, [*_stale(read), *_absent(read), *_latest(read), *_timestamps(read)]


def _fix(file: str) -> str:
    return f"ckpt-doctor {quoted(os.path.dirname(file) or '.')} --fix"


def _unreadable(file: str, cause: str, mend: str) -> Finding:
    return Finding(kind="state-file", where=file, cause=cause, mend=mend, fixable=mend == _fix(file))


def _stale(read: ReadState) -> list[Finding]:
    moved = [path for path in read.recorded if read.found[path] is not None and not read.is_true(path)]
    if not moved:
        return []
    cause = f"it names paths that are no longer true ({listed(moved)}); the checkpoints lie beside it"
    return [Finding(kind="stale-path", where=read.file, cause=cause, mend=_fix(read.file), fixable=True)]


def _absent(read: ReadState) -> list[Finding]:
    lost = [path for path in read.recorded if read.found[path] is None]
    gone = [path for path in lost if read.without_index(path) is None]  # the others can be brought back
    if not gone:
        return []
    latest = read.state.model_checkpoint_path
    kind, cause = "state-names-absent", f"it names checkpoints that are not there: {listed(gone)}"
    if latest in gone:
        kind = "state-latest-absent"
        cause = f"it names {latest} as the latest, which is not there: tf.train.latest_checkpoint gives None"
    if not prefixes_in(read.directory):
        cause += "; the directory has no checkpoint at all"
        return [Finding(kind=kind, where=read.file, cause=cause, mend=_copy_all(read, gone))]
    return [Finding(kind=kind, where=read.file, cause=cause, mend=_fix(read.file), fixable=True)]


def _copy_all(read: ReadState, gone: list[str]) -> str:
    return f"cp ORIGIN/{quoted(os.path.basename(gone[-1]))}.* {quoted(read.directory)}/"


def _latest(read: ReadState) -> list[Finding]:
    if read.state.model_checkpoint_path:
        return []
    cause = "it names no latest checkpoint: TensorFlow finds none in this directory"
    has_any = bool(prefixes_in(read.directory))
    return [Finding(kind="state-file", where=read.file, cause=cause, mend=_fix(read.file), fixable=has_any)]


def _timestamps(read: ReadState) -> list[Finding]:
    paths, times = read.state.all_model_checkpoint_paths, read.state.all_model_checkpoint_timestamps
    if not times or len(times) == len(paths):
        return []
    cause = f"{len(times)} timestamps for {len(paths)} checkpoints: a manager would date them wrong"
    return [
        Finding(kind="state-timestamps", where=read.file, cause=cause, mend=_fix(read.file), fixable=True)
    ]
