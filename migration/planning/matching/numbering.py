"""The numbers in the names of one side, as columns, and links between numbers of both sides.

A slot is a place in a name that holds a number.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.sides import Side

if TYPE_CHECKING:
    Matrix = csr_matrix[Any]
    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """Slot `source` holds v where slot `target` holds v + offset.

    `sole` says that enough numbers of the pairs that can be agree so, and as many by no other offset.
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
        matrix = csr_matrix((np.ones(len(rows), np.float32), (rows, where)), shape=(len(side), len(columns)))
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

    def held(self, index: int, slot: int) -> list[int]:
        """The numbers that a tensor has in a slot."""
        start, end = self.matrix.indptr[index], self.matrix.indptr[index + 1]
        columns = self.matrix.indices[start:end]
        found: list[int] = self.column_value[columns[self.column_slot[columns] == slot]].tolist()
        return found

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
