"""Executing a plan and verifying what came of it, as one act."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """Execute the plan and read back what was written, before it takes its place: its index, and with
    `verify_data` every byte.

    Raises what `execute` raises, and VerificationError; then nothing was put into place.
    """
    reports: list[VerificationReport] = []

    def check(staged: str, executed: Plan) -> None:
        reports.append(_verified(staged, source, executed, prefix, writing, template, verifies))

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
        check=check,
    )
    return receipt, reports[0]


def _verified(
    staged: str,
    source: Checkpoint,
    plan: Plan,
    prefix: str,
    writing: Writing,
    template: Checkpoint | None,
    progress: Progress | None,
) -> VerificationReport:
    """What comparing the result with its source tells, as of the prefix that it will have."""
    result = _read_back(staged, prefix)
    try:
        report = replace(
            verify(source, result, plan, writing.verify_data, template=template, progress=progress),
            migrated=prefix,
        )
        report.check()
    except VerificationError as error:
        told = [replace(each, message=each.message.replace(staged, prefix)) for each in error.problems]
        raise VerificationError(f"{error.summary}; it was removed again", told) from None
    finally:
        result.close()
    return report


def _read_back(staged: str, prefix: str) -> Checkpoint:
    """The result, as a reader finds it. Raises VerificationError where it cannot be read."""
    try:
        result = Checkpoint.open(staged)
        result.check_shards()
    except MigrationError as error:
        raise VerificationError(
            f"{prefix}: what was written cannot be read back: {error.exact.replace(staged, prefix)}; "
            "it was removed again",
            (),
        ) from error
    return result
