"""The checkpoints of a directory: those that its state file lists, and those that it forgot."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from migration.errors import CheckpointNotFoundError, InputError, MigrationError
from migration.location import STATE_FILE, locate, natural, prefixes_in
from migration.model_dir.damaged import damaged_in, unfinished_in
from migration.planning.savecounter import number_of
from migration.state_files import ReadState, read_state

_V1_GLOB = re.compile(r"-\?{5}-of-\d{5}$")
_NUMBER = re.compile(r"(-\d+)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One checkpoint: its prefix, the name that its result gets, its step, whether the state file lists
    it, and when it was written (seconds since 1970)."""

    prefix: str
    name: str
    step: int | None
    listed: bool
    written: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All checkpoints of a directory, oldest first, and its state file, if it has one that can be read."""

    path: str
    found: tuple[Found, ...]
    state: ReadState | None
    notes: tuple[str, ...]

    @property
    def latest(self) -> Found:
        """The one that the state file names, else the newest."""
        if self.state is not None:
            named = self.state.found.get(self.state.state.model_checkpoint_path)
            for each in self.found:
                if each.prefix == named:
                    return each
        listed = [each for each in self.found if each.listed]
        return (listed or list(self.found))[-1]

    def chosen(self, only: str | None) -> tuple[Found, ...]:
        """Those that `only` names: all of them (None or "all"), "latest", or steps such as "1000,2000".

        Raises InputError for a step that no checkpoint has.
        """
        if only in (None, "", "all"):
            return self.found
        if only == "latest":
            return (self.latest,)
        steps = _steps(only or "")
        missing = steps - {each.step for each in self.found}
        if missing:
            there = ", ".join(str(each.step) for each in self.found if each.step is not None)
            told = ", ".join(map(str, sorted(missing)))
            raise InputError(
                f"{self.path}: no checkpoint of step {told}; there are {there or 'none with a step'}"
            )
        return tuple(each for each in self.found if each.step in steps)


def _steps(only: str) -> set[int]:
    try:
        steps = {int(part) for part in only.split(",") if part.strip()}
    except ValueError:
        steps = set()
    if not steps:
        raise InputError(f"only={only!r}: say 'latest', or steps such as 1000,2000")
    return steps


def checkpoints_of(path: str) -> Directory:
    """Every checkpoint in the directory `path`. Raises CheckpointNotFoundError where there is none."""
    if not os.path.isdir(path):
        raise CheckpointNotFoundError(f"{path}: no such directory")
    try:
        os.listdir(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): check its permissions") from None
    notes: list[str] = []
    state = _state(os.path.join(path, STATE_FILE), notes)
    prefixes = prefixes_in(path)
    listed = _listed(state, prefixes)
    times = {} if state is None else _timestamps(state)
    order = [*listed, *(prefix for prefix in prefixes if prefix not in set(listed))]
    order += damaged_in(path, state, prefixes)
    if not order:
        raise CheckpointNotFoundError(f"{path}: a directory without a checkpoint{_hint(path)}")
    notes += unfinished_in(path, prefixes, order)
    found = [
        Found(
            prefix=prefix,
            name=name,
            step=number_of(_V1_GLOB.sub("", prefix)),
            listed=prefix in set(listed),
            written=times.get(prefix) or _written(prefix),
        )
        for prefix, name in _named(order, notes).items()
    ]
    return Directory(path=path, found=tuple(sorted(found, key=_age)), state=state, notes=tuple(notes))


def _named(prefixes: Sequence[str], notes: list[str]) -> dict[str, str]:
    """The name that the result of each prefix gets; a V1 and a V2 checkpoint may have the same."""
    names: dict[str, str] = {}
    for prefix in prefixes:
        stem = name = _V1_GLOB.sub("", os.path.basename(prefix))
        number = 2
        while name in names.values():
            name = _NUMBER.sub(rf"_{number}\1", stem, count=1)
            number += 1
        if name != stem:
            notes.append(f"{prefix} becomes {name}: another checkpoint has the name {stem}")
        names[prefix] = name
    return names


def _written(prefix: str) -> float:
    """When it was written, as far as its files tell."""
    try:
        return os.path.getmtime(locate(prefix).files[0])
    except (MigrationError, OSError):
        files = glob.glob(f"{glob.escape(prefix.partition('-?')[0])}*")
        return max(map(os.path.getmtime, files), default=0.0)


def _hint(path: str) -> str:
    if os.path.isdir(os.path.join(path, "variables")):
        return ": a SavedModel; migrate its variables by themselves (--checkpoint)"
    return ""


def _state(file: str, notes: list[str]) -> ReadState | None:
    if not os.path.isfile(file):
        return None
    try:
        state = read_state(file)
    except MigrationError as error:
        notes.append(f"the state file is of no use: {error}")
        return None
    gone = [path for path in state.recorded if state.found[path] is None]
    if gone:
        notes.append(f"the state file names {len(gone)} that are not there: {', '.join(gone[:5])}")
    return state


def _listed(state: ReadState | None, prefixes: Sequence[str]) -> list[str]:
    """What the state file lists and is there, in its order; all there is, where it lists nothing of that."""
    if state is None:
        return list(prefixes)
    there = set(prefixes)
    listed = [found for path in state.recorded if (found := state.found[path]) in there and found is not None]
    return list(dict.fromkeys(listed)) or list(prefixes)


def _timestamps(state: ReadState) -> dict[str, float]:
    paths, times = state.state.all_model_checkpoint_paths, state.state.all_model_checkpoint_timestamps
    if len(paths) != len(times):
        return {}
    return {
        found: at for path, at in zip(paths, times, strict=True) if (found := state.found[path]) is not None
    }


def _age(found: Found) -> tuple[bool, int, object]:
    return found.step is None, found.step or 0, natural(found.name)
