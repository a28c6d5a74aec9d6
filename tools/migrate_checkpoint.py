"""Migrates a checkpoint: from variable names to an object graph, back, or to other names.

Without a template the result mirrors the name scopes. What is written is verified before it is said
to be done. No TensorFlow is needed.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from absl import flags

from ckpt_tools import tables, terminal
from ckpt_tools.planning_flags import STEERING, PlanningFlags

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.convert import Receipt
    from migration.planning.plan import Plan
    from migration.verify import VerificationReport

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The checkpoint to migrate.", flag_values=FLAGS)
_OUTPUT = flags.DEFINE_string("output", None, "The prefix to write.", flag_values=FLAGS)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Instead of --checkpoint: a directory, all of whose checkpoints are migrated.", flag_values=FLAGS
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Where --model_dir's results go.", flag_values=FLAGS)
_ONLY = flags.DEFINE_string(
    "only", None, "Of --model_dir, only these: latest, or steps such as 1000,2000.", flag_values=FLAGS
)
_PLAN = flags.DEFINE_string("plan", None, "A plan file, applied exactly.", flag_values=FLAGS)
_PLANNING = PlanningFlags.define(FLAGS)
_DATA = flags.DEFINE_enum(
    "data",
    "copy",
    ["copy", "link"],
    "copy: a self-contained new shard; link: the source's shards are hard-linked.",
    flag_values=FLAGS,
)
_KEEP_NAMES = flags.DEFINE_bool(
    "keep_names", False, "Leave the old names in the index beside the new keys, on the same bytes.", flag_values=FLAGS
)
_MANIFEST = flags.DEFINE_bool("manifest", True, "Remember the source in the result, for the way back.", flag_values=FLAGS)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace a checkpoint that is already there.", flag_values=FLAGS)
_ALLOW_UNUSED = flags.DEFINE_bool(
    "allow_unused", False, "Leave out tensors of the source that have no place in the result.", flag_values=FLAGS
)
_ALLOW_UNFILLED = flags.DEFINE_bool(
    "allow_unfilled", False, "Where the source has nothing, keep the template's own value.", flag_values=FLAGS
)
_VERIFY = flags.DEFINE_enum(
    "verify",
    "index",
    ["index", "data"],
    "After writing: compare the new index with the source's, or read all data on both sides.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    terminal.exclusive(FLAGS, "plan", *STEERING[1:])
    if _MODEL_DIR.value:
        from ckpt_tools.migrate_directory import migrate

        terminal.exclusive(FLAGS, "model_dir", "checkpoint", "output")
        return migrate(FLAGS, _PLANNING)
    for flag, name in ((_CHECKPOINT, "checkpoint"), (_OUTPUT, "output")):
        if not flag.value:
            raise terminal.UsageError(f"--{name} must be given (or --model_dir and --output_dir)")
    if _ONLY.value or _OUTPUT_DIR.value:
        raise terminal.UsageError("--only and --output_dir go with --model_dir")
    return _migrate(_CHECKPOINT.value, _OUTPUT.value)


def _migrate(path: str, prefix: str) -> int:
    from migration.checkpoint import Checkpoint
    from migration.convert import execute
    from migration.convert.execute import check_target

    source = Checkpoint.open(path)
    for remark in source.location.remarks:
        terminal.note(f"note: {remark}")
    check_target(prefix, source, overwrite=_OVERWRITE.value)  # before the work of planning
    template = _PLANNING.template()
    plan = the_plan(source, template)
    template = template or _remembered_template(plan)
    for line in plan.notes:
        terminal.note(f"note: {line}")
    with terminal.progress("writing") as progress:
        receipt = execute(
            plan,
            source,
            prefix,
            data=_DATA.value,
            keep_names=_KEEP_NAMES.value,
            manifest=_MANIFEST.value,
            overwrite=_OVERWRITE.value,
            template=template,
            progress=progress,
        )
    report = _verified(source, receipt, template)
    _tell(receipt, report)
    return terminal.Status.DONE


def the_plan(source: Checkpoint, template: Checkpoint | None) -> Plan:
    """The plan of --plan, or the one that the other flags ask for, with what they allow to be left over."""
    if _PLAN.value:
        from migration.planning.plan_file import read_plan

        plan = read_plan(_PLAN.value)
    else:
        plan = _PLANNING.plan(source, template)
    return allowed(plan, unused=_ALLOW_UNUSED.value, unfilled=_ALLOW_UNFILLED.value)


def allowed(plan: Plan, *, unused: bool, unfilled: bool) -> Plan:
    """The plan with its left-overs decided: sources dropped, targets kept as the template has them."""
    from migration.planning.plan import Source, Step

    if unused and plan.unused:
        for left in plan.unused:
            terminal.note(f"left out: {left.key} {left.spec}")
        plan = replace(plan, drops=(*plan.drops, *plan.unused), unused=())
    if unfilled and plan.unfilled and plan.template is not None:
        steps = [
            Step(
                target=left.key,
                spec=left.spec,
                sources=(Source(key=left.key, template=True),),
                origin="template",
                reason="the source has nothing for it",
                paths=left.paths,
                full_name=left.full_name,
            )
            for left in plan.unfilled
        ]
        for left in plan.unfilled:
            terminal.note(f"kept from the template: {left.key} {left.spec}")
        plan = replace(plan, steps=(*plan.steps, *steps), unfilled=())
    return plan


def _remembered_template(plan: Plan) -> Checkpoint | None:
    """The template that a plan file names, if a step takes a tensor from it."""
    if plan.template is None or not any(taken.template for step in plan.steps for taken in step.sources):
        return None
    from migration.checkpoint import Checkpoint
    from migration.errors import InputError

    template = Checkpoint.open(plan.template.path)
    if template.digest != plan.template.digest:
        raise InputError(f"{template.prefix}: the template is not the one that the plan was made for: plan again")
    return template


def _verified(source: Checkpoint, receipt: Receipt, template: Checkpoint | None) -> VerificationReport:
    """Read back what was written. A result that is not what the plan says is removed, and told."""
    from migration.checkpoint import Checkpoint
    from migration.errors import VerificationError
    from migration.verify import verify

    migrated = Checkpoint.open(receipt.prefix)
    try:
        with terminal.progress("verifying") as progress:
            report = verify(
                source, migrated, receipt.plan, _VERIFY.value == "data", template=template, progress=progress
            )
        report.check()
    except VerificationError as error:
        remove(receipt.prefix)
        raise VerificationError(f"{error.summary}; it was removed again", error.problems) from None
    return report


def remove(prefix: str) -> None:
    """Remove a checkpoint that was just written, its index first, so that no half of it can be read."""
    os.unlink(f"{prefix}.index")
    for path in glob.glob(f"{glob.escape(prefix)}.data-?????-of-?????"):
        os.unlink(path)


def _tell(receipt: Receipt, report: VerificationReport) -> None:
    if _FORMAT.value == "json":
        tables.write_json(receipt_document(receipt, report))
        return
    plan = receipt.plan
    terminal.note(f"{report.migrated}: written and verified against {report.source}")
    rows = [
        ("tensors", str(receipt.tensors)),
        ("keys", str(receipt.keys)),
        ("shards", str(receipt.shards)),
        ("copied", tables.size(receipt.copied)),
        ("linked", tables.size(receipt.linked)),
        ("computed", tables.size(receipt.computed)),
        ("left out", str(len(plan.drops))),
        ("seconds", f"{receipt.seconds:.2f}"),
    ]
    tables.show(("what", "how much"), rows, right=("how much",))


def receipt_document(receipt: Receipt, report: VerificationReport) -> dict[str, Any]:
    """What was written, for programs."""
    counts: dict[str, int] = {}
    for row in report.rows:
        counts[row.verdict.value] = counts.get(row.verdict.value, 0) + 1
    return {
        "source": report.source,
        "prefix": receipt.prefix,
        "tensors": receipt.tensors,
        "keys": receipt.keys,
        "shards": receipt.shards,
        "bytes": {"copied": receipt.copied, "linked": receipt.linked, "computed": receipt.computed},
        "seconds": round(receipt.seconds, 3),
        "left_out": [left.key for left in receipt.plan.drops],
        "notes": list(receipt.plan.notes),
        "verified": {"data": _VERIFY.value == "data", "verdicts": counts},
    }


def run() -> None:
    """The command ckpt-migrate."""
    terminal.run(main, FLAGS, tool="migrate")


if __name__ == "__main__":
    run()
