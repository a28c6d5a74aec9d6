"""Slots on their way: as their variable goes, so goes its slot, but for what is added to the values.

A weight's step says how the weight is cut, turned and joined; its slots are cut, turned and joined alike.
A constant that is added to a weight (an LSTM's forget bias) moves no gradient and is left out.

Values change in one place: TF1's Momentum keeps accum = momentum * accum + g and steps by -lr * accum
(training_ops.cc, ApplyMomentum), Keras's SGD keeps velocity = momentum * velocity - lr * g and steps by it
(sgd.py, update_step). So velocity = -lr * accum, Nesterov or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migration.errors import Problem
from migration.planning.keeping import kept_step
from migration.planning.optimizers.hyperparameters import learning_rate, shown
from migration.planning.optimizers.matching import Pair
from migration.planning.optimizers.misnamed import put_together
from migration.planning.optimizers.state import Number, SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.options import Options
from migration.planning.plan import Confidence, Source, Step
from migration.planning.targets import Target, Template
from migration.planning.transforms import Add, Mean, Product, Scale, Transform

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]


_IN_PARTS = "its slots, which are in parts already, start anew"


@dataclass(slots=True)
class Told:
    """Notes and problems on the way, each told once."""

    notes: dict[str, None] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Add a sentence to the report."""
        self.notes[text] = None

    def problem(self, kind: str, where: str, message: str) -> None:
        """Add a fault that a person has to mend: `where` is the key that gets no step for it."""
        self.problems[where] = Problem(kind=kind, where=where, message=message)


def slot_steps(
    pair: Pair,
    state: SourceState,
    weights: Mapping[int, Step],
    template: Template,
    options: Options,
    read: Read,
    told: Told,
) -> list[Step]:
    """A step for every slot of the pair's target: the source's slot, or the template's where it has none.

    A slot that a problem keeps from being made gets none.
    """
    steps: list[Step] = []
    fresh: dict[str, int] = {}
    for (node, slot), key in pair.target.slots.items():
        target, weight = template.by_key[key], weights.get(node)
        if options.optimizer == "drop":
            steps.append(kept_step(target, "--optimizer=drop"))
            continue
        carried = (
            _carried(pair, state, slot, target, weight, template, options, read, told) if weight else None
        )
        if key in told.problems:
            continue
        doubtful = _doubtful(state, slot, target, weight) if weight and carried is None else None
        step = carried or doubtful
        if step is None:
            fresh[slot] = fresh.get(slot, 0) + 1
            step = kept_step(target, "the source has no such slot for this variable")
        steps.append(step)
    for slot, count in fresh.items():
        if pair.sources:
            text = f"{count} slots {slot!r} start as the template has them: none in the source"
            told.note(f"{pair.target.path}: {text}")
    return steps


def _carried(
    pair: Pair,
    state: SourceState,
    slot: str,
    target: Target,
    weight: Step,
    template: Template,
    options: Options,
    read: Read,
    told: Told,
) -> Step | None:
    """The step that makes a slot of the source's slots of the weight's sources; None where one is missing."""
    keys = state.variables_of(weight)
    if not keys or len(keys) < len(weight.sources):
        return None
    for optimizer in pair.sources:
        found = [optimizer.slots.get((key, slot)) for key in keys]
        names = [name for name in found if name is not None]
        if len(names) < len(keys):
            continue
        moved = _moved(weight, names)
        if moved is None:
            told.note(f"{weight.full_name or weight.target} is scaled on the way: its slots start anew")
            return None
        step = replace(
            moved,
            target=target.key,
            spec=target.spec,
            origin="slot",
            reason=f"{slot} of {', '.join(keys)}",
            confidence=max((weight.confidence, optimizer.confidence), key=list(Confidence).index),
            candidates=(),
            paths=target.paths,
            full_name=target.full_name,
            partitions=None,
        )
        whole = put_together(step, state.assemblies)
        if whole is None:
            told.note(f"{weight.full_name or weight.target} is joined of several: {_IN_PARTS}")
            return None
        step = whole
        if optimizer.kind == "Momentum":
            return _as_velocity(step, optimizer, pair.target, template, options, read, told)
        return step
    return None


