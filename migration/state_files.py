"""The state file of a directory: where the checkpoints that it names lie now, and writing it in one step."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass

from migration.errors import FormatError, MigrationError, TargetError
from migration.formats.checkpoint_state import CheckpointState
from migration.location import at_prefix, parts_of_state_path, places_of_state_path, prefixes_in
from migration.storage import replace_file


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
    """The prefix that the state file means. V1 shards are recorded without, and found under, their glob."""
    for path in places_of_state_path(directory, recorded):
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
    """Whether a checkpoint has this prefix. No other file is looked into, whatever lies there."""
    if os.path.isdir(prefix):
        return False
    try:
        found = at_prefix(prefix)
    except MigrationError:
        return False
    return found is not None and found.prefix == prefix


def write_state(file: str, state: CheckpointState) -> None:
    """Put `state` in the place of the state file `file`: the old one stands until the new one is complete.

    Raises TargetError where the disk refuses.
    """
    try:
        replace_file(file, state.to_text().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise TargetError(f"{file}: cannot be written ({error.strerror}): check its permissions") from error


def kept_beside(file: str) -> str:
    """A further name beside `file` for what it holds now: nothing is overwritten, and the file stays.

    The one that an interrupted run gave it is used again. Raises TargetError where it cannot be given.
    """
    number = 1
    while os.path.lexists(kept := f"{file}.old-{number}"):
        if os.path.exists(kept) and os.path.samefile(file, kept):
            return kept
        number += 1
    try:
        os.link(file, kept)
    except OSError as error:
        raise TargetError(
            f"{file}: cannot be kept as {kept} ({error.strerror}): rename it, then run again"
        ) from error
    return kept
