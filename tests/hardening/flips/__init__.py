"""A flipped bit never changes a value in silence: every bit of small checkpoints, every byte of a larger."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.flips import migrating, reading, unguarded
from tests.hardening.flips.subjects import every_kind, large

MEMORY = "/dev/shm"  # where there is one; else a temporary directory does
# Shares of the time: bits of small checkpoints, migrations, verifications, unguarded files. The larger
# checkpoint has the rest.
READING, MIGRATING, VERIFYING, UNGUARDED = 0.35, 0.12, 0.08, 0.1


def run(budget: Budget) -> Outcome:
    """Flip, read, migrate and verify as long as the budget lasts."""
    record = Record("flips", budget)
    in_memory = os.access(MEMORY, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="ckpt-flips-", dir=MEMORY if in_memory else None) as name:
        _all(record, Path(name))
    return record.outcome()


def _all(record: Record, folder: Path) -> None:
    tensors, rows = (400, 160) if record.budget.is_long else (96, 160)
    kinds = every_kind(folder)
    (folder / "larger").mkdir()
    prefix = large(folder / "larger", tensors, rows)
    seconds = record.budget.seconds
    for number, kind in enumerate(kinds):
        left = READING * seconds - (seconds - record.left())
        others = len(kinds) - number - 1
        reading.every_bit(record, kind, max(left, 0.1) / (1 + others / (4 if number == 0 else 1)))
    rest = (MIGRATING + VERIFYING + UNGUARDED) * seconds
    reading.every_byte(record, prefix, record.left() - rest)
    sources = [kind for kind in kinds if kind.source is None]
    for number, kind in enumerate(sources):
        (folder / f"out {number}").mkdir()
        migrating.migrations(record, kind, folder / f"out {number}", MIGRATING * seconds / len(sources))
    results = [kind for kind in kinds if kind.source is not None]
    for kind in results:
        migrating.verifications(record, kind, VERIFYING * seconds / len(results))
    for part in (unguarded.state_file, unguarded.graph):
        (folder / part.__name__).mkdir()
        part(record, folder / part.__name__, UNGUARDED * seconds / 2)
