"""Which numbers of one side count what numbers of the other side count: `unit_3` and `block4`, say.

Two slots are linked where the tensors that seem to belong together carry numbers a constant apart. How
far that goes beyond chance is the link's strength: Cohen's kappa, which weighs the agreement that is seen
against the one to expect from how often each number occurs (Cohen, A Coefficient of Agreement for Nominal
Scales, 1960).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from migration.planning.matching.numbering import Link, Numbering

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]

WEAKEST = 0.05  # links below are noise
RIVAL = 0.5  # of two links of one slot, the weaker counts down to this part of the stronger
UNLIKE = 0.5  # the standing of a link between a number that was counted and one that was chosen
SEVERAL = 3  # numbers; two rows of two numbers agree by chance too often
WIDEST = 1 << 20  # a span of numbers that is still tallied in an array


def learn(source: Numbering, target: Numbering, together: Matrix, first: bool) -> list[Link]:
    """The links that `together` shows: the weight with which each number column meets each other one.

    `first` adds what equal rows of numbers are worth by themselves, more the longer they are. Of two
    numbers in one name only the better one is linked to a number of the other side.
    """
    met = together.tocoo()
    if not met.nnz:
        return []
    weighed: list[tuple[float, Link]] = []
    for (one, other), (offset, kappa, sole, weight) in _agreements(source, target, met).items():
        strength = kappa
        if first and same_row(source.values[one], target.values[other], offset):
            strength = max(strength, 1 - 1 / math.sqrt(len(source.values[one])))
        if strength >= WEAKEST:
            alike = 1.0 if source.counted[one] == target.counted[other] else UNLIKE
            weighed.append((alike * strength * weight, Link(one, other, offset, strength, sole)))
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


def _agreements(
    source: Numbering, target: Numbering, met: Any
) -> dict[tuple[int, int], tuple[int, float, bool, float]]:
    """For each two slots that meet: the offset that most of the weight has, its kappa, whether it is the
    only one that brings so many numbers together, and the weight of all that meet."""
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


def same_row(first: frozenset[int], second: frozenset[int], offset: int) -> bool:
    """Whether the second row of numbers is the first, each moved by the offset."""
    return len(first) == len(second) and all(value + offset in second for value in first)


def _only(ours: Array, theirs: Array, offset: int) -> bool:
    """Whether the offset brings enough numbers of the first row onto numbers of the second, all of both
    rows or several at least, and no other brings as many."""
    moved = (theirs[None, :] - ours[:, None]).ravel()
    offsets, covered = _tally(moved, np.ones(len(moved)))
    best = int(covered[offsets == offset].max(initial=0))
    enough = best >= SEVERAL or best == len(ours) == len(theirs)
    return enough and bool((covered >= best).sum() == 1)
