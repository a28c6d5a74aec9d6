"""Compares a migrated checkpoint with its source, tensor by tensor and byte by byte.

The pairing comes from --plan, else from the manifest in either checkpoint, else from the names. All data
is read on both sides. No TensorFlow is needed, unless --outputs asks to run the old graph as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.testing.outputs import OutputsComparison
    from migration.verify import VerificationReport

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The source of the migration.", flag_values=FLAGS)
_MIGRATED = flags.DEFINE_string("migrated", None, "The result of the migration.", flag_values=FLAGS)
_PLAN = flags.DEFINE_string("plan", None, "The plan file that was applied.", flag_values=FLAGS)
_TEMPLATE = flags.DEFINE_string(
    "template", None, "The template, if the result took values from it.", flag_values=FLAGS
)
_OUTPUTS = flags.DEFINE_string(
    "outputs",
    None,
    "A TOML or JSON file of feeds, fetches and the new model: the graph in the .meta is run against it.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    from migration.checkpoint import Checkpoint
    from migration.verify import verify

    source, migrated = Checkpoint.open(_CHECKPOINT.value), Checkpoint.open(_MIGRATED.value)
    for checkpoint in (source, migrated):
        for remark in checkpoint.location.remarks:
            terminal.note(f"note: {remark}")
    plan = None
    if _PLAN.value:
        from migration.planning.plan_file import read_plan

        plan = read_plan(_PLAN.value)
    template = Checkpoint.open(_TEMPLATE.value) if _TEMPLATE.value else None
    with terminal.progress("verifying") as progress:
        report = verify(source, migrated, plan, template=template, progress=progress)
    outputs = _compared_outputs(source, migrated)
    if _FORMAT.value == "json":
        tables.write_json(document(report, outputs))
    else:
        _print(report)
        if outputs is not None:
            for line in outputs.text().splitlines():
                terminal.note(line)
    if outputs is not None and not outputs.is_equal:
        return terminal.Status.FAILED
    return status_of(report)


def _compared_outputs(source: Checkpoint, migrated: Checkpoint) -> OutputsComparison | None:
    """The old graph's outputs against the new model's, where --outputs says which."""
    if not _OUTPUTS.value:
        return None
    from migration.testing.outputs_file import compare_outputs_file

    return compare_outputs_file(_OUTPUTS.value, source.prefix, migrated.prefix)


def status_of(report: VerificationReport) -> terminal.Status:
    """0 where every tensor is equal, 3 where one is not, 2 where one has no partner."""
    if not report.is_equal:
        return terminal.Status.FAILED
    return terminal.Status.DONE if report.is_complete else terminal.Status.DIFFERS


def document(report: VerificationReport, outputs: OutputsComparison | None) -> dict[str, Any]:
    """The report for programs."""
    return {
        **({} if outputs is None else {"outputs": _outputs_document(outputs)}),
        "source": report.source,
        "migrated": report.migrated,
        "paired_by": report.basis,
        "equal": report.is_equal,
        "complete": report.is_complete,
        "bytes": report.nbytes,
        "tensors": [
            {
                "target": row.target,
                "sources": list(row.sources),
                "verdict": row.verdict.value,
                "good": row.verdict.is_good,
                "bytes": row.nbytes,
                "detail": row.detail,
            }
            for row in report.rows
        ],
        "left_out": list(report.dropped),
        "source_only": list(report.source_only),
        "migrated_only": list(report.migrated_only),
        "notes": list(report.notes),
    }


def _outputs_document(outputs: OutputsComparison) -> dict[str, Any]:
    return {
        "equal": outputs.is_equal,
        "rtol": outputs.rtol,
        "atol": outputs.atol,
        "rows": [
            {
                "name": row.name,
                "good": row.is_good,
                "differing": row.differing,
                "max_abs": row.max_abs,
                "relative_2_norm": row.relative_norm,
                "detail": row.fault or row.where.strip(),
            }
            for row in outputs.rows
        ],
    }


def _print(report: VerificationReport) -> None:
    rows = [
        (row.target, " + ".join(row.sources), str(row.nbytes), row.verdict.value, row.detail)
        for row in report.rows
    ]
    tables.show(("result", "source", "bytes", "verdict", "detail"), rows, right=("bytes",))
    for line in report.notes:
        terminal.note(f"note: {line}")
    for what, keys in (
        ("left out by the plan", report.dropped),
        ("only in the source", report.source_only),
        ("only in the result", report.migrated_only),
    ):
        for key in keys:
            terminal.note(f"{what}: {key}")
    terminal.note(
        f"{len(report.rows)} tensors, {tables.size(report.nbytes)}, paired by {report.basis}: "
        f"{len(report.rows) - len(report.failures)} equal, {len(report.failures)} not"
    )


def run() -> None:
    """The command ckpt-verify."""
    terminal.run(main, FLAGS, tool="verify", required=("checkpoint", "migrated"))


if __name__ == "__main__":
    run()
