"""Whether a result was made by the plan that would be made now, as far as its manifest tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from migration.planning.plan import Plan, Step
from migration.planning.savecounter import SAVE_COUNTER_KEY
from migration.planning.transforms import Transform

Way = tuple[object, ...]


def difference(known: Plan, planned: Plan, *, numbers: bool) -> str:
    """Where the plan that made a result first departs from the one of now, in words; "" where nowhere.

    What counts is which tensors go where through which transforms. The numbers in those count only with
    `numbers`: a plan for all checkpoints takes some of them (a learning rate) from the latest one.
    """
    there, here = _ways(known, numbers), _ways(planned, numbers)
    if there == here:
        return ""
    for target in [*here, *there]:
        if there.get(target) != here.get(target):
            return f"{target}: {_told(known, target)} there, {_told(planned, target)} now"
    return ""


def _ways(plan: Plan, numbers: bool) -> Mapping[str, Way]:
    return {step.target: _way(step, numbers) for step in plan.steps if step.target != SAVE_COUNTER_KEY}


def _way(step: Step, numbers: bool) -> Way:
    sources = tuple(
        (source.key, source.template, _plain(source.transforms, numbers)) for source in step.sources
    )
    return sources, _plain(step.transforms, numbers)


def _plain(transforms: tuple[Transform, ...], numbers: bool) -> tuple[object, ...]:
    return tuple(each if numbers else _numberless(each) for each in transforms)


def _numberless(transform: Transform) -> object:
    """The transform, or where it holds a number that is no place or size what else it holds."""
    held = {field.name: getattr(transform, field.name) for field in fields(transform)}
    if not any(isinstance(value, float) for value in held.values()):
        return transform
    rest = tuple((name, value) for name, value in held.items() if not isinstance(value, float))
    return transform.name, rest


def _told(plan: Plan, target: str) -> str:
    step = next((step for step in plan.steps if step.target == target), None)
    if step is None:
        return "nothing"
    keys = " + ".join(source.key for source in step.sources) or "a constant"
    chain = [*(each.name for source in step.sources for each in source.transforms)]
    chain += [each.name for each in step.transforms if step.sources]
    return f"{keys} ({', '.join(dict.fromkeys(chain))})" if chain else keys
