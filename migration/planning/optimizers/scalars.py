"""What an optimizer keeps beside its slots: step counts, beta powers, hyperparameter variables.

Beta powers go back and forth as TF1 defines them (adam.py): after t updates they hold beta^(t+1).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration.planning.keeping import kept_step
from migration.planning.optimizers.hyperparameters import learning_rate, shown
from migration.planning.optimizers.kinds import KINDS
from migration.planning.optimizers.matching import Pair
from migration.planning.optimizers.slots import Told
from migration.planning.optimizers.state import Number, SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.optimizers.step import StepCount, count_updates, is_step_name
from migration.planning.options import Options
from migration.planning.plan import Confidence, Source, Step
from migration.planning.targets import Target, Template
from migration.planning.transforms import Cast, Constant, Power, Reshape, Transform
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]
_DEFAULT_BETAS = {"beta1": 0.8999999761581421, "beta2": 0.9990000128746033}  # 0.9 and 0.999 as float32


def scalar_steps(
    pair: Pair, state: SourceState, template: Template, options: Options, read: Read, told: Told
) -> list[Step]:
    """A step for every scalar of the pair's target, and for what only the template can fill."""
    target = pair.target
    steps = [kept_step(template.by_key[key], "the optimizer's own") for key in target.others]
    if options.optimizer == "drop":
        return steps + [
            kept_step(template.by_key[key], "--optimizer=drop") for key in target.scalars.values()
        ]
    if not pair.sources and target.kind != "wrapper":
        return steps + _alone(target, state, template, options, read, told)
    source = pair.first or next(iter(state.optimizers), None)
    count = _count(pair, source, state, options, read, told)
    for role, key in target.scalars.items():
        wanted = template.by_key[key]
        if role == "iterations":
            step = _iterations(wanted, count)
        elif source is None:
            step = kept_step(wanted, "no optimizer in the source")
        elif role in ("beta1_power", "beta2_power"):
            step = _power(role, wanted, source, count, state, read, told)
        else:
            step = _number(role, wanted, source, options, state, target.path, told)
        if key not in told.problems:
            steps.append(step)
    return steps


_STATELESS = ("GradientDescent", "Momentum")  # what a source without a slot may have trained with


def _alone(
    target: TargetOptimizer,
    state: SourceState,
    template: Template,
    options: Options,
    read: Read,
    told: Told,
) -> list[Step]:
    """The scalars of an optimizer that no optimizer of the source goes on in: the flags', or the template's.

    Gradient descent leaves nothing in a file but its step count, so that is carried over where a file
    holds no slots at all.
    """
    plain = target.kind in _STATELESS and not state.optimizers
    steps: list[Step] = []
    for role, key in target.scalars.items():
        step = kept_step(template.by_key[key], "no optimizer of its kind in the source")
        if role == "learning_rate" and options.learning_rate is not None:
            told.note(f"{target.path}: learning_rate={options.learning_rate}, from --learning_rate")
            reason = "learning_rate: --learning_rate"
            step = _step(template.by_key[key], (), (Constant(options.learning_rate),), reason)
        elif role == "learning_rate":
            told.note(f"{target.path}: learning_rate stays the template's (not in the source)")
        elif role == "iterations" and (plain or options.step is not None):
            count, notes = count_updates(state, None, state.specs, options, read)
            for note in notes:
                told.note(note)
            step = _iterations(template.by_key[key], count)
        steps.append(step)
    return steps


def step_variables(
    state: SourceState,
    template: Template,
    filled: AbstractSet[str],
    mapped: AbstractSet[str],
    options: Options,
    read: Read,
    told: Told,
) -> list[Step]:
    """Steps for integers of the template, beside its optimizers, that are named as step counts are.

    A program keeps its own `global_step`; the source's may go by any name, or only its beta powers tell.
    Nothing is done where the source's step has a place already (`mapped`) or a target is `filled`.
    """
    wanted = [
        target
        for target in template.targets
        if target.key not in filled
        and target.spec in (TensorSpec(DType.INT64, ()), TensorSpec(DType.INT32, ()))
        and any(map(is_step_name, (target.full_name, *target.paths)))
    ]
    source = next((one for one in state.optimizers if one.scalars), None)
    if not wanted or state.step in mapped or (state.step is None and source is None and options.step is None):
        return []
    count, notes = count_updates(state, source, state.specs, options, read)
    if count is None:
        return []
    for note in notes:
        told.note(note)
    likely = max(Confidence.LIKELY, count.confidence, key=list(Confidence).index)
    return [replace(_iterations(target, count), confidence=likely) for target in wanted]


