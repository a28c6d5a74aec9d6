"""A first picture of the whole: how likely each pair is, refined by what the pairs say of one another.

From names and shapes come probabilities; they show which numbers count alike and which scopes go
together; that changes the probabilities; after a few rounds the picture stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.agreement import Agreement
from migration.planning.matching.blocks import IMPOSSIBLE, Block
from migration.planning.matching.hierarchy import Hierarchy
from migration.planning.matching.linking import learn
from migration.planning.matching.numbering import Link, Numbering
from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]

ROUNDS, MOST_ROUNDS = 6, 10
FIRST_ROUNDS = 4  # in which equal rows of numbers count before the pairs bear them out
SETTLED = 0.01  # a change of strength in one round that no longer counts
NUMBERS = 2.0  # what agreeing numbers are worth
SCOPES = 3.0  # what a scope that fits is worth
UNLIKELY = 0.02  # of the best of its row; below, a pair no longer counts


@dataclass(frozen=True)
class Picture:
    """The links between numbers, the scopes that go together, and each block's evidence with both in it."""

    links: list[Link]
    evidence: list[Array]


def picture(
    source: Side,
    target: Side,
    numbers: tuple[Numbering, Numbering],
    parts: list[Block],
    pinned: list[tuple[int, int]],
) -> Picture:
    """The evidence of each block after the rounds. `pinned` pairs are known and count in full."""
    evidence = [block.worth for block in parts]
    links: list[Link] = []
    for turn in range(MOST_ROUNDS):
        before = links
        together = _together(source, target, parts, evidence, 1.0 + 0.3 * turn, pinned)
        links = learn(*numbers, _columns_met(numbers, together), first=turn < FIRST_ROUNDS)
        counted = Agreement.of(numbers, links)
        scopes = Hierarchy.of(source, target, together)
        settled = turn >= ROUNDS - 1 and _alike(links, before)
        evidence = [
            block.worth
            + NUMBERS * counted.between(block.rows, block.columns)
            + SCOPES * scopes.support(block.rows, block.columns)
            for block in parts
        ]
        if settled:
            break
    return Picture(links, evidence)


def _alike(links: list[Link], before: list[Link]) -> bool:
    """Whether the links stand as they did a round ago."""
    strengths = [
        {(link.source, link.target, link.offset): link.strength for link in each} for each in (links, before)
    ]
    return strengths[0].keys() == strengths[1].keys() and all(
        abs(strength - strengths[1][link]) < SETTLED for link, strength in strengths[0].items()
    )


def _columns_met(numbers: tuple[Numbering, Numbering], together: Matrix) -> Matrix:
    ours, theirs = numbers
    return csr_matrix(ours.matrix.T @ together @ theirs.matrix)


def _together(
    source: Side,
    target: Side,
    parts: list[Block],
    evidence: list[Array],
    sharpness: float,
    pinned: list[tuple[int, int]],
) -> Matrix:
    rows, columns, weights = [], [], []
    for block, worth in zip(parts, evidence, strict=True):
        chance = _chances(np.where(block.worth > IMPOSSIBLE / 2, worth * sharpness, IMPOSSIBLE))
        row, column = np.nonzero(chance > UNLIKELY * chance.max(axis=1, keepdims=True))
        rows.append(block.rows[row])
        columns.append(block.columns[column])
        weights.append(chance[row, column])
    if pinned:
        rows.append(np.array([one for one, _ in pinned]))
        columns.append(np.array([other for _, other in pinned]))
        weights.append(np.ones(len(pinned)))
    if not rows:
        return csr_matrix((len(source), len(target)))
    joined = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(joined, shape=(len(source), len(target)))


def _chances(worth: Array) -> Array:
    """For each pair the geometric mean of its share in its row and in its column; leaving out is worth 0."""
    shares = []
    for axis in (0, 1):
        top = np.maximum(worth.max(axis=axis, keepdims=True), 0.0)
        raised = np.exp(worth - top)
        shares.append(raised / (raised.sum(axis=axis, keepdims=True) + np.exp(-top)))
    found: Array = np.sqrt(shares[0] * shares[1])
    return found
