"""Names to objects: onto a template."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.errors import Problem
from migration.planning.candidates import Candidate
from migration.planning.cells import CellView, hidden_buffers, through_buffers, virtual
from migration.planning.explicit import say
from migration.planning.onto import (
    Claims,
    by_full_name,
    by_joining,
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
    recognise_template,
)
from migration.planning.optimizers.misnamed import put_together, spread
from migration.planning.optimizers.name_source import companion
from migration.planning.optimizers.state import told_once

from migration.planning.averages import lay_out_averages, promote  # isort: skip
from migration.planning.options import Options
from migration.planning.plan import Confidence, Left, Plan, Step, TemplateReference
from migration.planning.ruling import failed, notes_of, offered, refuse, same_bytes
from migration.planning.savecounter import SAVE_COUNTER_KEY, save_counter_step, with_save_counter
from migration.planning.scopes import incomplete, state_of
from migration.planning.signature import signature_of
from migration.planning.targets import Template

SAY_KIND = "name the optimizer's kind (optimizer=, --optimizer=Momentum ...) if it is one"

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.rules import Rules


def onto_template(
    source: Checkpoint,
    template: Template,
    mapping: Mapping[str, str] | None,
    rules: Rules | None,
    options: Options,
) -> Plan:
    """The plan that fills a template."""
    offer = {name: source.specs[name] for name in source.names if name not in (mapping or {})}
    made = offered(offer, rules, template.targets, same_bytes(source))
    taken = frozenset(taken.key for step in made.steps for taken in step.sources) | failed(made, offer)
    filled = {step.target for step in made.steps}
    hidden = hidden_buffers(source.specs)
    state = state_of(source, frozenset(left.key for left in made.drops), hidden, options.kind)
    optimizers = recognise_template(template)
    settled = claimed_targets(optimizers) | filled
    own, wanted = of_template(target for target in template.targets if target.key not in settled)
    view = virtual(
        _candidates(source, state, taken, made.renamed),
        template,
        meta=source.meta,
        options=options,
        targets=wanted,
        read=source.read,
    )
    shadows = _shadows(source, state, taken, made.renamed, options)
    claims = Claims(
        candidates={candidate.name: candidate for candidate in (*view.candidates, *shadows)},
        targets={target.key: target for target in wanted},
        made=view.made,
    )
    for step in made.steps:
        claims.take(step, step.sources[0].key if len(step.sources) == 1 else None)
    say(claims, mapping or {})
    _meet(claims, view, {shadow.name for shadow in shadows}, options)
    weights = _promoted(tuple(claims.steps.values()), state, options)
    laid = (
        Layout(
            drops=made.drops,
            unused=incomplete(source, made.drops),
            notes=(*notes_of(made), *(buffer.note for buffer in hidden)),
        ),
        lay_out(
            state,
            optimizers,
            through_buffers(_decided(weights), claims.partners, hidden),
            template,
            options,
            source.read,
        ),
        lay_out_averages(state, optimizers, _decided(weights), template, options),
    )
    plan = _assembled(source, template, claims, view, (*own, *weights), laid, state, options)
    refuse(made, plan.unused, plan.unfilled)
    return plan


def _candidates(
    source: Checkpoint, state: SourceState, taken: Collection[str], renamed: Mapping[str, str]
) -> list[Candidate]:
    """The stored tensors that may be weights; a name that the rules' shortcuts changed is the new one."""
    orders = creation_order(source)
    return [
        _called(Candidate.stored(name, source.specs[name], orders.get(name)), renamed)
        for name in source.names
        if name not in state.claimed and name not in taken and name not in source.incomplete
    ]


def _called(candidate: Candidate, renamed: Mapping[str, str]) -> Candidate:
    name = renamed.get(candidate.name)
    return candidate if name is None else replace(candidate, name=name)


def creation_order(source: Checkpoint) -> Mapping[str, int]:
    """For each checkpoint key, when the graph beside the checkpoint made its variable; empty without one."""
    if source.meta is None:
        return {}
    variables, keys = source.meta.variables, source.meta.keys
    return {keys.get(name, name): variable.order for name, variable in reversed(list(variables.items()))}


