"""Kinds of names, numbers left open, and where the tensors of each kind went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from migration.planning.matching.sides import Side

FEWEST = 2  # pairs that show where a kind goes
MOSTLY = 0.7


@dataclass(frozen=True)
class Kinds:
    """How many pairs each two kinds of names share, and how many each has."""

    source: Side
    target: Side
    both: Counter[tuple[str, str]]
    ours: Counter[str]
    theirs: Counter[str]

    @classmethod
    def of(cls, source: Side, target: Side, pairs: Sequence[tuple[int, int]]) -> Kinds:
        """The kinds of the pairs."""
        kinds = [(source.kinds[one], target.kinds[other]) for one, other in pairs]
        return cls(
            source,
            target,
            Counter(kinds),
            Counter(ours for ours, _ in kinds),
            Counter(theirs for _, theirs in kinds),
        )

    def against(self, one: int, other: int) -> bool:
        """Whether both tensors' kinds go elsewhere, as a rule."""
        ours, theirs = self.source.kinds[one], self.target.kinds[other]
        same = self.both[ours, theirs]
        return all(
            total - same >= FEWEST and total - same > MOSTLY * total
            for total in (self.ours[ours], self.theirs[theirs])
        )
