"""What a person may decide about all left-overs of a plan at once."""

from __future__ import annotations

from dataclasses import replace

from migration.errors import InputError
from migration.planning.keeping import kept_step
from migration.planning.plan import Plan


def allow(plan: Plan, *, unused: bool = False, unfilled: bool = False) -> Plan:
    """The plan with its left-overs decided.

    `unused`: tensors of the source without a place are dropped. `unfilled`: targets without a source keep
    the template's own value; where a plan without a template leads to names, they are left out, with a
    note. Raises InputError where an object graph without a template's values wants them.
    """
    if unused and plan.unused:
        plan = replace(plan, drops=(*plan.drops, *plan.unused), unused=())
    if unfilled and plan.unfilled:
        if plan.template is None and plan.graph is None:
            notes = tuple(f"left out, as nothing gives it: {left.key} {left.spec}" for left in plan.unfilled)
            return replace(plan, unfilled=(), notes=(*plan.notes, *notes))
        if plan.template is None:
            raise InputError("only a template has values for targets that the source has nothing for")
        kept = tuple(kept_step(left, "the source has nothing for it") for left in plan.unfilled)
        plan = replace(plan, steps=(*plan.steps, *kept), unfilled=())
    return plan
