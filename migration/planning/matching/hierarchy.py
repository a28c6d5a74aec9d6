"""Scopes that go together: where tensors of one scope belong to one subtree, its other tensors follow.

How well two scopes go together is twice the weight of the pairs between them over the weight of all
pairs of either (Dice's coefficient): 1 where every tensor of one belongs to the other. It counts less
where pairs are few, and where one scope is larger: then it may be more than the other's counterpart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, diags

from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]

FEW = 0.5  # pairs: so little tells half as much as ever so many
FAINT = 0.02  # agreement below this is chance


@dataclass(frozen=True)
class Hierarchy:
    """The scopes of both sides, and how far each two go together by the pairs that were given."""

    source: Matrix
    target: Matrix
    affinity: Matrix

    @classmethod
    def of(cls, source: Side, target: Side, together: Matrix) -> Hierarchy:
        """The affinities that `together`, the weight of each pair (source by target), shows."""
        ours, theirs = source.scope_matrix, target.scope_matrix
        between = (ours.T @ together @ theirs).tocoo()
        our_weight = np.asarray(ours.T @ together.sum(axis=1)).ravel()
        their_weight = np.asarray(theirs.T @ together.sum(axis=0).T).ravel()
        dice = 2 * between.data / np.maximum(our_weight[between.row] + their_weight[between.col], 1e-9)
        dice *= between.data / (between.data + FEW)
        our_size, their_size = (np.asarray(side.sum(axis=0)).ravel() for side in (ours, theirs))
        one, other = our_size[between.row], their_size[between.col]
        dice *= np.minimum(one, other) / np.maximum(one, other)
        kept = dice > FAINT
        affinity = csr_matrix((dice[kept] ** 2, (between.row[kept], between.col[kept])), shape=between.shape)
        depth = np.maximum(np.asarray(ours.sum(axis=1)).ravel(), 1.0)
        return cls(diags(1 / np.sqrt(depth)) @ ours, theirs, affinity)

    def support(self, rows: Array, columns: Array) -> Array:
        """What the scopes say for each of rows and columns: 0 and more, about 1 where one scope fits."""
        found: Array = (self.source[rows] @ self.affinity @ self.target[columns].T).toarray()
        return found