def _count(
    pair: Pair,
    source: SourceOptimizer | None,
    state: SourceState,
    options: Options,
    read: Read,
    told: Told,
) -> StepCount | None:
    needed = "iterations" in pair.target.scalars or "beta1_power" in pair.target.scalars
    count, notes = count_updates(state, source, state.specs, options, read) if needed else (None, [])
    if "iterations" in pair.target.scalars:
        for note in notes:
            told.note(note)
        if count is None and source is not None and source.kind in KINDS and KINDS[source.kind].counts_steps:
            message = (
                f"{source.kind} has to know how many steps were taken, and neither a step variable nor the "
                "beta powers tell (they have underflowed, or are missing): give step (--step)"
            )
            told.problem("step", pair.target.scalars["iterations"], message)
        elif count is None:
            told.note(f"{pair.target.path}: iterations stay the template's: the source counts no steps")
    return count


def _step(
    target: Target, sources: tuple[Source, ...], transforms: tuple[Transform, ...], reason: str
) -> Step:
    return Step(
        target=target.key,
        spec=target.spec,
        sources=sources,
        transforms=transforms,
        origin="optimizer" if sources else "constant",
        reason=reason,
        paths=target.paths,
        full_name=target.full_name,
    )


def _iterations(target: Target, count: StepCount | None) -> Step:
    if count is None:
        return kept_step(target, "the source counts no steps")
    reason = f"the number of updates: {count.reason}"
    step = _step(target, count.sources, count.as_dtype(target.spec.dtype), reason)
    return replace(step, confidence=count.confidence, candidates=count.candidates)


def _power(
    role: str,
    target: Target,
    source: SourceOptimizer,
    count: StepCount | None,
    state: SourceState,
    read: Read,
    told: Told,
) -> Step:
    """beta^(t+1): the source's own, else from the step."""
    key = source.scalars.get(role)
    if key is not None:
        return _stored(target, key, state.specs[key], f"the source's {key}")
    doubts = source.doubts.get(role, ())
    if doubts:
        values = {read(each).tobytes() for each in doubts}
        step = _stored(target, doubts[0], state.specs[doubts[0]], f"one of {', '.join(doubts)}")
        if len(values) == 1:
            return replace(step, reason=f"{step.reason}, which are equal")
        return replace(step, confidence=Confidence.UNDECIDED, candidates=doubts)
    beta = role.removesuffix("_power")
    number = source.numbers.get(beta, Number())
    base = number.value if number.value is not None else _DEFAULT_BETAS[beta]
    if number.value is None:
        told.note(f"{role}: computed with {beta}={shown(base)}, the default: the source does not tell it")
    if count is None:
        told.problem(
            "step", target.key, f"{role} is {beta}^(step + 1), and nothing tells the step: give step (--step)"
        )
        return kept_step(target, "nothing tells the step")
    reason = f"{shown(base)}^(step + 1), step from {count.reason}"
    if count.value is not None and not count.sources:
        return _step(target, (), (Constant(float(base ** (count.value + 1))),), reason)
    return _step(target, count.sources, (*count.transforms, Power(base, 1, target.spec.dtype)), reason)


def _stored(target: Target, key: str, spec: TensorSpec, reason: str) -> Step:
    transforms: tuple[Transform, ...] = ()
    if spec.shape != target.spec.shape:
        transforms = (Reshape(target.spec.shape),)
    if spec.dtype is not target.spec.dtype:
        transforms = (*transforms, Cast(target.spec.dtype))
    return _step(target, (Source(key=key),), transforms, reason)


def _number(
    role: str,
    target: Target,
    source: SourceOptimizer,
    options: Options,
    state: SourceState,
    path: str,
    told: Told,
) -> Step:
    """A hyperparameter variable: the flag's, the graph's constant, the file's variable, the template's."""
    number = learning_rate(source, options) if role == "learning_rate" else source.numbers.get(role, Number())
    if number.value is not None:
        told.note(f"{path}: {role}={shown(number.value)}, from {number.origin}")
        return _step(target, (), (Constant(number.value),), f"{role}: {number.origin}")
    if number.key is not None:
        told.note(f"{path}: {role} from {number.origin}")
        return _stored(target, number.key, state.specs[number.key], f"{role}: {number.origin}")
    why = number.origin or "not known from the source"
    if source.kind in KINDS and role in KINDS[source.kind].numbers:
        told.note(f"{path}: {role} stays the template's ({why})")
    return kept_step(target, f"{role}: {why}")
