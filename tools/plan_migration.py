"""Writes the plan of a migration, to be reviewed, edited and applied with ckpt-migrate --plan.

Nothing else is written: to print a plan is the dry run. No TensorFlow is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal
from ckpt_tools.planning_flags import PlanningFlags

if TYPE_CHECKING:
    from migration.planning.plan import Left, Plan, Step

FLAGS = flags.FlagValues()
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "The checkpoint to plan for.", flag_values=FLAGS)
_OUTPUT = flags.DEFINE_string(
    "output", None, "The plan file to write (TOML); none: only print.", flag_values=FLAGS
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace a plan file that is already there.", flag_values=FLAGS
)
_PLANNING = PlanningFlags.define(FLAGS)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)
_ALL = flags.DEFINE_bool(
    "all", False, "Print every step, not only those that want a look.", flag_values=FLAGS
)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    from migration.checkpoint import Checkpoint

    _check_output(_OUTPUT.value)
    source = Checkpoint.open(_CHECKPOINT.value)
    for remark in source.location.remarks:
        terminal.note(f"note: {remark}")
    plan = _PLANNING.plan(source, _PLANNING.template())
    if _OUTPUT.value:
        from migration.planning.plan_file import write_plan

        write_plan(plan, _OUTPUT.value)
    if _FORMAT.value == "json":
        tables.write_json(document(plan))
    else:
        _print(plan)
    return terminal.Status.DONE if is_decided(plan) else terminal.Status.DIFFERS


def _check_output(path: str | None) -> None:
    from migration.errors import InputError

    if path and os.path.exists(path) and not _OVERWRITE.value:
        raise InputError(f"{path}: already there, perhaps reviewed: choose another name, or pass --overwrite")


def is_decided(plan: Plan) -> bool:
    """Whether nothing is undecided: every target has its step. Unused tensors are told, and `ckpt-migrate`
    asks about them."""
    from migration.planning.plan import Confidence

    undecided = any(step.confidence is Confidence.UNDECIDED for step in plan.steps)
    return not undecided and not plan.unfilled


def summary(plan: Plan) -> str:
    """The plan in one line, e.g. "47 certain, 3 undecided, 2 unused"."""
    from migration.planning.plan import Confidence

    counts = [(sum(step.confidence is each for step in plan.steps), each.value) for each in Confidence]
    counts += [(len(plan.unused), "unused"), (len(plan.unfilled), "unfilled"), (len(plan.drops), "left out")]
    return ", ".join(f"{count} {what}" for count, what in counts if count) or "nothing to do"


def document(plan: Plan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "to": plan.to,
        "summary": summary(plan),
        "decided": is_decided(plan),
        "template": None if plan.template is None else plan.template.path,
        "steps": [_step_document(step) for step in plan.steps],
        "unused": [_left_document(left) for left in plan.unused],
        "unfilled": [_left_document(left) for left in plan.unfilled],
        "left_out": [_left_document(left) for left in plan.drops],
        "notes": list(plan.notes),
    }


def _step_document(step: Step) -> dict[str, Any]:
    from migration.planning.transforms.table import to_table

    return {
        "target": step.target,
        "paths": list(step.paths),
        "full_name": step.full_name,
        "dtype": str(step.spec.dtype),
        "shape": list(step.spec.shape),
        "sources": [
            {
                "key": taken.key,
                "template": taken.template,
                "transforms": [to_table(each) for each in taken.transforms],
            }
            for taken in step.sources
        ],
        "transforms": [to_table(each) for each in step.transforms],
        "origin": step.origin,
        "confidence": step.confidence.value,
        "reason": step.reason,
        "candidates": list(step.candidates),
    }


def _left_document(left: Left) -> dict[str, Any]:
    return {
        "key": left.key,
        "dtype": str(left.spec.dtype),
        "shape": list(left.spec.shape),
        "paths": list(left.paths),
        "full_name": left.full_name,
        "reason": left.reason,
        "nearest": list(left.nearest),
    }


def _print(plan: Plan) -> None:
    from migration.planning.plan import Confidence

    print(summary(plan))
    steps = [step for step in plan.steps if _ALL.value or step.confidence is not Confidence.CERTAIN]
    rows = [_cells(step) for step in steps]
    rows += [("unused", "", left.key, left.reason, ", ".join(left.nearest)) for left in plan.unused]
    rows += [("unfilled", left.key, "", left.reason, ", ".join(left.nearest)) for left in plan.unfilled]
    if rows:
        print()
        tables.show(("confidence", "target", "source", "reason", "candidates"), rows)
    for line in plan.notes:
        terminal.note(f"note: {line}")


def _cells(step: Step) -> tuple[str, str, str, str, str]:
    place = step.paths[0] if step.paths else step.target
    return step.confidence.value, place, _sources(step), step.reason, ", ".join(step.candidates)


def _sources(step: Step) -> str:
    return " + ".join(f"template:{taken.key}" if taken.template else taken.key for taken in step.sources)


def run() -> None:
    """The command ckpt-plan."""
    terminal.run(main, FLAGS, tool="plan", required=("checkpoint",))


if __name__ == "__main__":
    run()
