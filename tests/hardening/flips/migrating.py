"""Flips under a migration: it refuses, or its result is the one of the sound source; and verifying tells."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint
from migration.convert.execute import DataMode
from migration.errors import MigrationError
from migration.planning.planner import make_plan
from migration.verify import verify
from tests.hardening.campaign import Record
from tests.hardening.flips.flipping import flipped, order
from tests.hardening.flips.seen import Seen, look
from tests.hardening.flips.subjects import Subject


def migrations(record: Record, subject: Subject, folder: Path, seconds: float) -> None:
    """Migrate the subject, damaged in one bit each time, both by copying and by linking."""
    modes: tuple[DataMode, ...] = ("copy",) if subject.name.startswith("V1") else ("copy", "link")
    sound = {mode: _migrated(subject.prefix, folder / f"sound-{mode}", mode) for mode in modes}
    places = [(path, at) for path in subject.files for at in range(os.path.getsize(path))]
    until = time.monotonic() + seconds
    for number in order(8 * len(places), record.budget.seed):
        path, at = places[number // 8]
        for mode, wanted in sound.items():
            with flipped(path, at, 1 << number % 8):
                _try(record, subject, folder / "out", mode, wanted, f"{path}, byte {at}, bit {number % 8}")
        if time.monotonic() > until:
            break


def _migrated(prefix: str, out: Path, mode: DataMode) -> Seen:
    source = Checkpoint.open(prefix)
    try:
        writing = Writing(data=mode, verify_data=mode == "copy")
        write_and_verify(make_plan(source), source, str(out / "ckpt"), writing)
        return look(str(out / "ckpt"))
    finally:
        source.close()


def _try(record: Record, subject: Subject, out: Path, mode: DataMode, wanted: Seen, case: str) -> None:
    record.tried[f"migrations by {mode} of a source with a flip"] += 1
    case = f"{subject.name}, {mode}: {case}"
    try:
        if _migrated(subject.prefix, out, mode) != wanted:
            record.found(case, "the result is another one, and nothing is said")
    except MigrationError:
        left = sorted(path.name for path in out.iterdir()) if out.exists() else []
        if left and mode == "copy":
            record.found(case, f"refused, and left {left}")
        elif left:  # link reads no data: what it wrote must say so when it is read
            _must_tell(record, subject.prefix, str(out / "ckpt"), case)
    except Exception as error:
        record.found(case, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _must_tell(record: Record, source: str, result: str, case: str) -> None:
    record.tried["verifications of linked damage"] += 1
    try:
        if verify(source, result).is_complete:
            record.found(case, "a damaged result is verified")
    except MigrationError:
        pass


def verifications(record: Record, subject: Subject, seconds: float) -> None:
    """Verify a result, damaged in one bit each time, against its source."""
    assert subject.source is not None
    before = look(subject.prefix)
    places = [(path, at) for path in subject.files for at in range(os.path.getsize(path))]
    until = time.monotonic() + seconds
    for number in order(8 * len(places), record.budget.seed):
        path, at = places[number // 8]
        case = f"{subject.name}: {path}, byte {at}, bit {number % 8}"
        with flipped(path, at, 1 << number % 8):
            _verify(record, subject, before, case)
        if time.monotonic() > until:
            break


def _verify(record: Record, subject: Subject, before: Seen, case: str) -> None:
    record.tried["verifications of a result with a flip"] += 1
    try:
        if not verify(subject.source or "", subject.prefix).is_complete:
            return
    except MigrationError:
        return
    try:
        if look(subject.prefix) != before:
            record.found(case, "verified, though it is read as another one")
    except Exception as error:
        record.found(case, f"{type(error).__name__}: {error}")
