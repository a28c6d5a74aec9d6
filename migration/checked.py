"""Executing a plan and verifying what came of it, as one act."""

from __future__ import annotations

import contextlib
import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.checkpoint import Checkpoint
from migration.convert import Receipt, execute
from migration.convert.execute import DataMode
from migration.errors import MigrationError, VerificationError
from migration.verify import VerificationReport, verify

if TYPE_CHECKING:
    from migration.convert.writing import Progress
    from migration.planning.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How results are written and verified: `execute`'s choices, and whether verifying reads all data."""

    data: DataMode = "copy"
    keep_names: bool = False
    manifest: bool = True
    overwrite: bool = False
    verify_data: bool = False


def write_and_verify(
    plan: Plan,
    source: Checkpoint,
    prefix: str,
    writing: Writing,
    *,
    template: Checkpoint | None = None,
    writes: Progress | None = None,
    verifies: Progress | None = None,
) -> tuple[Receipt, VerificationReport]:
    """Execute the plan, then read back what was written: its index, and with `verify_data` every byte.

    Raises what `execute` raises, and VerificationError; then the result is removed again.
    """
    receipt = execute(
        plan,
        source,
        prefix,
        data=writing.data,
        keep_names=writing.keep_names,
        manifest=writing.manifest,
        overwrite=writing.overwrite,
        template=template,
        progress=writes,
    )
    migrated = None
    try:
        migrated = _read_back(prefix)
        report = verify(
            source, migrated, receipt.plan, writing.verify_data, template=template, progress=verifies
        )
        report.check()
    except VerificationError as error:
        remove(prefix)
        raise VerificationError(f"{error.summary}; it was removed again", error.problems) from None
    except BaseException:  # a source that turns out damaged, or an interrupt: nobody vouches for the result
        remove(prefix)
        raise
    finally:
        if migrated is not None:
            migrated.close()
    return receipt, report


def _read_back(prefix: str) -> Checkpoint:
    """The result, as a reader finds it. Raises VerificationError where it cannot be read."""
    try:
        migrated = Checkpoint.open(prefix)
        migrated.check_shards()
    except MigrationError as error:
        raise VerificationError(f"{prefix}: what was written cannot be read back: {error}", ()) from error
    return migrated


def remove(prefix: str) -> None:
    """Remove a checkpoint that was just written, its index first, so that no half of it can be read."""
    for path in (f"{prefix}.index", *glob.glob(f"{glob.escape(prefix)}.data-?????-of-?????")):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
