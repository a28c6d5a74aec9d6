"""The other tensors of a layer: they tell where it went, and which pair does not go with it.

Where a layer lacks a tensor on one side and its twin lacks one on the other, what is left over fits in
shape, in name and in number. But the rest of either layer went elsewhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from migration.planning.matching.sides import Side

LARGEST_LAYER = 12  # variables of one scope that can still be one layer's own


@dataclass(frozen=True)
class Siblings:
    """The tensors of each scope that is small enough to be a layer, and the partners that are known."""

    source: Side
    target: Side
    ours: Mapping[str, list[int]]
    theirs: Mapping[str, list[int]]
    to_target: Mapping[int, int]
    to_source: Mapping[int, int]

    @classmethod
    def of(cls, source: Side, target: Side, pairs: Sequence[tuple[int, int]]) -> Siblings:
        """The layers of both sides."""
        to_target, to_source = dict(pairs), {other: one for one, other in pairs}
        return cls(source, target, _layers(source), _layers(target), to_target, to_source)

    def against(self, one: int, other: int) -> bool:
        """Whether the rest of one layer went, or came, by and large elsewhere, to where the like of this pair
        is missing, and that of the other layer does not all say that the two belong together."""
        here, there = self.source.parents[one], self.target.parents[other]
        went = [
            self.target.parents[self.to_target[index]]
            for index in self.ours.get(here, ())
            if index != one and index in self.to_target
        ]
        came = [
            self.source.parents[self.to_source[index]]
            for index in self.theirs.get(there, ())
            if index != other and index in self.to_source
        ]
        left = _elsewhere(went, there, self.target, self.theirs, self.target.roles[other])
        fetched = _elsewhere(came, here, self.source, self.ours, self.source.roles[one])
        return (left and not _all(came, here)) or (fetched and not _all(went, there))


def _layers(side: Side) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, parent in enumerate(side.parents):
        members[parent].append(index)
    return {parent: inside for parent, inside in members.items() if parent and len(inside) <= LARGEST_LAYER}


def _elsewhere(
    scopes: Iterable[str], own: str, side: Side, layers: Mapping[str, list[int]], role: str
) -> bool:
    """Whether more of `scopes` are one other layer that has nothing of that role than are `own`."""
    counted = Counter(scopes)
    agreeing = counted.pop(own, 0)
    return any(
        count > agreeing and scope in layers and role not in {side.roles[index] for index in layers[scope]}
        for scope, count in counted.items()
    )


def _all(scopes: Sequence[str], own: str) -> bool:
    return bool(scopes) and all(scope == own for scope in scopes)
