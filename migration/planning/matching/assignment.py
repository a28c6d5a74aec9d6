"""The best assignment of a block, and by how much the best other one falls behind, for each pair.

Leaving a tensor out is worth 0, so a pair that is worth less is never made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, shortest_path

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

MOST_CYCLES = 400  # pairs that depend on one another and whose alternatives are still measured one by one


def best_pairs(evidence: Array) -> tuple[Array, Array]:
    """Rows and columns of the assignment with the highest sum of evidence, pairs worth 0 or less left out.

    `linear_sum_assignment` of the positive part is exactly that, because leaving out is worth 0.
    """
    gain = np.maximum(evidence, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    kept = gain[rows, columns] > 0
    return rows[kept], columns[kept]


def margins(evidence: Array, rows: Array, columns: Array, enough: float) -> Array:
    """For each pair of the best assignment: what the best assignment without it loses, `enough` at most.

    An assignment differs from the best in cycles: a row takes another's column, that row a third's, and
    so on until the first column is taken or left. The loss is the shortest cycle through the pair.
    """
    gain = np.maximum(evidence, 0.0)
    count = len(rows)
    if not count:
        return np.zeros(0)
    losses = _losses(gain, rows, columns)
    potential = _potential(losses)
    reduced = np.maximum(losses + potential[:, None] - potential[None, :], 0.0)
    near = reduced < enough
    np.fill_diagonal(near, False)
    parts, label = connected_components(csr_matrix(near), directed=True, connection="strong")
    found = np.full(count + 1, enough)
    sizes = np.bincount(label, minlength=parts)
    for part in np.flatnonzero(sizes > 1):
        inside = np.flatnonzero(label == part)
        found[inside] = (
            _shortest_cycles(reduced[np.ix_(inside, inside)], enough) if len(inside) <= MOST_CYCLES else 0
        )
    return found[:count]


def _losses(gain: Array, rows: Array, columns: Array) -> Array:
    """losses[i, j]: pair i's row takes pair j's column. The last place stands for all that is free.

    To it: row i takes the best free column, or none. From it: the best free row takes column j, or none.
    """
    count = len(rows)
    own = gain[rows, columns]
    losses = np.zeros((count + 1, count + 1))
    losses[:count, :count] = own[:, None] - gain[np.ix_(rows, columns)]
    free_rows = np.setdiff1d(np.arange(gain.shape[0]), rows)
    free_columns = np.setdiff1d(np.arange(gain.shape[1]), columns)
    best_free = gain[np.ix_(rows, free_columns)].max(axis=1, initial=0.0)
    losses[:count, count] = own - best_free
    losses[count, :count] = -gain[np.ix_(free_rows, columns)].max(axis=0, initial=0.0)
    return losses


def _potential(losses: Array) -> Array:
    """Shortest distances to each place from anywhere (Bellman-Ford): they make every loss non-negative."""
    distance = np.zeros(len(losses))
    for _ in range(len(losses) + 1):
        nearer = np.minimum(distance, (distance[:, None] + losses).min(axis=0))
        if np.allclose(nearer, distance, atol=1e-9):
            break
        distance = nearer
    return distance


def _shortest_cycles(reduced: Array, enough: float) -> Array:
    """The shortest cycle through each place, `enough` at most."""
    edges = np.where(reduced < enough, reduced + 1e-12, 0.0)
    np.fill_diagonal(edges, 0.0)
    distance = shortest_path(csr_matrix(edges), method="D", directed=True)
    back = np.where(np.eye(len(reduced), dtype=bool), np.inf, reduced + distance.T)
    found: Array = np.minimum(back.min(axis=1), enough)
    return found
