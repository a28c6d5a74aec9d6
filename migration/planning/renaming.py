"""Within the name-based style: names changed, everything else as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.errors import InputError, PlanError, Problem
from migration.planning.explicit import check_names
from migration.planning.plan import Plan, Source, Step
from migration.planning.rules import RuleResult, Rules
from migration.planning.ruling import notes_of, ruled, same_bytes
from migration.planning.signature import signature_of
from migration.suggest import NameIndex, did_you_mean
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint


def to_renamed(source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None) -> Plan:
    """The plan that gives names others; a name that neither `mapping` nor `rules` speak of stays.

    Raises InputError for a source without names, PlanError for a name in `mapping` that is not there,
    for rules that cannot be applied, and where two tensors would have one name.
    """
    if not source.names:
        raise InputError(
            f"{source.prefix} has no names to change: it is object-based; use to='name' (--to=name)"
        )
    made = renamed_steps(source, mapping, rules)
    return Plan(
        to="rename",
        source=signature_of(source),
        steps=tuple(sorted(made.steps, key=lambda step: step.target)),
        drops=made.drops,
        notes=notes_of(made),
    )


def renamed_steps(source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None) -> RuleResult:
    """A step for every name of the source, under its new name. Raises PlanError as `to_renamed` does."""
    said = dict(mapping or {})
    _check_present(source, said)
    specs = {name: source.specs[name] for name in source.names}
    made = ruled(
        {name: spec for name, spec in specs.items() if name not in said}, rules, None, same_bytes(source)
    )
    steps = [_step(old, new, specs[old], "mapping") for old, new in said.items()]
    if rules is None:
        steps += [_step(name, name, spec, "name scope") for name, spec in specs.items() if name not in said]
    steps += made.steps
    check_names(steps)
    return replace(made, steps=tuple(steps))


def _step(old: str, new: str, spec: TensorSpec, origin: str) -> Step:
    return Step(target=new, spec=spec, sources=(Source(key=old),), origin=origin, full_name=old)


def _check_present(source: Checkpoint, said: Mapping[str, str]) -> None:
    index = NameIndex(source.names)
    problems = [
        Problem(
            kind="absent",
            where=name,
            message=f"the source has no such tensor{did_you_mean(index.nearest(name))}",
        )
        for name in said
        if name not in source.specs
    ]
    if problems:
        raise PlanError("the mapping does not fit; nothing was written", problems)
