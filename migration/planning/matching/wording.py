"""Why a pair was proposed, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from migration.planning.matching.blocks import Blocks
from migration.planning.matching.shapes import Fit, fit
from migration.planning.matching.sides import Side
from migration.planning.matching.tiers import Decided
from migration.planning.matching.vocabulary import merged
from migration.planning.plan import Confidence

MOST_WORDS = 4
_SHAPES = {
    Fit.EXACT: "same shape",
    Fit.SQUEEZED: "same shape but for dimensions of one",
    Fit.FLATTENED: "same elements, as a vector on one side only",
    Fit.REGROUPED: "same elements with dimensions joined or parted",
    Fit.TRANSPOSED: "same shape once transposed",
}


@dataclass(frozen=True)
class Wording:
    """What is needed to put a pair's reasons into words."""

    source: Side
    target: Side
    our_words: list[frozenset[str]]
    their_words: list[frozenset[str]]
    sizes: dict[int, tuple[int, int]]
    layers: Counter[tuple[str, str]]

    @classmethod
    def of(
        cls,
        source: Side,
        target: Side,
        blocks: Blocks,
        decided: Sequence[Decided],
        pinned: Sequence[tuple[int, int]],
    ) -> Wording:
        """The words that both sides share, the sizes of blocks, and the layers that go together."""
        ours, theirs = merged(source.words, target.words)
        sizes = {
            int(column): (len(block.rows), len(block.columns))
            for block in blocks.parts
            for column in block.columns
        }
        pairs = [*pinned, *((pair.source, pair.target) for pair in decided)]
        layers = Counter((source.parents[one], target.parents[other]) for one, other in pairs)
        return cls(source, target, ours, theirs, sizes, layers)

    def decided(self, pair: Decided) -> str:
        """Why a pair was decided."""
        said = [*self._said(pair.source, pair.target), *self._around(pair)]
        if pair.confidence is Confidence.LIKELY and pair.order <= 0 and len(said) < 2:
            said.append("little else speaks for it")
        return "; ".join(said)

    def undecided(self, one: int, other: int, near: int) -> str:
        """Why a guess was not decided."""
        told = "others fit as well" if near > 1 else "too little speaks for it"
        return "; ".join([*self._said(one, other), told])

    def _said(self, one: int, other: int) -> list[str]:
        ours, theirs = self.source.specs[one], self.target.specs[other]
        fitting = fit(ours, theirs)
        said = [_SHAPES[fitting.fit]]
        if self.sizes[other] == (1, 1):
            said = [f"{said[0]}, the only tensors of {ours.size} elements" if ours.size > 1 else said[0]]
        if fitting.fit is not Fit.EXACT:
            said[0] += f" ({list(ours.shape)} to {list(theirs.shape)})"
        if self.source.roles[one] and self.source.roles[one] == self.target.roles[other]:
            said.append(f"both names say {self.source.roles[one]}")
        shared = sorted(self.our_words[one] & self.their_words[other])
        if shared:
            more = ", ..." if len(shared) > MOST_WORDS else ""
            said.append(f"names share {', '.join(shared[:MOST_WORDS])}{more}")
        return said

    def _around(self, pair: Decided) -> list[str]:
        said = []
        if pair.numbers > 0:
            said.append("numbers agree")
        ours, theirs = self.source.parents[pair.source], self.target.parents[pair.target]
        if ours and theirs and self.layers[ours, theirs] > 1:
            said.append(f"{ours} goes with {theirs}")
        elif pair.scopes > 1:
            said.append("scopes around it go together")
        if pair.order > 0:
            said.append("order of creation agrees")
        return said
