"""Thousands of tensors of one size, cut into pieces whose every pair can be weighed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from migration.planning.matching.roles import UNKNOWN
from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

MOST_PAIRS = 2_250_000  # weighed at once: a matrix of them takes 18 MB


@dataclass(frozen=True, slots=True)
class Piece:
    """Tensors of both sides that are weighed against one another; `cut` where order had to part them."""

    rows: Array
    columns: Array
    cut: bool


def pieces(source: Side, target: Side, rows: Sequence[int], columns: Sequence[int]) -> Iterator[Piece]:
    """All of them in one piece where they are few; else by role, and then by the order of names."""
    if len(rows) * len(columns) <= MOST_PAIRS:
        yield Piece(np.array(rows), np.array(columns), cut=False)
        return
    ours, theirs = _by_role(source, rows), _by_role(target, columns)
    if UNKNOWN in ours or UNKNOWN in theirs:
        ours, theirs = {UNKNOWN: list(rows)}, {UNKNOWN: list(columns)}
    for role, some in ours.items():
        if role in theirs:
            yield from _in_order(source, target, some, theirs[role])


def _by_role(side: Side, indices: Sequence[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        found[side.roles[index]].append(index)
    return found


def _in_order(source: Side, target: Side, rows: list[int], columns: list[int]) -> Iterator[Piece]:
    count = math.ceil(math.sqrt(len(rows) * len(columns) / MOST_PAIRS))
    rows = sorted(rows, key=lambda index: source.readings[index][0].natural)
    columns = sorted(columns, key=lambda index: target.places[index])
    for some, others in zip(np.array_split(rows, count), np.array_split(columns, count), strict=True):
        if len(some) and len(others):
            yield Piece(some, others, cut=count > 1)
