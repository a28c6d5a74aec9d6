"""The state file of a directory: where the checkpoints that it names lie now, and writing it in one step."""

from __future__ import annotations

import contextlib
import glob
import os
from dataclasses import dataclass

from migration.errors import FormatError, MigrationError, TargetError
from migration.formats.checkpoint_state import CheckpointState
from migration.location import locate, parts_of_state_path, prefixes_in
from migration.storage import STAGING_MARK, sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadState:
    """A state file, and where each path that it records was found: a prefix, or None."""

    file: str
    state: CheckpointState
    found: dict[str, str | None]

    @property
    def directory(self) -> str:
        """Where the file lies; relative paths start here."""
        return os.path.dirname(self.file) or "."

    @property
    def recorded(self) -> tuple[str, ...]:
        """Every path in the file, oldest first, each once."""
        state = self.state
        paths = [*state.all_model_checkpoint_paths, state.model_checkpoint_path]
        return tuple(dict.fromkeys(path for path in paths if path))

    def without_index(self, recorded: str) -> str | None:
        """The prefix that the path means, if its index is gone and its shards are there; None elsewhere."""
        if self.found[recorded] is not None:
            return None
        places = parts_of_state_path(self.directory, recorded)
        return next((path for path in places if glob.glob(f"{glob.escape(path)}.data-?????-of-?????")), None)

    def is_true(self, recorded: str) -> bool:
        """Whether the path, as it stands there, leads to a checkpoint."""
        place = recorded if os.path.isabs(recorded) else os.path.join(self.directory, recorded)
        found = self.found.get(recorded)
        return found is not None and _resolved(found) == _resolved(place)


def read_state(file: str) -> ReadState:
    """The state file, with every path looked for. Raises FormatError for one that cannot be read."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            state = CheckpointState.from_text(stream.read(), file)
    except OSError as error:
        raise FormatError(f"{file}: cannot be read ({error.strerror})") from None
    directory = os.path.dirname(file) or "."
    there = {_resolved(prefix): prefix for prefix in prefixes_in(directory)}
    found = ReadState(file=file, state=state, found={})
    return ReadState(
        file=file, state=state, found={path: _looked_for(directory, path, there) for path in found.recorded}
    )


def _looked_for(directory: str, recorded: str, there: dict[str, str]) -> str | None:
    """The prefix that the state file means. V1 shards are recorded without, and found under, their glob.

    Of an absolute path elsewhere, what lies beside the file comes first: where a directory was copied, its
    original may still be there, and is not the one that is meant.
    """
    place, *beside = parts_of_state_path(directory, recorded)
    is_elsewhere = os.path.isabs(recorded) and not _resolved(place).startswith(_resolved(directory) + os.sep)
    for path in (*beside, place) if is_elsewhere else (place, *beside):
        known = there.get(_resolved(path))
        if known is not None or exists(path):
            return known or path
    return None


def _resolved(prefix: str) -> str:
    """The prefix, absolute and without links on the way: two that are equal are one checkpoint."""
    directory, name = os.path.split(prefix)
    if name in ("", ".", ".."):
        return os.path.realpath(prefix)
    return os.path.join(os.path.realpath(directory), name)


def exists(prefix: str) -> bool:
    """Whether a checkpoint has this prefix."""
    if os.path.isdir(prefix):
        return False
    try:
        return locate(prefix).prefix == prefix
    except MigrationError:
        return False


def write_state(file: str, state: CheckpointState) -> None:
    """Put `state` in the place of the state file `file`: the old one stands until the new one is complete.

    Raises TargetError where the disk refuses.
    """
    directory, name = os.path.split(file)
    sweep(directory or ".", name)
    aside = os.path.join(directory, f".{name}{STAGING_MARK}{os.getpid()}")
    try:
        try:
            with open(aside, "x", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(state.to_text())
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
    except OSError as error:
        raise TargetError(f"{file}: cannot be written ({error.strerror}): check its permissions") from error


def free_name(file: str) -> str:
    """A name beside `file`, not in use, for what it holds now."""
    number = 1
    while os.path.lexists(f"{file}.old-{number}"):
        number += 1
    return f"{file}.old-{number}"
