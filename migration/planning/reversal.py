"""The way back of a plan's steps: one step for each tensor of the source that the result still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from migration.formats.tensor_bundle import TensorSlice
from migration.formats.tensor_slices import IncompleteSlicesError, check_cover
from migration.planning.recovery import Made, Use, uses_of, way_back, way_back_in_parts
from migration.planning.steps import Confidence, Left, SourceSignature, Step
from migration.planning.transforms import Constant
from migration.tensors import TensorSpec

MOST_NAMED = 5  # keys that a note lists before it counts the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The parts of a reversed plan."""

    specs: Mapping[str, TensorSpec]
    partitions: Mapping[str, tuple[TensorSlice, ...]]
    steps: tuple[Step, ...]
    drops: tuple[Left, ...]
    unfilled: tuple[Left, ...]
    notes: tuple[str, ...]


def reverse_steps(source: SourceSignature, steps: Sequence[Step], left: Iterable[Left]) -> WayBack:
    """The way back of `steps`, that were made for `source` and left `left` of it behind."""
    uses, partial = uses_of(source.specs, steps), partial_keys(source)
    confidences = {step.target: step.confidence for step in steps}
    partitions = _stored_partitions(source, steps)
    left = tuple(left)
    why = {item.key: item.reason or "no step took it along" for item in left}
    twins = {item.key: item.equal_to for item in left if item.equal_to}
    back: list[Step] = []
    unfilled: list[Left] = []
    rounded: list[str] = []
    for key, spec in source.specs.items():
        ways = uses.get(key) or uses.get(twins.get(key, key), [])
        made = way_back_in_parts(ways) if key in partial else way_back(ways)
        if made is None:
            unfilled.append(Left(key=key, spec=spec, reason=_reason(key, uses, why)))
            continue
        back.append(_step_back(key, made, confidences, source, partitions))
        if not made.exact:
            rounded.append(key)
    drops = _drops(steps, back)
    return WayBack(
        specs={step.target: step.spec for step in steps},
        partitions=partitions,
        steps=tuple(back),
        drops=drops,
        unfilled=tuple(unfilled),
        notes=_notes(rounded, drops),
    )


def partial_keys(source: SourceSignature) -> frozenset[str]:
    """The tensors of which the source holds some slices only."""
    found = []
    for key, parts in source.partitions.items():
        try:
            check_cover(parts, source.specs[key].shape)
        except IncompleteSlicesError:
            found.append(key)
    return frozenset(found)


def _step_back(
    key: str,
    made: Made,
    confidences: Mapping[str, Confidence],
    source: SourceSignature,
    stored: Mapping[str, tuple[TensorSlice, ...]],
) -> Step:
    step = Step(
        target=key,
        spec=source.specs[key],
        sources=made.sources,
        transforms=made.transforms,
        origin="way back",
        confidence=max((confidences[part.key] for part in made.sources), key=_ORDER.index),
    )
    wanted = tuple(source.partitions.get(key, ()))
    kept = tuple(stored.get(made.sources[0].key, ())) if step.is_plain else ()
    return step if wanted == kept else replace(step, partitions=wanted)


_ORDER = [Confidence.CERTAIN, Confidence.LIKELY, Confidence.UNDECIDED]


def _stored_partitions(source: SourceSignature, steps: Sequence[Step]) -> dict[str, tuple[TensorSlice, ...]]:
    """The slices in which the result stores its tensors, where it does."""
    found: dict[str, tuple[TensorSlice, ...]] = {}
    for step in steps:
        slices = step.partitions
        if slices is None and step.is_plain:
            slices = source.partitions.get(step.sources[0].key)
        if slices:
            found[step.target] = tuple(slices)
    return found


def _reason(key: str, uses: Mapping[str, Sequence[Use]], left: Mapping[str, str]) -> str:
    """Why a tensor does not come back."""
    if key not in uses:
        return f"not in the result: {left.get(key, 'no step took it along')}"
    for use in uses[key]:
        for link in use.links:
            if link.back is None:
                return f"{use.step.target} holds a part or a change of it that {link.transform.name} made"
    return "the tensors made of it do not give it back"


def _drops(steps: Sequence[Step], back: Sequence[Step]) -> tuple[Left, ...]:
    """What the result holds and the way back does not read."""
    read = {source.key for step in back for source in step.sources}
    return tuple(
        Left(key=step.target, spec=step.spec, reason=_why_dropped(step))
        for step in steps
        if step.target not in read
    )


def _why_dropped(step: Step) -> str:
    if any(isinstance(transform, Constant) for transform in step.transforms):
        return "a constant of the plan"
    if step.sources and all(source.template for source in step.sources):
        return "came from the template"
    if not step.sources:
        return "was undecided"
    keys = ", ".join(source.key for source in step.sources if not source.template)
    return f"made of {keys}, which other tensors give back or nothing does"


def _notes(rounded: Sequence[str], drops: Sequence[Left]) -> tuple[str, ...]:
    notes: list[str] = []
    if rounded:
        notes.append(f"up to rounding, not bit for bit, come back: {_listed(rounded)}")
    vanishing = [
        item.key for item in drops if item.reason in ("a constant of the plan", "came from the template")
    ]
    if vanishing:
        notes.append(f"constants and tensors of the template have no way back: {_listed(vanishing)}")
    return tuple(notes)


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:MOST_NAMED])
    return shown if len(keys) <= MOST_NAMED else f"{shown} and {len(keys) - MOST_NAMED} more"
