"""Moving averages on their way: kept where the template has a place, dropped, or in the weights' place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from migration.planning.optimizers.state import Layout, SourceState, TargetOptimizer
from migration.planning.options import Options
from migration.planning.plan import Left, Plan, Source, Step
from migration.planning.targets import Template
from migration.tensors import TensorSpec


def promote(weight_steps: Sequence[Step], state: SourceState) -> tuple[Step, ...]:
    """The steps with each weight's average in the weight's place, where it has one (`--averages=promote`)."""
    shadows = {variable: shadow for shadow, variable in state.averages.items() if variable}
    return tuple(_promoted(step, shadows) for step in weight_steps)


def _promoted(step: Step, shadows: Mapping[str, str]) -> Step:
    if not any(source.key in shadows and not source.template for source in step.sources):
        return step
    sources = tuple(
        source if source.template else replace(source, key=shadows.get(source.key, source.key))
        for source in step.sources
    )
    return replace(
        step, sources=sources, origin="average", reason=f"its moving average; {step.reason}".rstrip("; ")
    )


def lay_out_averages(
    state: SourceState,
    targets: Sequence[TargetOptimizer],
    weight_steps: Sequence[Step],
    template: Template,
    options: Options,
) -> Layout:
    """Where the shadows go: into the averages of a Keras optimizer with `use_ema`, dropped, or left over.

    With `promote`, `weight_steps` are the promoted ones, and what is dropped is the raw weights.
    """
    shadows = {variable: shadow for shadow, variable in state.averages.items() if variable}
    steps = _ema_steps(targets, weight_steps, template, {} if options.averages == "drop" else shadows)
    used = {source.key for step in (*weight_steps, *steps) for source in step.sources if not source.template}
    if options.averages == "promote":
        drops = _promotion(state, used)
        return Layout(steps=steps, drops=drops, notes=_promoting(drops))
    left = [key for key in sorted(state.averages) if key not in used]
    if options.averages == "drop":
        drops = tuple(_left(key, state.specs, "--averages=drop") for key in left)
        return Layout(
            steps=steps, drops=drops, notes=_count(len(drops), "moving averages dropped (--averages=drop)")
        )
    why = "a moving average, and the template has no place for it: averages=drop or promote (--averages)"
    return Layout(steps=steps, unused=tuple(_left(key, state.specs, why) for key in left))


def promoted(plan: Plan, state: SourceState) -> Plan:
    """A plan that mirrors the names, with each weight's average in the weight's place."""
    steps = promote(plan.steps, state)
    drops = _promotion(state, {source.key for step in steps for source in step.sources})
    return replace(plan, steps=steps, drops=(*plan.drops, *drops), notes=(*plan.notes, *_promoting(drops)))


def _promoting(drops: Sequence[Left]) -> tuple[str, ...]:
    told = "tensors dropped: moving averages take the place of weights (--averages=promote)"
    return _count(len(drops), told)


def _promotion(state: SourceState, used: AbstractSet[str]) -> tuple[Left, ...]:
    raw = [of for shadow, of in state.averages.items() if of and shadow in used and of not in used]
    rest = [key for key in state.averages if key not in used]
    return (
        *(_left(key, state.specs, "its moving average takes its place") for key in sorted(raw)),
        *(_left(key, state.specs, "a moving average of no weight here") for key in sorted(rest)),
    )


def _ema_steps(
    targets: Sequence[TargetOptimizer],
    weight_steps: Sequence[Step],
    template: Template,
    shadows: Mapping[str, str],
) -> tuple[Step, ...]:
    by_node = {
        template.by_key[step.target].node: step for step in weight_steps if step.target in template.by_key
    }
    steps: list[Step] = []
    for optimizer in targets:
        for node, key in optimizer.averages.items():
            target, weight = template.by_key[key], by_node.get(node)
            keys = (
                [source.key for source in weight.sources if not source.template] if weight is not None else []
            )
            average = weight if weight is not None and keys and all(key in shadows for key in keys) else None
            base = _promoted(average, shadows) if average is not None else weight
            if base is None:
                base = Step(
                    target=key, spec=target.spec, sources=(Source(key=key, template=True),), origin="template"
                )
            reason = (
                "moving average" if average is not None else "no average in the source: starts at the weight"
            )
            steps.append(
                replace(
                    base,
                    target=key,
                    spec=target.spec,
                    reason=reason,
                    paths=target.paths,
                    full_name=target.full_name,
                )
            )
    return tuple(steps)


def _left(key: str, specs: Mapping[str, TensorSpec], reason: str) -> Left:
    return Left(key=key, spec=specs[key], reason=reason)


def _count(number: int, text: str) -> tuple[str, ...]:
    return (f"{number} {text}",) if number else ()
