"""Which optimizer of the source goes on in which of the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migration.planning.optimizers.state import SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.plan import Step
from migration.planning.targets import Template

# An optimizer of the left kind goes on in one of the right kinds; the first is the equal one.
_GOES_ON_IN: Mapping[str, tuple[str, ...]] = {
    "AdamWeightDecay": ("Adam",),
    "GradientDescent": ("GradientDescent", "Momentum"),
    "Momentum": ("Momentum", "GradientDescent"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A target optimizer and the source optimizers that feed it (several where it trains all they did)."""

    target: TargetOptimizer
    sources: tuple[SourceOptimizer, ...]

    @property
    def first(self) -> SourceOptimizer | None:
        """The one that counts steps and gives numbers: the one that trains most."""
        return max(self.sources, key=lambda one: len(one.variables), default=None)


def pairs_of(
    state: SourceState, targets: Sequence[TargetOptimizer], weight_steps: Sequence[Step], template: Template
) -> tuple[Pair, ...]:
    """A pair for each target optimizer, with the sources of its kind that train its variables.

    With several optimizers over the same variables on both sides, each source is given once, in order.
    """
    of_node = _sources_by_node(state, weight_steps, template)
    found: list[Pair] = []
    given: set[int] = set()
    for target in targets:
        wanted = {key for node in target.variables for key in of_node.get(node, ())}
        fitting = [
            (place, one)
            for place, one in enumerate(state.optimizers)
            if _fits(one, target) and (one.variables & wanted or not target.variables)
        ]
        fresh = [(place, one) for place, one in fitting if place not in given] or fitting
        chosen = _covering(fresh)
        given |= {place for place, _ in chosen}
        sources = tuple(one for _, one in chosen)
        found.append(Pair(target=target, sources=sources))
    return tuple(found)


def _sources_by_node(
    state: SourceState, weight_steps: Sequence[Step], template: Template
) -> dict[int, tuple[str, ...]]:
    return {
        template.by_key[step.target].node: state.variables_of(step)
        for step in weight_steps
        if step.target in template.by_key
    }


def _covering(fitting: list[tuple[int, SourceOptimizer]]) -> list[tuple[int, SourceOptimizer]]:
    """The sources in order, without those over variables that an earlier one already feeds."""
    chosen: list[tuple[int, SourceOptimizer]] = []
    fed: set[str] = set()
    for place, one in fitting:
        if not (one.variables & fed):
            chosen.append((place, one))
            fed |= one.variables
    return chosen


def goes_on_in(kind: str) -> tuple[str, ...]:
    """The target kinds that can go on where a source of this kind stopped."""
    return _GOES_ON_IN.get(kind, (kind,))


def is_ambiguous(source: SourceOptimizer, target: TargetOptimizer) -> bool:
    """Whether slots m and v were taken for Adam's, and are those of a relative that the source tells."""
    return (
        target.flavour in ("tf_keras_legacy", "tf_keras")
        and target.kind == "Adam"
        and source.kind in ("Adamax", "Nadam")
    )


def _fits(source: SourceOptimizer, target: TargetOptimizer) -> bool:
    if target.kind is not None:
        return target.kind in goes_on_in(source.kind) or is_ambiguous(source, target)
    return not target.built
