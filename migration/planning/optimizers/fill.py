"""The way back onto names that are known: what a reversed plan cannot fill is computed from what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.back import (
    beta_of,
    count_step,
    power_step,
    slot_step,
    zeros_step,
)
from migration.planning.optimizers.hyperparameters import shown
from migration.planning.optimizers.slots import Told
from migration.planning.optimizers.state import Layout, SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.optimizers.template import recognise_template
from migration.planning.options import Options
from migration.planning.plan import Source, Step
from migration.planning.targets import Template
from migration.planning.transforms import Cast
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]


def fill_back(
    state: SourceState,
    forward: Sequence[Step],
    objects: Template,
    wanted: Iterable[str],
    options: Options,
    read: Read,
    unchanged: Callable[[str, str], bool] = lambda name, iterations: False,
) -> Layout:
    """Steps for names of `wanted` that a reversed plan leaves unfilled, or knows only as they were.

    `state` is the name-based side as `recognise` saw it, `forward` the plan's steps from there to
    `objects`. Beta powers come from the step count, the step from `iterations`, stored learning rates from
    the optimizer's, and RMSProp's momentum, where it was 0 and went nowhere, as zeros. `unchanged(name,
    iterations key)` may say that a beta power is still the one that is known: it gets no step.
    """
    told = Told()
    steps: dict[str, Step] = {}
    names = set(wanted)
    for optimizer, target in _partners(state, forward, recognise_template(objects)):
        iterations = target.scalars.get("iterations")
        for role, name in _scalar_names(optimizer):
            if name not in names:
                continue
            own = target.scalars.get(role)
            if own is not None:
                steps[name] = _plain(name, state.specs[name], own, objects)
            elif iterations is not None and not unchanged(name, iterations):
                beta, origin = beta_of(role.removesuffix("_power"), target, read, optimizer)
                steps[name] = power_step(name, state.specs[name], beta, iterations)
                told.note(f"{name} = {shown(beta)}^(iterations + 1); {shown(beta)} is {origin}")
        for (_, slot), name in optimizer.slots.items():
            if name in names and optimizer.kind == "RMSProp" and slot == "momentum":
                steps[name] = zeros_step(name, state.specs[name], "the target keeps no momentum")
            elif name in names and optimizer.kind == "Momentum":
                step = _momentum_back(name, forward, target, objects, options, told)
                steps |= {name: step} if step is not None else {}
        for role, number in optimizer.numbers.items():
            if number.key in names and number.key is not None and role in target.scalars:
                steps[number.key] = _plain(number.key, state.specs[number.key], target.scalars[role], objects)
        if (
            state.step in names
            and state.step is not None
            and iterations is not None
            and state.step not in steps
        ):
            steps[state.step] = count_step(state.step, state.specs[state.step], iterations, objects)
    return Layout(
        steps=tuple(steps.values()), notes=tuple(told.notes), problems=tuple(told.problems.values())
    )


def _partners(
    state: SourceState, forward: Sequence[Step], targets: Sequence[TargetOptimizer]
) -> Iterator[tuple[SourceOptimizer, TargetOptimizer]]:
    """The optimizers that the forward plan joined: a slot of the one was made of a slot of the other."""
    sources = {
        step.target: {source.key for source in step.sources if not source.template} for step in forward
    }
    for optimizer in state.optimizers:
        keys = set(optimizer.slots.values())
        for target in targets:
            if any(sources.get(key, set()) & keys for key in target.slots.values()):
                yield optimizer, target
                break


def _scalar_names(optimizer: SourceOptimizer) -> Iterator[tuple[str, str]]:
    for role in ("beta1_power", "beta2_power"):
        for name in (optimizer.scalars.get(role), *optimizer.doubts.get(role, ())):
            if name is not None:
                yield role, name


def _plain(name: str, spec: TensorSpec, key: str, objects: Template) -> Step:
    cast = (Cast(spec.dtype),) if objects.by_key[key].spec.dtype is not spec.dtype else ()
    return Step(
        target=name,
        spec=spec,
        sources=(Source(key=key),),
        transforms=cast,
        origin="optimizer",
        full_name=name,
    )


def _momentum_back(
    name: str,
    forward: Sequence[Step],
    target: TargetOptimizer,
    objects: Template,
    options: Options,
    told: Told,
) -> Step | None:
    """A momentum slot whose velocity was made with a learning rate that another tensor holds."""
    for step in forward:
        if step.target in target.slots.values() and name in {source.key for source in step.sources[:1]}:
            if step.sources[0].transforms:  # cut or turned on the way: the plan's own way back has to do it
                return None
            return slot_step(name, step.target, "momentum", target, objects, options, told)
    return None
