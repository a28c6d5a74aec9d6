"""Migrates a checkpoint: from variable names to an object graph, back, or to other names.

Without a template the result mirrors the name scopes. What is written is verified before it is said
to be done. No TensorFlow is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import directories, tables, terminal
from ckpt_tools.planning_flags import STEERING, PlanningFlags

if TYPE_CHECKING:
    from migration.checked import Writing
    from migration.checkpoint import Checkpoint
    from migration.convert import Receipt
    from migration.planning.plan import Plan, TemplateReference
    from migration.verify import VerificationReport

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The checkpoint to migrate.", flag_values=FLAGS)
_OUTPUT = flags.DEFINE_string("output", None, "The prefix to write.", flag_values=FLAGS)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir",
    None,
    "Instead of --checkpoint: a directory, all of whose checkpoints are migrated.",
    flag_values=FLAGS,
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Where --model_dir's results go.", flag_values=FLAGS)
_ONLY = flags.DEFINE_string(
    "only", None, "Of --model_dir, only these: latest, or steps such as 1000,2000.", flag_values=FLAGS
)
_PLAN = flags.DEFINE_string("plan", None, "A plan file, applied exactly.", flag_values=FLAGS)
_AS_RULES = flags.DEFINE_bool(
    "as_rules",
    False,
    "With --plan, on a source that it was not made for: what it says of a name holds wherever that name is.",
    flag_values=FLAGS,
)
_PLANNING = PlanningFlags.define(FLAGS)
_DATA = flags.DEFINE_enum(
    "data",
    "copy",
    ["copy", "link"],
    "copy: a self-contained new shard; link: the source's shards are hard-linked.",
    flag_values=FLAGS,
)
_KEEP_NAMES = flags.DEFINE_bool(
    "keep_names",
    False,
    "Leave the old names in the index beside the new keys, on the same bytes.",
    flag_values=FLAGS,
)
_MANIFEST = flags.DEFINE_bool(
    "manifest", True, "Remember the source in the result, for the way back.", flag_values=FLAGS
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace a checkpoint that is already there.", flag_values=FLAGS
)
_ALLOW_UNUSED = flags.DEFINE_bool(
    "allow_unused",
    False,
    "Leave out tensors of the source that have no place in the result.",
    flag_values=FLAGS,
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
    if _AS_RULES.value and not _PLAN.value:
        raise terminal.UsageError("--as_rules goes with --plan")
    terminal.exclusive(FLAGS, "model_dir", "checkpoint", "output")
    if _is_directory():
        return _migrate_directory()
    for flag, name in ((_CHECKPOINT, "checkpoint"), (_OUTPUT, "output")):
        if not flag.value:
            raise terminal.UsageError(f"--{name} must be given (or --model_dir and --output_dir)")
    if not (FLAGS["only"].using_default_value and FLAGS["output_dir"].using_default_value):
        raise terminal.UsageError("--only and --output_dir go with --model_dir")
    return _migrate(_CHECKPOINT.value, _OUTPUT.value)


def _is_directory() -> bool:
    """Whether a whole directory is meant; where a --config has paths for both, the flags say which."""
    if not _MODEL_DIR.value or not FLAGS["checkpoint"].using_default_value:
        return False
    if FLAGS["model_dir"].using_default_value and _CHECKPOINT.value and _OUTPUT.value:
        raise terminal.UsageError(
            "the config has a checkpoint and a directory: say --checkpoint or --model_dir"
        )
    return True


def _migrate(path: str, prefix: str) -> int:
    from migration.checked import write_and_verify
    from migration.checkpoint import Checkpoint
    from migration.convert.target import check_target

    source = Checkpoint.open(path)
    for remark in source.location.remarks:
        terminal.note(f"note: {remark}")
    check_target(prefix, source, overwrite=_OVERWRITE.value)  # before the work of planning
    template = _PLANNING.template()
    plan = the_plan(source, template)
    for line in plan.notes:
        terminal.note(f"note: {line}")
    with terminal.progress("writing") as writes, terminal.progress("verifying") as verifies:
        receipt, report = write_and_verify(
            plan,
            source,
            prefix,
            writing(),
            template=template or _remembered_template(plan, source.prefix, prefix),
            writes=writes,
            verifies=verifies,
        )
    _tell(receipt, report)
    return terminal.Status.DONE


def writing() -> Writing:
    """How the flags want results written and verified."""
    from migration.checked import Writing

    return Writing(
        data=_DATA.value,
        keep_names=_KEEP_NAMES.value,
        manifest=_MANIFEST.value,
        overwrite=_OVERWRITE.value,
        verify_data=_VERIFY.value == "data",
    )


def the_plan(source: Checkpoint, template: Checkpoint | None) -> Plan:
    """The plan of --plan, or the one that the other flags ask for, with what they allow to be left over."""
    from migration.planning.decisions import allow

    plan = _given_for(source, template) or _PLANNING.plan(source, template)
    unused, unfilled = _ALLOW_UNUSED.value, _ALLOW_UNFILLED.value
    for what, lefts in (
        ("left out", plan.unused if unused else ()),
        ("kept", plan.unfilled if unfilled and plan.template else ()),
    ):
        for left in lefts:
            terminal.note(f"{what}: {left.key} {left.spec}")
    return allow(plan, unused=unused, unfilled=unfilled)


def _given_for(source: Checkpoint, template: Checkpoint | None) -> Plan | None:
    """The plan of --plan for this source. Raises InputError where --template is not the plan's own."""
    plan = given_plan()
    if plan is None:
        return None
    if template is not None and plan.template is not None:
        _check_template(plan.template, template)
    if _AS_RULES.value:
        from migration.planning.signature import apply_as_rules

        return apply_as_rules(plan, source.specs, source.partitions, source.graph)
    return plan


