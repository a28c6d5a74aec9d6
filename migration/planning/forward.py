"""Names to objects: onto a template, or as a mirror of the name scopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.errors import InputError, Problem
from migration.planning.candidates import Candidate
from migration.planning.cells import CellView, virtual
from migration.planning.explicit import say
from migration.planning.mirror import MirrorScalar, MirrorSlot, Roles, mirror
from migration.planning.onto import (
    Claims,
    by_full_name,
    by_path,
    by_proposal,
    left_candidates,
    left_targets,
    of_template,
)
from migration.planning.optimizers import (
    Layout,
    SourceState,
    claimed_targets,
    lay_out,
    recognise,
    recognise_template,
)
from migration.planning.optimizers import mirror as mirrored_optimizers
from migration.planning.averages import lay_out_averages, promote  # isort: skip
from migration.planning.options import Options
from migration.planning.plan import Confidence, Left, Plan, SourceSignature, Step, TemplateReference
from migration.planning.targets import Target, Template

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.rules import Rules


def signature_of(source: Checkpoint) -> SourceSignature:
    """The names, specs, partitions and graph of a source, as a plan keeps them."""
    return SourceSignature(specs=dict(source.specs), partitions=dict(source.partitions), graph=source.graph)


def state_of(source: Checkpoint) -> SourceState:
    """What the source's tensors are beyond weights: slots, beta powers, the step, averages.

    Raises InputError for a source without names.
    """
    if not source.names and source.graph is not None:
        raise InputError(f"{source.prefix} is object-based and has no names to migrate from: use --to=name for the way back")
    specs = {name: source.specs[name] for name in source.names}
    return recognise(specs, source.meta, source.read)


# Without a template --------------------------------------------------------------------------------


def without_template(
    source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None, options: Options
) -> Plan:
    """The plan of a mirror; `mapping` and `rules` rename tensors before they find their places."""
    state = state_of(source)
    dropped = _dropped(state, options)
    roles = _roles(state, dropped, options)
    return mirror(signature_of(source), roles, dict(mapping or {}), dropped)


def _dropped(state: SourceState, options: Options) -> dict[str, str]:
    found: dict[str, str] = {}
    if options.optimizer == "drop":
        for optimizer in state.optimizers:
            found |= {key: "--optimizer=drop" for key in (*optimizer.slots.values(), *optimizer.scalars.values())}
    if options.averages == "drop":
        found |= {key: "--averages=drop" for key in state.averages}
    return found


def _roles(state: SourceState, dropped: Mapping[str, str], options: Options) -> Roles:
    optimizers = () if options.optimizer == "drop" else mirrored_optimizers(state)
    return Roles(
        slots=tuple(
            MirrorSlot(key=key, variable=variable, optimizer=each.name, slot_name=slot)
            for each in optimizers
            for variable, slot, key in each.slots
        ),
        scalars=tuple(
            MirrorScalar(key=key, optimizer=each.name, local_name=name)
            for each in optimizers
            for name, key in each.scalars
        ),
        averages={key: name or key for key, name in state.averages.items() if key not in dropped},
    )


# Onto a template -----------------------------------------------------------------------------------


def onto_template(
    source: Checkpoint,
    template: Template,
    mapping: Mapping[str, str] | None,
    rules: Rules | None,
    options: Options,
) -> Plan:
    """The plan that fills a template."""
    state = state_of(source)
    optimizers = recognise_template(template)
    claimed = claimed_targets(optimizers)
    own, wanted = of_template(target for target in template.targets if target.key not in claimed)
    view = virtual(
        _candidates(source, state), template, meta=source.meta, options=options, targets=wanted, read=source.read
    )
    claims = Claims(
        candidates={candidate.name: candidate for candidate in view.candidates},
        targets={target.key: target for target in wanted},
    )
    say(claims, mapping or {})
    _meet(claims, view, options)
    weights = _promoted(tuple(claims.steps.values()), state, options)
    laid = (
        lay_out(state, optimizers, _decided(weights), template, options, source.read),
        lay_out_averages(state, optimizers, _decided(weights), template, options),
    )
    return _assembled(source, template, claims, view, (*own, *weights), laid, state.step, options)


def _candidates(source: Checkpoint, state: SourceState) -> list[Candidate]:
    orders = creation_order(source)
    return [
        Candidate.stored(name, source.specs[name], orders.get(name))
        for name in source.names
        if name not in state.claimed
    ]


def creation_order(source: Checkpoint) -> Mapping[str, int]:
    """For each checkpoint key, when the graph beside the checkpoint made its variable; empty without one."""
    if source.meta is None:
        return {}
    variables, keys = source.meta.variables, source.meta.keys
    return {keys.get(name, name): variable.order for name, variable in reversed(variables.items())}


def _meet(claims: Claims, view: CellView, options: Options) -> None:
    for key, name in view.fixed.items():
        if key not in claims.steps and name in {each.name for each in claims.free_candidates()}:
            claims.pair(claims.targets[key], claims.candidates[name], origin="cell", reason=view.reasons.get(key, ""))
    by_full_name(claims)
    by_path(claims)
    if options.propose:
        by_proposal(claims)


def _promoted(weights: tuple[Step, ...], state: SourceState, options: Options) -> tuple[Step, ...]:
    return tuple(promote(weights, state)) if options.averages == "promote" else weights


def _decided(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.confidence is not Confidence.UNDECIDED)


def _assembled(
    source: Checkpoint,
    template: Template,
    claims: Claims,
    view: CellView,
    steps: Iterable[Step],
    laid: Sequence[Layout],
    step_key: str | None,
    options: Options,
) -> Plan:
    filled = {step.target: step for step in (*steps, *(step for each in laid for step in each.steps))}
    decided = {left.key: left for left in (*view.drops, *(left for each in laid for left in each.drops))}
    told = {left.key: left for each in laid for left in each.unused}
    used = {taken.key for step in filled.values() for taken in step.sources if not taken.template}
    unfilled = [target for target in template.targets if target.key not in filled]
    unused = [one for one in claims.free_candidates() if _is_left(one, used, decided, told)]
    problems = [*view.problems, *(problem for each in laid for problem in each.problems)]
    step_drop = _step_drop(unused, step_key, options)
    unused = [one for one in unused if one.name not in step_drop]
    return Plan(
        to="object",
        source=signature_of(source),
        steps=tuple(filled[target.key] for target in template.targets if target.key in filled),
        drops=(*decided.values(), *step_drop.values()),
        unused=(*told.values(), *left_candidates(unused, unfilled)),
        unfilled=_explained(left_targets(unfilled, unused), problems),
        notes=(*view.notes, *(note for each in laid for note in each.notes), *map(str, problems)),
        graph=template.graph,
        template=TemplateReference(path=template.checkpoint.prefix, digest=template.checkpoint.digest),
    )


def _is_left(
    candidate: Candidate, used: set[str], decided: Mapping[str, Left], told: Mapping[str, Left]
) -> bool:
    keys = {taken.key for taken in candidate.sources}
    return not keys <= used | decided.keys() | told.keys()


def _step_drop(unused: Sequence[Candidate], step: str | None, options: Options) -> dict[str, Left]:
    """The step, where no variable of the template takes it: decided, and told, unless everything is to be kept."""
    if options.optimizer == "keep":
        return {}
    return {
        one.name: Left(key=one.name, spec=one.spec, reason="the template has no variable for the step")
        for one in unused
        if one.name == step
    }


def _explained(lefts: tuple[Left, ...], problems: Iterable[Problem]) -> tuple[Left, ...]:
    reasons = {problem.where: problem.message for problem in problems}
    return tuple(replace(left, reason=reasons.get(left.key, left.reason)) for left in lefts)


def wanted_targets(template: Template) -> list[Target]:
    """The targets that are neither an optimizer's nor the template's own."""
    claimed = claimed_targets(recognise_template(template))
    return of_template(target for target in template.targets if target.key not in claimed)[1]