def _moved(weight: Step, names: Sequence[str]) -> Step | None:
    """The weight's step over other keys, without what is added; None where the weight is scaled."""
    averaged = any(isinstance(one, Mean) for one in weight.transforms)
    sources = tuple(
        replace(source, key=name, transforms=_unadded(source.transforms, averaged))
        for source, name in zip(weight.sources, names, strict=True)
    )
    moved = replace(weight, sources=sources, transforms=_unadded(weight.transforms, averaged))
    chains = (moved.transforms, *(source.transforms for source in moved.sources))
    return None if any(isinstance(one, (Scale, Product)) for chain in chains for one in chain) else moved


def _unadded(transforms: Sequence[Transform], averaged: bool) -> tuple[Transform, ...]:
    """Without constants that are added; of two biases that act as one sum, each has the sum's gradient, so
    that their mean (and not twice it) is the sum's slot."""
    without = (Add, Scale) if averaged else (Add,)
    return tuple(one for one in transforms if not isinstance(one, without))


def _as_velocity(
    step: Step,
    optimizer: SourceOptimizer,
    target: TargetOptimizer,
    template: Template,
    options: Options,
    read: Read,
    told: Told,
) -> Step | None:
    """The slot as the target keeps it: an accumulator of gradients (v1), or a velocity."""
    wants_velocity = target.flavour != "v1"
    if wants_velocity == optimizer.scaled:
        return step
    rate = rate_of(optimizer, target, template, options)
    if rate is None:
        message = (
            "its velocity is -learning_rate times the source's accumulator, and no constant of the graph, no "
            "flag and no variable of the template tells the learning rate: give learning_rate "
            "(--learning_rate)"
        )
        told.problem("learning_rate", step.target, message)
        return None
    _tell_changing(optimizer, target, told)
    formula = "velocity = -learning_rate * accum" if wants_velocity else "accum = velocity / -learning_rate"
    step = replace(step, reason=f"{step.reason}; {formula}")
    if rate.value is None and rate.key is not None and len(step.sources) == 1:
        told.note(f"{target.path}: {formula}, learning_rate read from {rate.key}")
        return _multiplied(step, rate.key, divide=not wants_velocity)
    value = rate.value if rate.key is None else float(read(rate.key).reshape(-1)[0])
    origin = rate.origin if rate.key is None else f"{rate.key} as it is in this checkpoint"
    if not value:
        told.problem("learning_rate", step.target, f"a learning rate of 0 ({origin}) makes no velocity")
        return None
    told.note(f"{target.path}: {formula} with learning_rate={shown(value)} ({origin})")
    return replace(step, transforms=(*step.transforms, Scale(-value, divide=not wants_velocity)))


def _multiplied(step: Step, rate: str, *, divide: bool) -> Step:
    """The step times (or by) the learning rate that another tensor holds."""
    first = replace(step.sources[0], transforms=(*step.sources[0].transforms, *step.transforms))
    return replace(step, sources=(first, Source(key=rate)), transforms=(Product(-1.0, divide=divide),))


def _tell_changing(optimizer: SourceOptimizer, target: TargetOptimizer, told: Told) -> None:
    stated = optimizer.numbers.get("learning_rate")
    if stated is not None and stated.value is None and stated.key is None:
        told.note(
            f"{target.path}: the source's learning rate changes as it trains. TF1 takes the whole "
            "accumulator by the current rate, Keras only the newest gradient: the same while it is constant"
        )


def rate_of(
    optimizer: SourceOptimizer, target: TargetOptimizer, template: Template, options: Options
) -> Number | None:
    """The learning rate that a velocity is made with: the flag's or the source's, else the template's own."""
    rate = learning_rate(optimizer, options)
    if rate.value is not None or rate.key is not None:
        return rate
    key = target.scalars.get("learning_rate")
    if key is None:
        return None
    return Number(value=float(template.checkpoint.read(key).reshape(-1)[0]), origin=f"the template's {key}")


def _doubtful(state: SourceState, slot: str, target: Target, weight: Step) -> Step | None:
    """An undecided step, where keys look like slots of this variable and are no full set."""
    keys = set(state.variables_of(weight))
    doubts = [one for one in state.undecided if keys & set(one.candidates)]
    fitting = [one for one in doubts if one.key in state.specs and state.specs[one.key] == target.spec]
    if not fitting:
        return None
    return Step(
        target=target.key,
        spec=target.spec,
        sources=(Source(key=fitting[0].key),),
        origin="slot",
        reason=f"{slot}: {fitting[0].reason}",
        confidence=Confidence.UNDECIDED,
        candidates=tuple(one.key for one in fitting),
        paths=target.paths,
        full_name=target.full_name,
    )
