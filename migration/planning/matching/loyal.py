"""Words that keep to each other: what lies in `target` here lies in `target` there, in all other pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from migration.planning.matching.sides import Side
from migration.planning.matching.vocabulary import merged

FEWEST = 2  # pairs, the one in question aside, that show that a word is kept
MOSTLY = 0.75  # the part of the pairs with a word on either side that have it on both
LAYER = 2  # the last segments of a name: a tensor, and the layer that it is of


@dataclass(frozen=True)
class Loyal:
    """The words of both sides, those of the scopes around layers, and how many pairs have each on either
    side, and on both."""

    ours: Sequence[frozenset[str]]
    theirs: Sequence[frozenset[str]]
    around: frozenset[str]
    either: Counter[str]
    both: Counter[str]

    @classmethod
    def of(cls, source: Side, target: Side, pairs: Sequence[tuple[int, int]]) -> Loyal:
        """The words of the pairs, variants of one word taken as one."""
        ours, theirs = merged(source.words, target.words)
        either = Counter(word for one, other in pairs for word in ours[one] | theirs[other])
        both = Counter(word for one, other in pairs for word in ours[one] & theirs[other])
        return cls(ours, theirs, _around(source) & _around(target), either, both)

    def against(self, one: int, other: int) -> bool:
        """Whether a scope of the one has a word that goes with itself in other pairs, and here does not."""
        return any(
            self.both[word] >= FEWEST and self.both[word] >= MOSTLY * (self.either[word] - 1)
            for word in (self.ours[one] ^ self.theirs[other]) & self.around
        )


def _around(side: Side) -> frozenset[str]:
    """The words of scopes that hold layers; words of layers tell what those are, which has many names."""
    return frozenset(
        word
        for readings in side.readings
        for reading in readings
        for segment in reading.segments[:-LAYER]
        for word in segment
    )
