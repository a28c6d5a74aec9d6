"""What came of each checkpoint of a directory."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """What came of one checkpoint."""

    MIGRATED = "migrated, verified"
    KEPT = "already there"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigratedCheckpoint:
    """One row: the source's prefix, the target's, and what came of it; `seconds` is wall time."""

    source: str
    target: str
    step: int | None
    outcome: Outcome
    tensors: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryReport:
    """Every checkpoint that was asked for, oldest first; and the state file, None where none was needed."""

    source_dir: str
    output_dir: str
    rows: tuple[MigratedCheckpoint, ...]
    state_file: str | None
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[MigratedCheckpoint, ...]:
        """The rows that failed."""
        return tuple(row for row in self.rows if row.outcome is Outcome.FAILED)

    @property
    def is_complete(self) -> bool:
        """Whether every checkpoint that was asked for is there."""
        return not self.failures

    @property
    def is_unchanged(self) -> bool:
        """Whether there was nothing to do."""
        return all(row.outcome is Outcome.KEPT for row in self.rows)
