"""What linked numbers say of each pair of a block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.numbering import Link, Numbering

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]

STRONG = 0.9  # links that a pair can break only where something is wrong
Entry = tuple[int, int, int]  # a column of the numbering, the column that it goes to, the link


@dataclass(frozen=True)
class Agreement:
    """Links as columns that both sides share: one for each number of a link, one for having any at all."""

    links: Sequence[Link]
    ours: Sequence[
        Matrix
    ]  # numbers to shared columns, weighted; presence to links, weighted; both of strong links
    theirs: Sequence[Matrix]
    source: Matrix
    target: Matrix

    @classmethod
    def of(cls, numbers: tuple[Numbering, Numbering], links: Sequence[Link]) -> Agreement:
        """The columns of these links."""
        source, target = numbers
        same, other_same, shared = _numbers(source, target, links)
        held, other_held = _presence(source, links, ours=True), _presence(target, links, ours=False)
        total: dict[int, float] = defaultdict(float)
        for link in links:
            total[link.source] += link.strength
        weights = [link.strength**2 / max(total[link.source], link.strength) for link in links]
        strong = [float(link.strength >= STRONG) for link in links]
        width, other_width = len(source.column_slot), len(target.column_slot)
        plain = [1.0] * len(links)
        return cls(
            links,
            [
                _matrix(entries, values, (width, columns))
                for values in (weights, strong)
                for entries, columns in ((same, shared), (held, len(links)))
            ],
            [
                _matrix(other_same, plain, (other_width, shared)),
                _matrix(other_held, plain, (other_width, len(links))),
            ],
            source.matrix,
            target.matrix,
        )

    def between(self, rows: Array, columns: Array) -> Array:
        """For each of `rows` and `columns` from -1 (linked numbers differ) to about 1 (they agree)."""
        found: Array = 2 * self._met(0, rows, columns) - self._met(1, rows, columns)
        return found

    def disagreement(self, rows: Array, columns: Array) -> Array:
        """For each of `rows` and `columns` 0, or down to -1 where linked numbers differ."""
        found: Array = self._met(0, rows, columns) - self._met(1, rows, columns)
        return found

    def against(self, rows: Array, columns: Array) -> Array:
        """For each of `rows` and `columns` how many strong links they break."""
        found: Array = self._met(3, rows, columns) - self._met(2, rows, columns)
        return found

    def _met(self, which: int, rows: Array, columns: Array) -> Array:
        if not self.links:
            return np.zeros((len(rows), len(columns)), np.float32)
        ours = self.source[rows] @ self.ours[which]
        theirs = self.target[columns] @ self.theirs[which % 2]
        found: Array = (ours @ theirs.T).toarray()
        return found


def _numbers(
    source: Numbering, target: Numbering, links: Sequence[Link]
) -> tuple[list[Entry], list[Entry], int]:
    """Which number columns of both sides go to which shared column, and how many of those there are."""
    by_source, by_target = _columns_by_slot(source), _columns_by_slot(target)
    ours: list[Entry] = []
    theirs: list[Entry] = []
    for number, link in enumerate(links):
        places: dict[int, int] = {}
        for column in by_source[link.source]:
            places[int(source.column_value[column]) + link.offset] = len(ours)
            ours.append((column, len(ours), number))
        for column in by_target[link.target]:
            place = places.get(int(target.column_value[column]))
            if place is not None:
                theirs.append((column, place, number))
    return ours, theirs, len(ours)


def _presence(numbering: Numbering, links: Sequence[Link], ours: bool) -> list[Entry]:
    by_slot = _columns_by_slot(numbering)
    return [
        (column, number, number)
        for number, link in enumerate(links)
        for column in by_slot[link.source if ours else link.target]
    ]


def _columns_by_slot(numbering: Numbering) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for column, slot in enumerate(numbering.column_slot.tolist()):
        found[slot].append(column)
    return found


def _matrix(entries: Sequence[Entry], weights: Sequence[float], shape: tuple[int, int]) -> Matrix:
    rows, columns = [entry[0] for entry in entries], [entry[1] for entry in entries]
    values = np.array([weights[entry[2]] for entry in entries], np.float32)
    return csr_matrix((values, (rows, columns)), shape=shape)
