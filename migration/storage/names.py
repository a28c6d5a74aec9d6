"""The names beside a target: those of its own files, and of what is being made for it."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass

STAGING_MARK = ".ckpt-staging-"  # .NAME.ckpt-staging-PID.N beside the target, N counts within the process
_INDEX = ".index"
_SHARD = re.compile(r"(?P<base>.*)\.data-\d{5,}-of-(?P<count>\d{5,})", re.DOTALL)
_STAGING = re.compile(rf"\.(?P<base>.+){re.escape(STAGING_MARK)}(?P<pid>\d{{1,18}})(\.\d+)?", re.DOTALL)
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class StagingName:
    """What the name of a staging folder, or of a file written aside, tells: for which target, and by whom."""

    base: str
    pid: int

    @classmethod
    def parse(cls, name: str) -> StagingName | None:
        """What that name tells; None for a name of another kind."""
        match = _STAGING.fullmatch(name)
        return None if match is None else cls(match["base"], int(match["pid"]))


def fresh_staging(base: str) -> str:
    """A name for what is written aside for the target `base`, unlike any other of this process."""
    return f".{base}{STAGING_MARK}{os.getpid()}.{next(_NUMBERS)}"


def index_name(base: str) -> str:
    """The name of the target's index."""
    return base + _INDEX


def is_own(name: str, base: str) -> bool:
    """Whether it is the plain name of the index or of a shard of the target `base`."""
    return os.path.basename(name) == name and (name == index_name(base) or _count(name, base) is not None)


def _count(name: str, base: str) -> int | None:
    """How many shards the checkpoint has to which the shard of that name belongs; None for other names."""
    match = _SHARD.fullmatch(name)
    return int(match["count"]) if match is not None and match["base"] == base else None


def present(directory: str, base: str) -> list[str]:
    """The names of the files that the target has in its directory, its index first."""
    try:
        there = sorted(name for name in os.listdir(directory) if is_own(name, base))
    except (FileNotFoundError, NotADirectoryError):
        return []
    index = index_name(base)
    return [*([index] if index in there else []), *(name for name in there if name != index)]


def free_count(directory: str, base: str, needed: int) -> int:
    """The smallest number of shards, at least `needed`, of which no name is in use beside the target."""
    used = {_count(name, base) for name in present(directory, base)}
    return next(count for count in itertools.count(needed) if count not in used)
