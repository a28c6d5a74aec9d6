"""Tensors whose like is missing elsewhere on their side: a twin scope lacks it, or a count leaves one out.

Where the source lacks one variable and the target lacks another of the same shape, as many are left over on
either side and each fits the other. Only what is around the gaps shows that something is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from migration.planning.matching.sides import Side
from migration.planning.matching.spelling import GENERIC
from migration.planning.matching.tokens import split_name, split_segment
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

    Inside = Mapping[str, TensorSpec]

LARGEST = 200  # tensors of a scope that can still be the twin of another
FOREIGN = 3  # tensors that twins share for each that only the one has which lacks others
MOST_NAMED = 8  # twins of one kind that are told apart by their words
MOST_ALIKE = 64  # different scopes that share a tensor, and are compared with one another


Telling = frozenset[str]


def holes(side: Side) -> tuple[Telling | None, ...]:
    """For each tensor whose like is missing somewhere on its side the words that tell it from that, where it
    lies in a scope whose twin lacks it; None for all others."""
    lacking, left_out = _lacking(_scopes(side)), _left_out(side)
    found: list[Telling | None] = []
    for place, path in enumerate(side.paths):
        told = [
            _words(scope) - _words(twin)
            for scope, rest in _parted(path)
            for twin in lacking.get((scope, rest), ())
        ]
        told += [frozenset()] if left_out[place] else []
        found.append(frozenset.intersection(*told) if told else None)
    return tuple(found)


def open_to_doubt(ours: Sequence[Telling | None], theirs: Sequence[Telling | None]) -> Array:
    """Of each of both sides whether both may be left over from a gap, and no word tells both from it."""
    kinds, others = list(dict.fromkeys(ours)), list(dict.fromkeys(theirs))
    table = np.array([[_doubt(one, other) for other in others] for one in kinds], bool)
    rows = [kinds.index(one) for one in ours]
    columns = [others.index(other) for other in theirs]
    found: Array = table[np.ix_(rows, columns)]
    return found


def _doubt(one: Telling | None, other: Telling | None) -> bool:
    return one is not None and other is not None and not one & other


@lru_cache(maxsize=65536)
def _words(scope: str) -> Telling:
    parts = (part for segment in split_name(scope) for part in split_segment(segment))
    return frozenset(part for part in parts if isinstance(part, str) and part not in GENERIC)


def _parted(path: str) -> Iterator[tuple[str, str]]:
    """Every scope of a path, and what stands behind it."""
    at = path.find("/")
    while at >= 0:
        yield path[:at], path[at + 1 :]
        at = path.find("/", at + 1)


def _scopes(side: Side) -> dict[str, Inside]:
    found: dict[str, dict[str, TensorSpec]] = defaultdict(dict)
    for path, spec in zip(side.paths, side.specs, strict=True):
        for scope, rest in _parted(path):
            found[scope][rest] = spec
    return {scope: inside for scope, inside in found.items() if len(inside) <= LARGEST}


def _lacking(scopes: Mapping[str, Inside]) -> dict[tuple[str, str], list[str]]:
    """For what a scope has and a twin has not the twins."""
    alike: dict[frozenset[tuple[str, TensorSpec]], list[str]] = defaultdict(list)
    for scope, inside in scopes.items():
        alike[frozenset(inside.items())].append(scope)
    holders: dict[tuple[str, TensorSpec], list[int]] = defaultdict(list)
    kinds = list(alike)
    for number, kind in enumerate(kinds):
        for item in kind:
            holders[item].append(number)
    twins = {
        (one, other)
        for numbers in holders.values()
        if len(numbers) <= MOST_ALIKE
        for one in numbers
        for other in numbers
        if one != other
    }
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one, other in sorted(twins):
        ours, theirs = dict(kinds[one]), dict(kinds[other])
        if _are_twins(ours, theirs):
            for scope in alike[kinds[one]]:
                for rest in ours.keys() - theirs.keys():
                    found[scope, rest] += alike[kinds[other]][:MOST_NAMED]
    return found


def _are_twins(ours: Inside, theirs: Inside) -> bool:
    """Whether the second scope is the first but for a few: most is shared, and what is shared is alike."""
    shared = ours.keys() & theirs.keys()
    lacking, foreign = len(ours) - len(shared), len(theirs) - len(shared)
    return (
        lacking <= len(shared)
        and FOREIGN * foreign <= len(shared)
        and all(ours[rest] == theirs[rest] for rest in shared)
    )


def _left_out(side: Side) -> list[bool]:
    """For each tensor whether the numbers of names that differ from its name by one number leave one out."""
    series: dict[tuple[str, int], dict[int, None]] = defaultdict(dict)
    own: list[tuple[str, int] | None] = []
    for readings in side.readings:
        reading = readings[-1]
        last = reading.numbers[-1] if reading.numbers else None
        own.append((reading.open, len(reading.numbers)) if last else None)
        if last:
            series[reading.open, len(reading.numbers)][last.value] = None
    gaps = {key for key, numbers in series.items() if max(numbers) - min(numbers) >= len(numbers)}
    return [key in gaps for key in own]
