"""The report on a directory, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ckpt_tools import tables, terminal

if TYPE_CHECKING:
    from migration.model_dir import DirectoryReport


def show(report: DirectoryReport, style: str) -> None:
    """Print every checkpoint to standard output, and what happened to standard error."""
    if style == "json":
        tables.write_json(document(report))
        return
    rows = [
        (
            "" if row.step is None else str(row.step),
            row.target,
            str(row.tensors),
            tables.size(row.nbytes),
            f"{row.seconds:.2f}",
            row.outcome.value,
        )
        for row in report.rows
    ]
    columns = ("step", "checkpoint", "tensors", "bytes", "seconds", "verdict")
    tables.show(columns, rows, right=("step", "tensors", "bytes", "seconds"))
    for line in report.notes:
        terminal.note(f"note: {line}")
    for row in report.failures:
        terminal.note(f"failed: {row.source}: {row.error}")
    terminal.note(summary(report))


def summary(report: DirectoryReport) -> str:
    """What was done, in one line."""
    if report.is_unchanged:
        return f"{report.output_dir}: all {len(report.rows)} were already there; nothing to do"
    counts: dict[str, int] = {}
    for row in report.rows:
        counts[row.outcome.value] = counts.get(row.outcome.value, 0) + 1
    return f"{report.output_dir}: " + "; ".join(f"{count} {what}" for what, count in counts.items())


def document(report: DirectoryReport) -> dict[str, Any]:
    """The report for programs."""
    return {
        "model_dir": report.source_dir,
        "output_dir": report.output_dir,
        "complete": report.is_complete,
        "unchanged": report.is_unchanged,
        "state_file": report.state_file,
        "checkpoints": [
            {
                "source": row.source,
                "target": row.target,
                "step": row.step,
                "tensors": row.tensors,
                "bytes": row.nbytes,
                "seconds": round(row.seconds, 3),
                "verdict": row.outcome.value,
                "error": row.error,
            }
            for row in report.rows
        ],
        "notes": list(report.notes),
    }