def _shadows(
    source: Checkpoint,
    state: SourceState,
    taken: Collection[str],
    renamed: Mapping[str, str],
    options: Options,
) -> list[Candidate]:
    """The moving averages, where they are to be kept: a template may have variables for them."""
    if options.averages != "keep":
        return []
    return [
        _called(Candidate.stored(name, state.specs[name], None), renamed)
        for name in state.averages
        if name not in taken
    ]


def _meet(claims: Claims, view: CellView, shadows: Collection[str], options: Options) -> None:
    free = {each.name for each in claims.free_candidates()} if view.fixed else set()
    for key, name in view.fixed.items():
        if key not in claims.steps and name in free:
            free.discard(name)
            claims.pair(
                claims.targets[key], claims.candidates[name], origin="cell", reason=view.reasons.get(key, "")
            )
    apart = _set_aside(claims, view.apart)  # for a person's mapping alone
    by_full_name(claims)
    by_path(claims)
    apart |= _set_aside(claims, shadows)  # an average looks like its weight: by a name, or not at all
    if options.propose:
        by_proposal(claims)
        by_joining(claims)
    claims.candidates.update(apart)


def _set_aside(claims: Claims, names: Collection[str]) -> dict[str, Candidate]:
    """Take free candidates of these names out of the claims."""
    apart = {one.name: one for one in claims.free_candidates() if one.name in names}
    for name in apart:
        del claims.candidates[name]
    return apart


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
    state: SourceState,
    options: Options,
) -> Plan:
    made = (*(step for each in laid for step in each.steps), *steps)
    filled = {step.target: whole for step in made if (whole := put_together(step, state.assemblies))}
    drops = spread((left for each in laid for left in each.drops), state.assemblies)
    decided = {left.key: left for left in (*view.drops, *drops)}
    used = {taken.key for step in filled.values() for taken in step.sources if not taken.template}
    lefts = spread((left for each in laid for left in each.unused), state.assemblies)
    told = {left.key: left for left in lefts if left.key not in used and left.key not in decided}
    decided = {key: left for key, left in decided.items() if key not in used}  # a rule may have taken it
    unfilled = [target for target in template.targets if target.key not in filled]
    unused = _left_over(source, claims.free_candidates(), used | decided.keys() | told.keys())
    problems = [*view.problems, *(problem for each in laid for problem in each.problems)]
    step_drop = _step_drop(unused, state.step, options)
    unused = [one for one in unused if one.name not in step_drop]
    return Plan(
        to="object",
        source=signature_of(source),
        steps=_in_order(template, filled),
        drops=(*decided.values(), *step_drop.values()),
        unused=(*told.values(), *_told_as_slots(left_candidates(unused, unfilled), state)),
        unfilled=_explained(left_targets(unfilled, unused), problems),
        notes=(*view.notes, *(note for each in laid for note in each.notes), *told_once(problems)),
        graph=with_save_counter(template.graph),
        template=TemplateReference(path=template.checkpoint.prefix, digest=template.checkpoint.digest),
    )


def _in_order(template: Template, filled: Mapping[str, Step]) -> tuple[Step, ...]:
    steps = tuple(filled[target.key] for target in template.targets if target.key in filled)
    return steps if SAVE_COUNTER_KEY in template.by_key else (*steps, save_counter_step())


def _left_over(source: Checkpoint, free: Iterable[Candidate], accounted: set[str]) -> list[Candidate]:
    """The stored tensors that free candidates stand for, as far as nothing else accounts for them."""
    keys = dict.fromkeys(taken.key for candidate in free for taken in candidate.sources)
    return [
        Candidate.stored(key, source.specs[key])
        for key in keys
        if key in source.specs and key not in accounted
    ]


def _told_as_slots(lefts: Iterable[Left], state: SourceState) -> Iterator[Left]:
    """What is left over and could be a slot under a name of the program's own: told whose."""
    for left in lefts:
        of = companion(left.key, state.specs)
        told = f"looks like a slot of {of} (same shape): {SAY_KIND}, or drop it by a rule" if of else ""
        yield replace(left, reason=left.reason or told)


def _step_drop(unused: Sequence[Candidate], step: str | None, options: Options) -> dict[str, Left]:
    """The step, where no variable of the template takes it: decided and told, unless all is to be kept."""
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
