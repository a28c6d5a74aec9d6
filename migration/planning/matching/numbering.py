"""Which numbers of one side count what numbers of the other side count: `unit_3` and `block4`, say.

A slot is a place in a name that holds a number. Two slots are linked where the tensors that seem to
belong together carry numbers a constant apart. How far that goes beyond chance is the link's strength
(Cohen's kappa: agreement observed against agreement expected from the frequencies of the numbers).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]

WEAKEST = 0.05  # links below are noise
STRONG = 0.9  # links that a pair can break only where something is wrong
RIVAL = 0.5  # of two links of one slot, the weaker counts down to this part of the stronger
WIDEST = 1 << 20  # a span of numbers that is still tallied in an array
SAME_NUMBERS = 0.3  # what equal rows of numbers are worth before anything else is known


@dataclass(frozen=True, slots=True)
class Link:
    """Slot `source` holds v where slot `target` holds v + offset.

    `sole` says that no other offset would bring as many numbers of the pairs that can be onto numbers.
    """

    source: int
    target: int
    offset: int
    strength: float
    sole: bool


@dataclass(frozen=True)
class Numbering:
    """The numbers of one side as columns: one for each value of each slot."""

    slots: tuple[str, ...]
    counted: tuple[bool, ...]
    column_slot: Array
    column_value: Array
    matrix: Matrix

    @classmethod
    def of(cls, side: Side) -> Numbering:
        """The numbers of a side."""
        slots: dict[str, int] = {}
        counted: dict[int, bool] = defaultdict(bool)
        columns: dict[tuple[int, int], int] = {}
        rows, where = [], []
        for index, numbers in enumerate(side.numbers):
            for number in numbers:
                slot = slots.setdefault(number.slot, len(slots))
                counted[slot] |= number.counted
                rows.append(index)
                where.append(columns.setdefault((slot, number.value), len(columns)))
        matrix = csr_matrix(
            (np.ones(len(rows), np.float32), (rows, where)), shape=(len(side), len(columns))
        )
        matrix.data[:] = np.minimum(matrix.data, 1)
        return cls(
            slots=tuple(slots),
            counted=tuple(counted[slot] for slot in range(len(slots))),
            column_slot=np.array([slot for slot, _ in columns], np.int64),
            column_value=np.array([value for _, value in columns], np.int64),
            matrix=matrix,
        )

    @cached_property
    def values(self) -> dict[int, frozenset[int]]:
        """The numbers that each slot holds."""
        found: dict[int, set[int]] = defaultdict(set)
        for slot, value in zip(self.column_slot.tolist(), self.column_value.tolist(), strict=True):
            found[slot].add(value)
        return {slot: frozenset(values) for slot, values in found.items()}


    @cached_property
    def together(self) -> frozenset[tuple[int, int]]:
        """The pairs of slots that occur in one name."""
        slots = csr_matrix(
            (np.ones(len(self.column_slot)), (np.arange(len(self.column_slot)), self.column_slot)),
            shape=(len(self.column_slot), len(self.slots)),
        )
        held = self.matrix @ slots
        met = (held.T @ held).tocoo()
        return frozenset(zip(met.row.tolist(), met.col.tolist(), strict=True))


def same_row(first: frozenset[int], second: frozenset[int], offset: int) -> bool:
    """Whether the second row of numbers is the first, each moved by the offset."""
    return len(first) == len(second) and all(value + offset in second for value in first)


def _only(ours: Array, theirs: Array, offset: int) -> bool:
    """Whether no other offset brings as many numbers of the first row onto numbers of the second."""
    moved = (theirs[None, :] - ours[:, None]).ravel()
    offsets, covered = _tally(moved, np.ones(len(moved)))
    return bool((covered >= covered[offsets == offset]).sum() == 1)


def learn(source: Numbering, target: Numbering, together: Matrix, first: bool) -> list[Link]:
    """The links that `together` shows: the weight with which each number column meets each other one.

    `first` adds what equal rows of numbers are worth by themselves. Of two numbers in one name only the
    better one is linked to a number of the other side.
    """
    met = together.tocoo()
    if not met.nnz:
        return []
    weighed: list[tuple[float, Link]] = []
    for (one, other), (offset, kappa, sole, weight) in _agreements(source, target, met).items():
        strength = kappa
        if first and same_row(source.values[one], target.values[other], offset):
            strength = max(strength, SAME_NUMBERS)
        if strength >= WEAKEST:
            weighed.append((strength * weight, Link(one, other, offset, strength, sole)))
    links = _without_rivals(source, weighed)
    best: dict[int, float] = defaultdict(float)
    for link in links:
        best[link.source] = max(best[link.source], link.strength)
    return [link for link in links if link.strength >= RIVAL * best[link.source]]


def _without_rivals(source: Numbering, weighed: list[tuple[float, Link]]) -> list[Link]:
    """For each slot of the target the best link, and those of slots that never share a name with it."""
    kept: dict[int, list[Link]] = defaultdict(list)
    for _, link in sorted(weighed, key=lambda entry: (-entry[0], entry[1].source, entry[1].target)):
        if not any((link.source, other.source) in source.together for other in kept[link.target]):
            kept[link.target].append(link)
    return [link for links in kept.values() for link in links]


def _agreements(source: Numbering, target: Numbering, met: Any) -> dict[tuple[int, int], tuple[int, float, bool, float]]:
    """For each two slots that meet: the offset that most of the weight has, its kappa, whether it is the only one that
    brings so many numbers together, and the weight."""
    one, other = source.column_slot[met.row], target.column_slot[met.col]
    value, partner = source.column_value[met.row], target.column_value[met.col]
    weight = met.data.astype(np.float64)
    width = len(target.slots)
    pair = one * width + other
    found: dict[tuple[int, int], tuple[int, float, bool, float]] = {}
    rank = np.argsort(pair, kind="stable")
    edges = np.flatnonzero(np.diff(pair[rank])) + 1
    for group in np.split(rank, edges):
        slots = (int(one[group[0]]), int(other[group[0]]))
        found[slots] = _agreement(value[group], partner[group], weight[group])
    return found


def _agreement(value: Array, partner: Array, weight: Array) -> tuple[int, float, bool, float]:
    total = float(weight.sum())
    offsets, mass = _tally(partner - value, weight)
    ties = np.flatnonzero(mass >= mass.max() * (1 - 1e-6))
    offset = int(offsets[ties[np.argmin(np.abs(offsets[ties]))]])
    ours, our_mass = _tally(value, weight)
    theirs, their_mass = _tally(partner, weight)
    theirs_share = dict(zip(theirs.tolist(), (their_mass / total).tolist(), strict=True))
    chance = sum(
        mass / total * theirs_share.get(number + offset, 0.0)
        for number, mass in zip(ours.tolist(), our_mass.tolist(), strict=True)
    )
    seen = float(mass.max()) / total
    kappa = (seen - chance) / (1 - chance) if chance < 1 - 1e-9 else 0.0
    return offset, max(0.0, kappa), _only(ours, theirs, offset), total


def _tally(values: Array, weight: Array) -> tuple[Array, Array]:
    """The different values and the weight of each."""
    low = int(values.min())
    if int(values.max()) - low < WIDEST:
        mass = np.bincount(values - low, weight)
        held = np.flatnonzero(mass)
        return held + low, mass[held]
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct, np.bincount(inverse, weight)


def agreement(
    source: Numbering, target: Numbering, links: list[Link], rows: Array, columns: Array
) -> tuple[Array, Array]:
    """For each of `rows` and `columns` from -1 (linked numbers differ) to about 1 (they agree), a matrix;
    and one of how many strong links speak against."""
    if not links:
        zeros = np.zeros((len(rows), len(columns)), np.float32)
        return zeros, zeros
    total: dict[int, float] = defaultdict(float)
    for link in links:
        total[link.source] += link.strength
    weights = [link.strength**2 / max(total[link.source], link.strength) for link in links]
    strong = [1.0 if link.strength >= STRONG else 0.0 for link in links]
    lines = _Lines.of(source, target, links)
    spread = lines.spread(source.matrix[rows], target.matrix[columns])
    same, both = spread(weights)
    same_strong, both_strong = spread(strong)
    return 2 * same - both, both_strong - same_strong


@dataclass(frozen=True)
class _Lines:
    """Links as shared columns: for each link one for each number, and one for having a number at all."""

    count: int
    shared: int
    ours: list[tuple[int, int, int]]  # a column of the numbering, the shared column, the link
    theirs: list[tuple[int, int]]
    present: list[tuple[int, int]]
    their_present: list[tuple[int, int]]

    @classmethod
    def of(cls, source: Numbering, target: Numbering, links: list[Link]) -> _Lines:
        by_source, by_target = _columns_by_slot(source), _columns_by_slot(target)
        ours: list[tuple[int, int, int]] = []
        theirs: list[tuple[int, int]] = []
        present: list[tuple[int, int]] = []
        their_present: list[tuple[int, int]] = []
        for number, link in enumerate(links):
            places: dict[int, int] = {}
            for column in by_source[link.source]:
                places[int(source.column_value[column]) + link.offset] = len(ours)
                ours.append((column, len(ours), number))
                present.append((column, number))
            for column in by_target[link.target]:
                place = places.get(int(target.column_value[column]))
                if place is not None:
                    theirs.append((column, place))
                their_present.append((column, number))
        return cls(len(links), len(ours), ours, theirs, present, their_present)

    def spread(self, source: Matrix, target: Matrix) -> Callable[[list[float]], tuple[Array, Array]]:
        """For weights of the links: the weight of those that agree, and of those that both have, as matrices."""
        plain = [1.0] * max(len(self.theirs), len(self.their_present))
        same_target = _spread(target, self.theirs, plain, self.shared).T.tocsc()
        both_target = _spread(target, self.their_present, plain, self.count).T.tocsc()

        def weighed(weights: list[float]) -> tuple[Array, Array]:
            ours = [(column, place) for column, place, _ in self.ours]
            same = _spread(source, ours, [weights[link] for _, _, link in self.ours], self.shared)
            both = _spread(source, self.present, [weights[link] for _, link in self.present], self.count)
            return (same @ same_target).toarray(), (both @ both_target).toarray()

        return weighed


def _columns_by_slot(numbering: Numbering) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for column, slot in enumerate(numbering.column_slot.tolist()):
        found[slot].append(column)
    return found


def _spread(matrix: Matrix, entries: list[tuple[int, int]], weights: list[float], width: int) -> Matrix:
    columns, places = [column for column, _ in entries], [place for _, place in entries]
    values = np.array(weights[: len(entries)], np.float32)
    return matrix @ csr_matrix((values, (columns, places)), shape=(matrix.shape[1], width))
