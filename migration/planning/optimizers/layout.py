"""`lay_out`: every tensor of the template's optimizers gets a step, every left-over of the source a word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.equivalence import differences
from migration.planning.optimizers.leftovers import leftovers
from migration.planning.optimizers.matching import Pair, is_ambiguous, pairs_of
from migration.planning.optimizers.scalars import scalar_steps, step_variables
from migration.planning.optimizers.slots import Told, slot_steps
from migration.planning.optimizers.state import Layout, SourceState, TargetOptimizer
from migration.planning.options import Options
from migration.planning.plan import Step
from migration.planning.targets import Template

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]


def lay_out(
    state: SourceState,
    targets: Sequence[TargetOptimizer],
    weight_steps: Sequence[Step],
    template: Template,
    options: Options,
    read: Read,
) -> Layout:
    """The optimizers' part of a plan.

    `weight_steps` are the decided steps of everything else; a weight's slots go the way that it goes.
    `read` gives scalars of the source. Every key of `targets` but their averages gets a step: of the
    source, of a constant, or of the template (averages are `lay_out_averages`'s); but for those that a
    problem names. A step variable of the template's own that nothing else fills gets the count as well.
    """
    told = Told()
    pairs = pairs_of(state, targets, weight_steps, template)
    weights = {
        template.by_key[step.target].node: step for step in weight_steps if step.target in template.by_key
    }
    steps: list[Step] = []
    for pair in pairs:
        steps += slot_steps(pair, state, weights, template, options, read, told)
        steps += scalar_steps(pair, state, template, options, read, told)
        if pair.first is not None and options.optimizer != "drop":
            if is_ambiguous(pair.first, pair.target):
                alike = (
                    f"Adam, Adamax and Nadam look alike there: taken for {pair.first.kind}, as the source is"
                )
                told.note(f"{pair.target.path}: {alike}")
            for note in differences(pair.first, pair.target, read):
                told.note(note)
    mapped = {variable for step in weight_steps for variable in state.variables_of(step)}
    taken = {step.target for step in weight_steps} | {key for target in targets for key in target.keys}
    steps += step_variables(state, template, taken, mapped, options, read, told)
    steps = list({step.target: step for step in steps}.values())  # wrappers share their inner one's variables
    used = {source.key for step in steps for source in step.sources if not source.template}
    drops, unused = leftovers(state, pairs, used, mapped, options, told)
    _tell_merged(pairs, told)
    return Layout(
        steps=tuple(steps),
        drops=tuple(drops),
        unused=tuple(unused),
        notes=tuple(told.notes),
        problems=tuple(told.problems.values()),
    )


def _tell_merged(pairs: Sequence[Pair], told: Told) -> None:
    """Several optimizers that one target goes on for: one step count and one learning rate for all."""
    for pair in pairs:
        if len(pair.sources) > 1 and pair.first is not None:
            others = ", ".join(one.name for one in pair.sources if one is not pair.first)
            told.note(
                f"{pair.target.path} goes on for {len(pair.sources)} optimizers of the source; its step and "
                f"hyperparameters are those of {pair.first.name}, not of {others}"
            )
