"""Scopes of both sides that belong to each other alone, and pairs that break out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]

FEWEST = 3  # pairs inside that make two scopes belong to each other
LARGEST = 0.5  # the part of all pairs in a scope that is still a part, and not the whole with some exceptions
MUTUAL = 0.75  # the part of either scope's pairs that lie inside both


@dataclass(frozen=True)
class Nests:
    """For each scope that has one the scope of the other side that it belongs to."""

    source: Matrix
    target: Matrix
    to_target: dict[int, int]
    to_source: dict[int, int]

    @classmethod
    def of(cls, source: Side, target: Side, pairs: Sequence[tuple[int, int]]) -> Nests:
        """The scopes that the pairs show to belong to each other."""
        ours, theirs = source.scope_matrix, target.scope_matrix
        shape = (len(source), len(target))
        together = csr_matrix(
            (np.ones(len(pairs)), ([one for one, _ in pairs], [other for _, other in pairs])), shape=shape
        )
        inside = (ours.T @ together @ theirs).tocoo()
        our_pairs = np.asarray(ours.T @ together.sum(axis=1)).ravel()
        their_pairs = np.asarray(theirs.T @ together.sum(axis=0).T).ravel()
        mutual = np.minimum(
            inside.data / np.maximum(our_pairs[inside.row], 1),
            inside.data / np.maximum(their_pairs[inside.col], 1),
        )
        small = np.maximum(our_pairs[inside.row], their_pairs[inside.col]) <= LARGEST * len(pairs)
        kept = (inside.data >= FEWEST) & (mutual >= MUTUAL) & small
        to_target: dict[int, int] = {}
        to_source: dict[int, int] = {}
        for place in np.argsort(mutual)[::1]:
            if kept[place]:
                to_target[int(inside.row[place])] = int(inside.col[place])
                to_source[int(inside.col[place])] = int(inside.row[place])
        return cls(ours, theirs, to_target, to_source)

    def against(self, one: int, other: int) -> bool:
        """Whether one of the two lies in a scope whose counterpart the other lies outside of."""
        ours = set(self.source.indices[self.source.indptr[one] : self.source.indptr[one + 1]].tolist())
        theirs = set(self.target.indices[self.target.indptr[other] : self.target.indptr[other + 1]].tolist())
        return any(scope in self.to_target and self.to_target[scope] not in theirs for scope in ours) or any(
            scope in self.to_source and self.to_source[scope] not in ours for scope in theirs
        )
