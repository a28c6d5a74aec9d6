"""Slots that TensorFlow saved under crippled names, one for every part of a variable, put together again.

The slot of a part of a partitioned variable is `[scope/]variable/part_N/Slot`. A Saver stores it as a slice
of a tensor that is named after the whole variable and what is left of the slot's name once as many
characters as `variable/part_N/` has are cut off its front (slot_creator.py, _create_slot_var). For a slot
made inside a variable scope those are the wrong ones: `train/emb/part_0/Adam` becomes `emb/art_0/Adam`, so
that every part has a tensor of its own, of which the file holds one slice. Averages go the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration.formats.tensor_bundle import TensorSlice
from migration.planning.steps import Left, Source, Step
from migration.planning.transforms import Concat, Slice
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

Specs = Mapping[str, TensorSpec]
_POWER = "beta1_power"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """A tensor in parts: the name that it should have had, the axis of its cuts, each part with its key."""

    name: str
    spec: TensorSpec
    axis: int
    parts: tuple[tuple[str, TensorSlice], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the parts, each once."""
        return tuple(dict.fromkeys(key for key, _ in self.parts))

    @property
    def join(self) -> Concat:
        """What makes one tensor of the sources."""
        return Concat(self.axis, tuple(part.shape(self.spec.shape)[self.axis] for _, part in self.parts))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The parts in order, each cut out of its tensor."""
        shape = self.spec.shape
        return tuple(
            Source(key=key, transforms=(Slice(part.starts, part.shape(shape)),)) for key, part in self.parts
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice under a crippled name: the variable, the number of its part, what was left of the scope and
    the part's name, and the slot."""

    key: str
    variable: str
    number: int
    rest: str
    slot: str
    extent: TensorSlice


def assemblies_of(source: Checkpoint, names: Iterable[str]) -> dict[str, Assembly]:
    """The tensors among `names` that a Saver took apart, by the name that each should have had."""
    if not source.incomplete:
        return {}
    names = frozenset(names)
    groups: dict[tuple[str, str, int], list[_Part]] = {}
    for key in source.incomplete:
        for part in _parts(key, source) if key in names else ():
            groups.setdefault((part.variable, part.slot, len(part.rest)), []).append(part)
    found: dict[str, Assembly] = {}
    whole = {name: source.specs[name] for name in names if name not in source.incomplete}
    for (variable, slot, _), group in groups.items():
        one = _assembly(source, variable, slot, sorted(group, key=lambda part: part.number), whole)
        if one is not None and one.name not in found:
            found[one.name] = one
    return found


def _parts(key: str, source: Checkpoint) -> Iterator[_Part]:
    """The slices of an incomplete tensor, if its name can be a crippled one."""
    spec = source.specs[key]
    for end in reversed([at for at, letter in enumerate(key) if letter == "/"]):
        variable, (rest, slash, slot) = key[:end], key[end + 1 :].rpartition("/")
        whole = source.partitions.get(variable)
        if not whole or variable in source.incomplete or source.specs[variable].shape != spec.shape:
            continue
        numbers = {part: number for number, part in enumerate(whole)}
        held = [(numbers.get(part), part) for part in source.partitions[key]]
        if slash and all(number is not None and _is_left(rest, variable, number) for number, _ in held):
            yield from (_Part(key, variable, number or 0, rest, slot, part) for number, part in held)
            return


def _is_left(rest: str, variable: str, number: int) -> bool:
    """Whether `rest` is the end of `scope/variable/part_N`, for some scope as long as it is."""
    full = f"/{variable}/part_{number}"
    return full.endswith(rest) or rest.endswith(full)


def _assembly(
    source: Checkpoint, variable: str, slot: str, group: list[_Part], whole: Specs
) -> Assembly | None:
    spec, wanted = source.specs[group[0].key], source.partitions[variable]
    cut = {axis for part in wanted for axis, start in enumerate(part.starts) if start}
    if [part.extent for part in group] != list(wanted) or len(cut) != 1:
        return None
    scope = _scope(group[0], whole)
    name = "/".join(filter(None, (scope, variable, slot)))
    if name in source.specs:
        return None
    parts = tuple((part.key, part.extent) for part in group)
    return Assembly(name=name, spec=spec, axis=cut.pop(), parts=parts)


def _scope(part: _Part, whole: Specs) -> str:
    """The scope whose length the name tells: that of the same slot of whole variables, or of beta powers."""
    width = len(part.rest)
    found: set[str] = set()
    for key in whole:
        base, _, last = key.rpartition("/")
        scope, variable = base[:width], base[width + 1 :]
        if last == part.slot and base[width : width + 1] == "/" and variable in whole:
            found.add(scope)
    powers = {key.removesuffix(f"/{_POWER}") for key in whole if key.endswith(f"/{_POWER}")}
    found = found or {scope for scope in powers if len(scope) == width}
    return found.pop() if len(found) == 1 else ""


def put_together(step: Step, assemblies: Mapping[str, Assembly]) -> Step | None:
    """The step with the parts in place of every tensor that was taken apart; None where a step, which joins
    once, cannot say it."""
    named = [source for source in step.sources if source.key in assemblies and not source.template]
    if not named:
        return step
    told = f"{step.reason}; {_TOLD}" if step.reason else _TOLD
    if len(step.sources) == 1:
        one = assemblies[named[0].key]
        chain = (one.join, *named[0].transforms, *step.transforms)
        return replace(step, sources=one.sources, transforms=chain, reason=told)
    join = step.transforms[0]
    axes = {assemblies[source.key].axis for source in named}
    if not isinstance(join, Concat) or axes != {join.axis} or any(one.transforms for one in named):
        return None
    spread = [assemblies[one.key].sources if one in named else (one,) for one in step.sources]
    sources = tuple(source for each in spread for source in each)
    return replace(step, sources=sources, transforms=(Concat(join.axis), *step.transforms[1:]), reason=told)


_TOLD = "of the slices that TensorFlow named after each part"


def spread(lefts: Iterable[Left], assemblies: Mapping[str, Assembly]) -> tuple[Left, ...]:
    """What is left over, with the keys that the file has in place of those that it should have had."""
    return tuple(
        replace(left, key=key)
        for left in lefts
        for key in (assemblies[left.key].keys if left.key in assemblies else (left.key,))
    )


def stored_keys(keys: Iterable[str], assemblies: Mapping[str, Assembly]) -> frozenset[str]:
    """The keys that the file has for those of `keys`."""
    return frozenset(
        stored for key in keys for stored in (assemblies[key].keys if key in assemblies else (key,))
    )
