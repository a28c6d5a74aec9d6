"""The plan of a restore into live objects, and whether it fits them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from legacy_ckpt.objects.between import by_graph
from legacy_ckpt.objects.building import NotBuiltError, refuse_unbuilt
from legacy_ckpt.objects.live import LiveCheckpoint, live, refuse_empty, rooted
from migration.checkpoint import Checkpoint, Style
from migration.errors import InputError, PlanError, Problem, UnmappedError
from migration.planning.options import Options
from migration.planning.plan import Confidence, Left, Plan
from migration.planning.plan_file import check_source, read_plan
from migration.planning.planner import make_plan
from migration.planning.rules import Rules
from migration.planning.savecounter import SAVE_COUNTER_KEY
from migration.planning.scopes import state_of
from migration.planning.targets import Template

PlanLike = Plan | str | os.PathLike[str] | None
RulesLike = Any  # what Rules.of takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is restored: `plan` says from what, `live` where to."""

    source: Checkpoint
    live: LiveCheckpoint
    plan: Plan


def task_for(
    target: Any,
    source: Checkpoint,
    plan: PlanLike,
    rules: RulesLike,
    mapping: Mapping[str, str] | None,
    options: Options | None,
    partial: bool,
) -> Task:
    """The task of a restore, checked on both sides as far as no tensor is read.

    Raises NotBuiltError, InputError, or PlanError where the plan was made for another source or target.
    """
    if mapping is not None and not isinstance(mapping, Mapping):
        raise InputError(f"mapping is a dict from one name to another, not a {type(mapping).__name__}")
    root = rooted(target)
    refuse_unbuilt(root, optimizers=_needs_optimizer(source, options), unused=not partial)
    objects = live(root)
    refuse_empty(objects)
    template = Template(checkpoint=objects, graph=objects.graph)
    if plan is not None:
        if rules is not None or mapping or options is not None:
            raise InputError("a plan says all that rules, mapping and options could: give one or the other")
        made = plan if isinstance(plan, Plan) else read_plan(plan)
        check_source(made, source.specs)
    elif source.style is Style.OBJECT and rules is None and not mapping:
        made = by_graph(source, objects)
    else:
        made = make_plan(
            source,
            template,
            rules=None if rules is None else Rules.of(rules),
            mapping=mapping,
            options=options,
        )
    _check_target(made, objects)
    return Task(source=source, live=objects, plan=made)


def _needs_optimizer(source: Checkpoint, options: Options | None) -> bool:
    """Whether the checkpoint has a state that an optimizer without slots would lose."""
    if options is not None and options.optimizer == "drop":
        return False
    if source.style is Style.OBJECT:
        return any(node.slots for node in source.graph.nodes) if source.graph is not None else False
    return any(optimizer.slots for optimizer in state_of(source).optimizers)


def _check_target(plan: Plan, objects: LiveCheckpoint) -> None:
    if plan.to != "object":
        raise InputError(f"the plan leads to {plan.to}s, not to objects: make one with to='object'")
    problems = list(_misfits(plan, objects))
    if problems:
        raise PlanError(f"the plan was made for other objects than {objects.prefix}", problems)


def _misfits(plan: Plan, objects: LiveCheckpoint) -> Iterator[Problem]:
    for step in plan.steps:
        if step.target == SAVE_COUNTER_KEY and step.target not in objects.specs:
            continue
        spec = objects.specs.get(step.target)
        if spec is None:
            message = "the objects have no such key: make the plan with the same objects under the same names"
            yield Problem(kind="target", where=step.target, message=message)
        elif not objects.takes(step.target, step.spec):
            message = f"the plan makes {step.spec}, the object is {spec}: the model differs from the plan's"
            yield Problem(kind="target", where=step.target, message=message)


def check_decided(plan: Plan, partial: bool) -> None:
    """Raises UnmappedError with every undecided step and, unless `partial`, every tensor without a source."""
    undecided = [step for step in plan.steps if step.confidence is Confidence.UNDECIDED]
    problems = [
        Problem(kind="undecided", where=step.target, message=f"{step.reason}: {', '.join(step.candidates)}")
        for step in undecided
    ]
    if not partial:
        problems += [_missing(left) for left in plan.unfilled]
    if problems:
        raise UnmappedError(
            f"{len(undecided)} undecided, {len(plan.unfilled)} missing from the checkpoint, "
            f"{len(plan.unused)} of its keys unread; nothing was changed. {_way_on(bool(undecided))}",
            problems + [_unread(left) for left in plan.unused],
        )


def _way_on(undecided: bool) -> str:
    if undecided:
        return "Rules or a mapping decide, with partial=True as well: nothing is guessed"
    return "Rules or a mapping decide; partial=True leaves what is missing as it is"


def _missing(left: Left) -> Problem:
    near = f" (nearest: {', '.join(left.nearest)})" if left.nearest else ""
    reason = left.reason or "the checkpoint has nothing for it"
    return Problem(
        kind="missing", where=" = ".join([left.key, *left.paths[:1]]), message=f"{left.spec}: {reason}{near}"
    )


def _unread(left: Left) -> Problem:
    return Problem(kind="unread", where=left.key, message=f"{left.spec}: nothing takes it")


__all__ = ["NotBuiltError", "Task", "check_decided", "task_for"]
