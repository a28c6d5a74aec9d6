"""The way back onto names that are known: what a reversed plan cannot fill is computed from what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.back import (
    beta_of,
    count_step,
    power_step,
    said_power,
    said_step,
    slot_step,
    sureness,
    zeros_step,
)
from migration.planning.optimizers.hyperparameters import shown
from migration.planning.optimizers.misnamed import stored_keys
from migration.planning.optimizers.powers import as_float32
from migration.planning.optimizers.slots import Told
from migration.planning.optimizers.state import Layout, SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.optimizers.template import recognise_template
from migration.planning.options import Options
from migration.planning.plan import Source, Step
from migration.planning.targets import Template
from migration.planning.transforms import Cast

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
    told, names = Told(), frozenset(wanted)
    steps: dict[str, Step] = {}
    for optimizer, targets in _partners(state, forward, recognise_template(objects)):
        filler = _Filler(state, objects, optimizer, targets, options, read, told)
        for step in (
            *filler.powers(names, unchanged),
            *filler.slots(names, forward),
            *filler.numbers(names, forward),
        ):
            steps[step.target] = step
    return Layout(
        steps=tuple(steps.values()), notes=tuple(told.notes), problems=tuple(told.problems.values())
    )


@dataclass(frozen=True, slots=True)
class _Filler:
    """One optimizer of the names, those of the objects that went on for it, and what all stand in."""

    state: SourceState
    objects: Template
    optimizer: SourceOptimizer
    targets: tuple[TargetOptimizer, ...]
    options: Options
    read: Read
    told: Told

    @property
    def target(self) -> TargetOptimizer:
        return self.targets[0]

    def powers(self, names: AbstractSet[str], unchanged: Callable[[str, str], bool]) -> Iterator[Step]:
        """Beta powers: the target's own, else of its step count."""
        iterations = self.target.scalars.get("iterations")
        for role, name in _scalar_names(self.optimizer):
            own = self.target.scalars.get(role)
            if name not in names:
                continue
            if own is not None and self._is_told(role, name, role):
                yield self._plain(name, own)
            elif own is None and iterations is not None and not unchanged(name, iterations):
                told = self._beta(role, name)
                if told is not None:
                    beta, origin = told
                    self.told.note(f"{name} = {shown(beta)}^(iterations + 1); {shown(beta)} is {origin}")
                    step = power_step(name, self.state.specs[name], beta, iterations, sureness(origin))
                    yield step if self.options.step is None else said_power(step, beta, self.options.step)

    def _beta(self, role: str, name: str) -> tuple[float, str] | None:
        """The beta whose power `name` is, and where it is from; None where one of several optimizers of the
        objects, of different counts or betas, may be meant."""
        for pair in self.optimizer.powers:
            if pair.keys.get(role) == name and role in pair.betas and self._alike("iterations"):
                return as_float32(pair.betas[role]), f"the root of {name} at step {pair.count}"
        beta = role.removesuffix("_power")
        if not self._is_told(role, name, "iterations", beta):
            return None
        return beta_of(beta, self.target, self.read, self.optimizer)

    def _is_told(self, role: str, name: str, *alike: str) -> bool:
        """Whether it is clear which of the objects' optimizers a power belongs to, or all are alike."""
        if name not in self.optimizer.doubts.get(role, ()) or all(map(self._alike, alike)):
            return True
        places = ", ".join(target.path for target in self.targets)
        message = f"nothing tells which of {places} it belongs to, and their counts or betas differ"
        self.told.problem("beta power", name, message)
        return False

    def _alike(self, role: str) -> bool:
        """Whether every optimizer of the objects that goes on for this one has the same number there."""
        keys = [target.scalars[role] for target in self.targets if role in target.scalars]
        return len({float(self.read(key).reshape(-1)[0]) for key in keys}) <= 1

    def slots(self, names: AbstractSet[str], forward: Sequence[Step]) -> Iterator[Step]:
        """A momentum that was 0 as zeros; one whose velocity was made with a stored rate, by the rate."""
        for (_, slot), name in self.optimizer.slots.items():
            if name in self.state.assemblies:
                yield from self._zeros_in_parts(name, slot, names)
            elif name in names and self.optimizer.kind == "RMSProp" and slot == "momentum":
                yield zeros_step(name, self.state.specs[name], "the target keeps no momentum")
            elif name in names and self.optimizer.kind == "Momentum":
                yield from self._momentum(name, slot, forward)

    def _zeros_in_parts(self, name: str, slot: str, names: AbstractSet[str]) -> Iterator[Step]:
        one = self.state.assemblies[name]
        for key in one.keys if self.optimizer.kind == "RMSProp" and slot == "momentum" else ():
            if key in names:
                parts = tuple(part for held, part in one.parts if held == key)
                step = zeros_step(key, one.spec, "the target keeps no momentum")
                yield replace(step, partitions=parts)

    def _momentum(self, name: str, slot: str, forward: Sequence[Step]) -> Iterator[Step]:
        for target in self.targets:
            made = [step for step in forward if step.target in target.slots.values()]
            for step in (step for step in made if name in {source.key for source in step.sources[:1]}):
                if not step.sources[0].transforms:  # else only the plan's own way back undoes them
                    yield slot_step(name, step.target, slot, target, self.objects, self.options, self.told)

    def numbers(self, names: AbstractSet[str], forward: Sequence[Step]) -> Iterator[Step]:
        """Hyperparameters that were variables, and the step."""
        for role, number in self.optimizer.numbers.items():
            if number.key is not None and number.key in names and role in self.target.scalars:
                yield self._plain(number.key, self.target.scalars[role])
        step, iterations = self.state.step, self.target.scalars.get("iterations")
        if step is None or step not in names:
            return
        if self.options.step is not None:
            yield said_step(step, self.state.specs[step], self.options.step)
        elif iterations is not None and self._counts_steps(step, iterations, forward):
            yield count_step(step, self.state.specs[step], iterations, self.objects)

    def _counts_steps(self, step: str, iterations: str, forward: Sequence[Step]) -> bool:
        """Whether iterations go on for the step: made of it, and not of beta powers that gainsaid it."""
        made = [one for one in forward if one.target == iterations]
        keys = {source.key for one in made for source in one.sources if not source.template}
        if not keys or step in keys:
            return True
        message = (
            "the optimizer's count of updates is another one, and nothing else goes on for it: "
            "give step (--step)"
        )
        self.told.problem("step", step, message)
        return False

    def _plain(self, name: str, key: str) -> Step:
        spec = self.state.specs[name]
        cast = (Cast(spec.dtype),) if self.objects.by_key[key].spec.dtype is not spec.dtype else ()
        return Step(
            target=name,
            spec=spec,
            sources=(Source(key=key),),
            transforms=cast,
            origin="optimizer",
            full_name=name,
        )


def _partners(
    state: SourceState, forward: Sequence[Step], targets: Sequence[TargetOptimizer]
) -> Iterator[tuple[SourceOptimizer, tuple[TargetOptimizer, ...]]]:
    """The optimizers that the forward plan joined: a slot of the ones was made of a slot of the other."""
    sources = {
        step.target: {source.key for source in step.sources if not source.template} for step in forward
    }
    for optimizer in state.optimizers:
        keys = stored_keys(optimizer.slots.values(), state.assemblies)
        joined = tuple(
            target
            for target in targets
            if any(sources.get(key, set()) & keys for key in target.slots.values())
        )
        if joined:
            yield optimizer, joined


def _scalar_names(optimizer: SourceOptimizer) -> Iterator[tuple[str, str]]:
    for role in ("beta1_power", "beta2_power"):
        for name in (optimizer.scalars.get(role), *optimizer.doubts.get(role, ())):
            if name is not None:
                yield role, name
