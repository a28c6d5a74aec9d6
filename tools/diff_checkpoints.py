"""Compares two checkpoints of any style and format: what only one has, what was renamed, what changed.

Tensors are paired by key, by full name or by path; with --plan, what the plan makes of A is compared
with B. No TensorFlow is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.diff import Compared, Difference
    from migration.planning.plan import Plan

FLAGS = flags.FlagValues()
_PLAN = flags.DEFINE_string(
    "plan", None, "A plan file: B is compared with what it makes of A.", flag_values=FLAGS
)
_TEMPLATE = flags.DEFINE_string(
    "template",
    None,
    "The template, if the plan takes values from it and it is not where the plan says.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)
_ALL = flags.DEFINE_bool("all", False, "Show the equal tensors too.", flag_values=FLAGS)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    from migration.checkpoint import Checkpoint
    from migration.diff import compare

    here, there = (Checkpoint.open(path) for path in arguments)
    for checkpoint in (here, there):
        for remark in checkpoint.location.remarks:
            terminal.note(f"note: {remark}")
    plan = None
    if _PLAN.value:
        from migration.planning.plan_file import read_plan

        plan = read_plan(_PLAN.value)
    template = Checkpoint.open(_TEMPLATE.value) if _TEMPLATE.value else _remembered(plan, here, there)
    with terminal.progress("comparing", counts=True) as progress:
        difference = compare(here, there, plan, template=template, progress=progress)
    if _FORMAT.value == "json":
        tables.write_json(document(difference))
    else:
        _print(difference)
    return terminal.Status.DONE if difference.is_equal else terminal.Status.DIFFERS


def _remembered(plan: Plan | None, here: Checkpoint, there: Checkpoint) -> Checkpoint | None:
    """The template that the plan was made for, where a step takes a tensor from it and it is at hand."""
    from migration.errors import InputError
    from migration.planning.remembered import remembered_template, takes_from_template

    if plan is None or not takes_from_template(plan):
        return None
    try:
        return remembered_template(plan, *map(os.path.dirname, (_PLAN.value, here.prefix, there.prefix)))
    except InputError as error:
        terminal.note(f"note: {error}")
        return None


def document(difference: Difference) -> dict[str, Any]:
    """The difference for programs; equal tensors are counted, and listed with --all."""
    from migration.diff import Change

    rows = [row for row in difference.rows if _ALL.value or row.change is not Change.EQUAL]
    return {
        "here": difference.here,
        "there": difference.there,
        "paired_by": difference.basis,
        "equal": difference.is_equal,
        "counts": {change.value: difference.count(change) for change in Change},
        "tensors": [_row_document(row) for row in rows],
    }


def _row_document(row: Compared) -> dict[str, Any]:
    found: dict[str, Any] = {"change": row.change.value}
    for side, key, spec in (("here", row.here, row.spec_here), ("there", row.there, row.spec_there)):
        if key or spec is not None:
            shape = None if spec is None else list(spec.shape)
            found[side] = {"key": key, "dtype": None if spec is None else str(spec.dtype), "shape": shape}
    if row.distance is not None:
        found["differing"] = row.distance.differing
        found["max_abs"] = row.distance.max_abs
        found["relative_2_norm"] = row.distance.relative_norm
    return found


def _print(difference: Difference) -> None:
    from migration.diff import Change

    rows = [row for row in difference.rows if _ALL.value or row.change is not Change.EQUAL]
    if rows:
        cells = [(row.change.value, row.here, row.there, *_cells(row)) for row in rows]
        columns = ("change", "here", "there", "spec", "differing", "max abs", "relative 2-norm")
        tables.show(columns, cells, right=("differing", "max abs", "relative 2-norm"))
    told = [f"{difference.count(change)} {change.value}" for change in Change if difference.count(change)]
    if difference.count(Change.UNREAD):
        terminal.note("what is not compared comes from the plan's template: pass --template")
    terminal.note(f"{', '.join(told) or 'no tensors on either side'} (paired by {difference.basis})")


def _cells(row: Compared) -> tuple[str, str, str, str]:
    spec = str(row.spec_here or row.spec_there)
    if row.spec_here is not None and row.spec_there is not None and row.spec_here != row.spec_there:
        spec = f"{row.spec_here} -> {row.spec_there}"
    if row.distance is None:
        return spec, "", "", ""
    numbers = (
        "" if each is None else f"{each:.6g}" for each in (row.distance.max_abs, row.distance.relative_norm)
    )
    return spec, str(row.distance.differing), *numbers  # type: ignore[return-value]


def run() -> None:
    """The command ckpt-diff."""
    terminal.run(main, FLAGS, tool="diff", arguments="A B")


if __name__ == "__main__":
    run()