def given_plan() -> Plan | None:
    """The plan of --plan."""
    if not _PLAN.value:
        return None
    from migration.planning.plan_file import read_plan

    return read_plan(_PLAN.value)


def _remembered_template(plan: Plan, *files: str) -> Checkpoint | None:
    """The template that the plan of --plan names, if a step takes a tensor from it."""
    from migration.planning.remembered import remembered_template, takes_from_template

    if not _PLAN.value or not takes_from_template(plan):
        return None
    return remembered_template(plan, *map(os.path.dirname, (_PLAN.value, *files)))


def _check_template(wanted: TemplateReference, template: Checkpoint) -> None:
    from migration.errors import InputError

    if template.digest != wanted.digest:
        raise InputError(
            f"{template.prefix}: the template is not the one that the plan was made for: give that one, "
            "or none, or plan again"
        )


def _migrate_directory() -> int:
    """All checkpoints of --model_dir. Returns 1 where one failed."""
    from migration.model_dir import migrate_directory
    from migration.planning.decisions import allow

    if not _OUTPUT_DIR.value:
        raise terminal.UsageError("--model_dir needs --output_dir")
    plan = given_plan()
    template: str | Checkpoint | None = _PLANNING.template_path
    if plan is not None and template is None:
        allowed = allow(plan, unfilled=_ALLOW_UNFILLED.value)
        template = _remembered_template(allowed, f"{_MODEL_DIR.value}/", f"{_OUTPUT_DIR.value}/")
    with terminal.progress("migrating", counts=True) as progress:
        report = migrate_directory(
            _MODEL_DIR.value,
            _OUTPUT_DIR.value,
            template,
            plan=plan,
            as_rules=_AS_RULES.value,
            to=FLAGS["to"].value,
            mapping=_PLANNING.mapping(),
            rules=_PLANNING.rules(),
            options=_PLANNING.options(),
            allow_unused=_ALLOW_UNUSED.value,
            allow_unfilled=_ALLOW_UNFILLED.value,
            writing=writing(),
            only=_ONLY.value,
            progress=progress,
        )
    directories.show(report, _FORMAT.value)
    return terminal.Status.DONE if report.is_complete else terminal.Status.ERROR


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
