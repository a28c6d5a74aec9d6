"""What a plan was made for, against what it is used on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.errors import PlanError, Problem
from migration.formats.object_graph import ObjectGraph
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.plan import Left, Plan, SourceSignature, Step
from migration.planning.transforms import TransformError, step_output
from migration.suggest import NameIndex, did_you_mean
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

MOST_SUGGESTIONS = 50  # differences that come with suggestions


def signature_of(source: Checkpoint) -> SourceSignature:
    """The names, specs, partitions and graph of a source, as a plan keeps them."""
    return SourceSignature(specs=dict(source.specs), partitions=dict(source.partitions), graph=source.graph)


def signature_digest(specs: Mapping[str, TensorSpec]) -> str:
    """ "sha256:" and the hex digest of all keys in order, each with its dtype and shape."""
    digest = hashlib.sha256()
    for key in sorted(specs):
        digest.update(f"{len(key)}:{key} {specs[key]}\n".encode("utf-8", "surrogatepass"))
    return f"sha256:{digest.hexdigest()}"


def check_source(plan: Plan, specs: Mapping[str, TensorSpec]) -> None:
    """Raises PlanError that tells every name, dtype and shape that is not what the plan was made for."""
    planned = plan.source.specs
    missing = [key for key in planned if key not in specs]
    extra = {key: spec for key, spec in specs.items() if key not in planned}
    changed = [key for key in planned if key in specs and specs[key] != planned[key]]
    if not (missing or extra or changed):
        return
    index = NameIndex(extra)
    problems = [
        Problem(
            kind="missing",
            where=key,
            message=f"{planned[key]}: not in this source{_meant(index, at, key, planned[key])}",
        )
        for at, key in enumerate(missing)
    ]
    problems += [
        Problem(
            kind="changed", where=key, message=f"is {specs[key]} here, the plan was made for {planned[key]}"
        )
        for key in changed
    ]
    problems += [
        Problem(kind="unknown", where=key, message=f"{spec}: the plan does not know it")
        for key, spec in extra.items()
    ]
    raise PlanError(
        "the plan was made for another source: make a new plan, or apply this one as rules "
        f"({len(missing)} missing, {len(changed)} changed, {len(extra)} unknown)",
        problems,
    )


def _meant(index: NameIndex, at: int, key: str, spec: TensorSpec) -> str:
    return did_you_mean(index.nearest(key, spec)) if at < MOST_SUGGESTIONS else ""


def check_steps(
    plan: Plan, specs: Mapping[str, TensorSpec], template_specs: Mapping[str, TensorSpec] | None
) -> None:
    """Raises PlanError that tells every step whose sources do not make the tensor that it promises.

    `specs` are the source's; without `template_specs` what comes from the template is taken on trust.
    """
    problems: list[Problem] = []
    for step in plan.steps:
        if step.is_plain:
            found = specs.get(step.sources[0].key)
            if found is step.spec or found == step.spec:
                continue
        try:
            output = step_output(step, specs, template_specs)
        except TransformError as error:
            problems.append(Problem(kind="misfit", where=step.target, message=str(error)))
            continue
        if output != step.spec:
            message = f"its step makes {output}, and it is {step.spec}"
            problems.append(Problem(kind="misfit", where=step.target, message=message))
    if problems:
        raise PlanError("steps of the plan do not fit; nothing was written", problems)


def apply_as_rules(
    plan: Plan,
    specs: Mapping[str, TensorSpec],
    partitions: Mapping[str, tuple[TensorSlice, ...]] | None = None,
    graph: ObjectGraph | None = None,
) -> Plan:
    """The plan for another source: what it says of a name holds wherever that name is.

    `specs`, `partitions` and `graph` are the new source's. A step whose sources are there and still fit
    is kept (without a template, with the shapes and dtypes that come out now); one that lacks a
    source, or no longer gives the template's tensor, becomes `unfilled` with the reason. Tensors that
    the plan does not know are `unused`.
    """
    index = NameIndex(specs)
    steps: list[Step] = []
    unfilled: list[Left] = []
    for step in plan.steps:
        kept = _reused(plan, step, specs, index if len(unfilled) < MOST_SUGGESTIONS else None)
        (steps if isinstance(kept, Step) else unfilled).append(kept)  # type: ignore[arg-type]
    used = {source.key for step in steps for source in step.sources if not source.template}
    decided = {left.key: left for left in plan.drops}
    return replace(
        plan,
        source=SourceSignature(specs=dict(specs), partitions=dict(partitions or {}), graph=graph),
        steps=tuple(steps),
        drops=tuple(
            replace(decided[key], spec=specs[key]) for key in specs if key in decided and key not in used
        ),
        unused=tuple(
            Left(key=key, spec=spec, reason="the plan does not know it or lost its step")
            for key, spec in specs.items()
            if key not in used and key not in decided
        ),
        unfilled=(*plan.unfilled, *unfilled),
    )


def _reused(plan: Plan, step: Step, specs: Mapping[str, TensorSpec], index: NameIndex | None) -> Step | Left:
    """The step as it is on another source, or why it cannot be."""
    absent = [source.key for source in step.sources if not source.template and source.key not in specs]
    if absent:
        nearest = index.nearest(absent[0], plan.source.specs.get(absent[0])) if index else ()
        return _lost(step, f"its source {absent[0]!r} is absent", nearest)
    if not step.sources:
        return step
    try:
        output = step_output(step, specs)
    except TransformError as error:
        return _lost(step, str(error))
    if output == step.spec:
        return step
    if plan.template is not None:
        return _lost(step, f"its sources give {output} now")
    return replace(step, spec=output, partitions=None)


def _lost(step: Step, reason: str, nearest: tuple[str, ...] = ()) -> Left:
    return Left(
        key=step.target,
        spec=step.spec,
        reason=reason,
        nearest=nearest,
        paths=step.paths,
        full_name=step.full_name,
    )
