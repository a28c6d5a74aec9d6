"""What the order of creation tells: the third of three equal layers here is the third of three there.

Order is believed where it was seen to hold: on pairs that other evidence decided, or where both sides
count the tensors in question.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

FEWEST_ANCHORS = 3
CONCORDANT = 0.9  # the part of the anchors that must stand in one order
STEP = 0.6  # what one place nearer is worth
FARTHEST = 4.0  # squared places after which distance no longer counts


@dataclass(frozen=True)
class Places:
    """Where each tensor of both sides stands. `given`: the source's order is its graph's, not its names'."""

    source: Array
    target: Array
    given: bool

    @classmethod
    def of(cls, source: Side, target: Side) -> Places:
        """The places of both sides' tensors."""
        given = all(order is not None for order, free in zip(source.order, source.free, strict=True) if free)
        if given:
            ours = [math.nan if order is None else float(order) for order in source.order]
        else:
            natural = sorted(range(len(source)), key=lambda index: source.readings[index][0].natural)
            ours = [0.0] * len(source)
            for place, index in enumerate(natural):
                ours[index] = float(place)
        return cls(np.array(ours), np.array(target.places), given)

    def believed(self, pairs: Sequence[tuple[int, int]], patterns: Sequence[str]) -> Belief:
        """How far the decided pairs let order be believed. `patterns`: the source's names, numbers open."""
        pairs = [pair for pair in pairs if not math.isnan(self.source[pair[0]])]
        return Belief(self._anchored(pairs), self._numbers_rise(pairs, patterns))

    def _anchored(self, pairs: Sequence[tuple[int, int]]) -> Anchors | None:
        points = sorted((self.target[other], self.source[one]) for one, other in pairs)
        rising = _longest_rising([float(ours) for _, ours in points])
        if len(points) < FEWEST_ANCHORS or len(rising) < CONCORDANT * len(points):
            return None
        return Anchors(np.array([points[i][0] for i in rising]), np.array([points[i][1] for i in rising]))

    def _numbers_rise(self, pairs: Sequence[tuple[int, int]], patterns: Sequence[str]) -> bool:
        """Whether names that only numbers tell apart went to targets in the order of the numbers."""
        groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for one, other in pairs:
            groups[patterns[one]].append((float(self.target[other]), float(self.source[one])))
        chains = [[ours for _, ours in sorted(points)] for points in groups.values() if len(points) > 1]
        steps = sum(len(chain) - 1 for chain in chains)
        rising = sum(len(_longest_rising(chain)) - 1 for chain in chains)
        return steps >= FEWEST_ANCHORS - 1 and rising >= CONCORDANT * steps


@dataclass(frozen=True, slots=True)
class Belief:
    """What order has proved: places that go together, and that numbers in names rise with places."""

    anchors: Anchors | None = None
    numbered: bool = False


@dataclass(frozen=True)
class Anchors:
    """Places on both sides that belong together, rising on both."""

    target: Array
    source: Array

    def expected(self, places: Array) -> Array:
        """The source places that target places should have, interpolated, and one for one beyond the ends."""
        found: Array = np.interp(places, self.target, self.source)
        found = found + np.minimum(places - self.target[0], 0.0) + np.maximum(places - self.target[-1], 0.0)
        return found


def _longest_rising(values: Sequence[float]) -> list[int]:
    """Indices of a longest strictly rising subsequence (patience sorting)."""
    tails: list[float] = []
    last: list[int] = []
    before: list[int] = [-1] * len(values)
    for index, value in enumerate(values):
        at = bisect_left(tails, value)
        if at == len(tails):
            tails.append(value)
            last.append(index)
        else:
            tails[at], last[at] = value, index
        before[index] = last[at - 1] if at else -1
    found: list[int] = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]


def nearness(ours: Array, theirs: Array) -> Array:
    """For each source and target place in one scale: 0 where equal, negative with the squared distance.

    The square is what makes crossing pairs worse than parallel ones, whatever the shift between the scales.
    """
    spread = np.unique(ours)
    step = float(np.median(np.diff(spread))) if len(spread) > 1 else 1.0
    distance = (ours[:, None] - theirs[None, :]) / max(step, 1e-9)
    found: Array = -STEP * np.minimum(distance**2, FARTHEST)
    return found


def ranks(places: Array) -> Array:
    """Places as ranks, equal places sharing one."""
    _, inverse = np.unique(places, return_inverse=True)
    found: Array = inverse.astype(np.float64)
    return found
