"""Slots in a mirror: each follows its variable to where rules took it, changed as the variable was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from migration.planning.plan import Left, Source, Step
from migration.planning.transforms import Add, Mean, Product, Scale, Transform, TransformError, step_output
from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSlot:
    """A tensor of the source that is `slot_name` of `variable` under the optimizer node `optimizer`."""

    key: str
    variable: str
    optimizer: str
    slot_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSlot:
    """A slot of the tensor that is called `name` now: its step, without a target, and one of its sources."""

    name: str
    optimizer: str
    slot_name: str
    key: str
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The slots that have a place, and those that have none any more."""

    placed: Sequence[PlacedSlot]
    drops: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()


def slots_of(
    slots: Iterable[MirrorSlot], named: Mapping[str, Step], specs: Mapping[str, TensorSpec]
) -> Slots:
    """The slots of the tensors in `named`, which are steps by the names that the result gives.

    A variable that a rule reshapes, joins or parts takes its slots along in the same way. One that is
    scaled, or joined with one that has no such slot, cannot: those slots are left out, and told.
    """
    uses = _uses(named)
    families: dict[tuple[str, str], dict[str, str]] = {}
    slots = tuple(slots)
    for slot in slots:
        families.setdefault((slot.optimizer, slot.slot_name), {})[slot.variable] = slot.key
    placed: dict[tuple[str, str, str], PlacedSlot] = {}
    for slot in slots:
        family = families[slot.optimizer, slot.slot_name]
        for name in uses.get(slot.variable, ()):
            identity = (slot.optimizer, slot.slot_name, name)
            step = None if identity in placed else _followed(named[name], slot, family, specs)
            if step is not None:
                placed[identity] = PlacedSlot(
                    name=name, optimizer=slot.optimizer, slot_name=slot.slot_name, key=slot.key, step=step
                )
    used = {source.key for each in placed.values() for source in each.step.sources}
    lost = [slot for slot in slots if slot.key not in used]
    return Slots(
        placed=tuple(placed.values()),
        drops=tuple(Left(key=slot.key, spec=specs[slot.key], reason=_LOST) for slot in lost),
        notes=_notes([slot.key for slot in lost]),
    )


def _notes(lost: Sequence[str]) -> tuple[str, ...]:
    more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    return (f"left out: {', '.join(lost[:MOST_NAMED])}{more}: {_LOST}",) if lost else ()


MOST_NAMED = 3  # slots that a note names before it counts the rest
_LOST = "what becomes of its variable takes no such slot along"


def _uses(named: Mapping[str, Step]) -> dict[str, list[str]]:
    """The names of what each tensor of the source goes into."""
    uses: dict[str, list[str]] = {}
    for name, step in named.items():
        for source in step.sources:
            uses.setdefault(source.key, []).append(name)
    return uses


def _followed(
    variable: Step, slot: MirrorSlot, family: Mapping[str, str], specs: Mapping[str, TensorSpec]
) -> Step | None:
    """The variable's step over its slots; None where it cannot be."""
    if variable.is_plain:
        return _slot_step(specs[slot.key], (Source(key=slot.key),), (), slot.key)
    chains = (variable.transforms, *(source.transforms for source in variable.sources))
    scaled = any(isinstance(each, Scale | Product | Mean) for chain in chains for each in chain)
    if scaled or any(source.key not in family for source in variable.sources):
        return None
    sources = tuple(
        replace(source, key=family[source.key], transforms=_unadded(source.transforms))
        for source in variable.sources
    )
    step = _slot_step(variable.spec, sources, _unadded(variable.transforms), slot.key)
    try:
        output = step_output(step, specs)
    except TransformError:
        return None
    return replace(step, spec=output) if output.shape == variable.spec.shape else None


def _unadded(transforms: Sequence[Transform]) -> tuple[Transform, ...]:
    """Without constants that are added: the gradient, and so the slot, does not see them."""
    return tuple(each for each in transforms if not isinstance(each, Add))


def _slot_step(
    spec: TensorSpec, sources: tuple[Source, ...], transforms: tuple[Transform, ...], name: str
) -> Step:
    return Step(target="", spec=spec, sources=sources, transforms=transforms, origin="slot", full_name=name)
