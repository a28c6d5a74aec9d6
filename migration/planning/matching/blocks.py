"""Tensors that could be each other's: blocks of equal size and kind, and what each pair in them is worth.

Evidence is in natural-log units, so that terms add: 0 says nothing, 3 is strong, negative speaks against.
"""

from __future__ import annotations

import enum
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.pieces import Piece, pieces
from migration.planning.matching.roles import kinship
from migration.planning.matching.shapes import Fit, block_key, fit
from migration.planning.matching.sides import Side
from migration.planning.matching.vocabulary import merged

if TYPE_CHECKING:
    from migration.tensors import TensorSpec

    Array = np.ndarray[Any, Any]

IMPOSSIBLE = -100.0
SHARED_WORD = 1.0  # per unit of a word's weight: both names have it
MISSED_WORD = 0.6  # one name has it, the other does not, though its side knows the word
EVERYWHERE = 0.1  # the weight of a word that every name has
OTHER_DTYPE = 0.5
SAME_ROLE = 2.0
OTHER_ROLE = 5.0
RAREST = 4.0  # the most that a shape that few have can tell
AGAINST_THE_REST = 2.5  # a transpose where no other kernel needs one, or none where all others do
ALONE = 2.0  # of it, the most for the only tensor of its size on either side


class Turning(enum.Enum):
    """What the kernels that fit in one way only say about the model: are kernels stored transposed?"""

    STRAIGHT = "straight"
    TURNED = "turned"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Block:
    """Rows are indices into the source side, columns into the target side; `worth` is what stands in names
    and shapes alone, and IMPOSSIBLE where shapes do not fit. `other_role` marks pairs whose names give them
    different roles, `named` is what words alone are worth, `turned` marks pairs that need a transpose;
    `cut` says that tensors of the same size lie in other blocks, for there were too many."""

    rows: Array
    columns: Array
    worth: Array
    turned: Array
    other_role: Array
    named: Array
    rarity: float
    cut: bool

    @property
    def possible(self) -> Array:
        """Which pairs have fitting shapes."""
        found: Array = self.worth > IMPOSSIBLE / 2
        return found


@dataclass(frozen=True)
class Blocks:
    """All blocks of two sides, and whether kernels are stored transposed."""

    parts: list[Block]
    turning: Turning

    @classmethod
    def of(cls, source: Side, target: Side) -> Blocks:
        """Every block that has tensors on both sides and at least one fitting pair."""
        ours, theirs = _grouped(source), _grouped(target)
        words = WordEvidence.of(source, target)
        total = max(len(source), len(target))
        parts = [
            _block(source, target, words, piece, total)
            for key, rows in ours.items()
            if key in theirs
            for piece in pieces(source, target, rows, theirs[key])
        ]
        parts = [block for block in parts if block.possible.any()]
        turning = _turning(source, target, parts)
        return cls([_with(block, turning) for block in parts], turning)


def _with(block: Block, turning: Turning) -> Block:
    """The block with transposes valued as the model's other kernels suggest."""
    change = {Turning.STRAIGHT: -AGAINST_THE_REST, Turning.TURNED: AGAINST_THE_REST, Turning.UNKNOWN: 0.0}
    return replace(block, worth=block.worth + change[turning] * block.turned)


def _turning(source: Side, target: Side, parts: list[Block]) -> Turning:
    ways = {True: 0, False: 0}
    for block in parts:
        kernels = np.array([source.roles[row] in ("kernel", "") for row in block.rows])
        others = np.array([target.roles[column] in ("kernel", "") for column in block.columns])
        if len(source.specs[block.rows[0]].shape) < 2 or not (kernels.any() and others.any()):
            continue
        inside = np.ix_(kernels, others)
        kinds = set(block.turned[inside][block.possible[inside]].tolist())
        square = any(_square(source.specs[row].shape) for row in block.rows[kernels])
        if len(kinds) == 1 and not square:
            ways[kinds.pop()] += 1
    if ways[True] and not ways[False]:
        return Turning.TURNED
    return Turning.STRAIGHT if ways[False] and not ways[True] else Turning.UNKNOWN


def _square(shape: tuple[int, ...]) -> bool:
    wide = [size for size in shape if size != 1]
    return len(set(wide)) < len(wide) or len(wide) < 2


def _grouped(side: Side) -> dict[tuple[int, str], list[int]]:
    found: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, spec in enumerate(side.specs):
        if side.free[index]:
            found[block_key(spec)].append(index)
    return found


def _block(source: Side, target: Side, words: WordEvidence, piece: Piece, total: int) -> Block:
    rows, columns = piece.rows, piece.columns
    ours, theirs = [source.specs[i] for i in rows], [target.specs[j] for j in columns]
    shapes = _table(ours, theirs, _shape_worth)
    roles = _table([source.roles[i] for i in rows], [target.roles[j] for j in columns], _role_worth)
    named = words.between(rows, columns)
    worth = shapes + roles + named
    worth[shapes <= IMPOSSIBLE / 2] = IMPOSSIBLE
    turned = _table(ours, theirs, lambda one, other: fit(one, other).fit is Fit.TRANSPOSED)
    rarity = _rarity(ours[0].size, len(rows), len(columns), total)
    return Block(rows, columns, worth, turned, (roles != 0) & (roles != SAME_ROLE), named, rarity, piece.cut)


def _rarity(size: int, ours: int, theirs: int, total: int) -> float:
    """What an equal number of elements tells by itself: more, the fewer have it; most for the only two."""
    if size <= 1:
        return 0.0
    alone = min(ALONE, math.log(size) / 2) if ours == theirs == 1 else 0.0
    return min(RAREST, math.log(1 + total / (1 + min(ours, theirs))) + alone)


def _shape_worth(source: TensorSpec, target: TensorSpec) -> float:
    fitting = fit(source, target)
    if fitting.fit is Fit.NONE:
        return IMPOSSIBLE
    worth: float = fitting.fit.value
    return worth - (OTHER_DTYPE if source.dtype is not target.dtype else 0.0)


def _role_worth(source: str, target: str) -> float:
    kin = kinship(source, target)
    return kin * (SAME_ROLE if kin > 0 else OTHER_ROLE)


def _table(ours: list[Any], theirs: list[Any], worth: Any) -> Array:
    """A matrix of worth(one, other), computed once for each two different values."""
    kinds, other_kinds = list(dict.fromkeys(ours)), list(dict.fromkeys(theirs))
    small = np.array([[worth(one, other) for other in other_kinds] for one in kinds])
    place, other_place = {k: i for i, k in enumerate(kinds)}, {k: i for i, k in enumerate(other_kinds)}
    found: Array = small[np.ix_([place[k] for k in ours], [other_place[k] for k in theirs])]
    return found


@dataclass(frozen=True)
class WordEvidence:
    """Words of both sides that both sides know, weighted: a word that half of the names have tells little."""

    source: csr_matrix[Any]
    target: csr_matrix[Any]
    source_sum: Array
    target_sum: Array

    @classmethod
    def of(cls, source: Side, target: Side) -> WordEvidence:
        """The words of both sides, variants of one word taken as one."""
        ours, theirs = merged(source.words, target.words)
        counts = [Counter(word for words in side for word in words) for side in (ours, theirs)]
        known = sorted(set(counts[0]) & set(counts[1]))
        weights = {
            word: min(
                math.log((len(side) + 1) / count[word])
                for side, count in zip((ours, theirs), counts, strict=True)
            )
            for word in known
        }
        place = {word: column for column, word in enumerate(known)}
        root = {word: math.sqrt(min(4.0, weight + EVERYWHERE)) for word, weight in weights.items()}
        matrices = [_weighted(side, place, root) for side in (ours, theirs)]
        sums = [np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel() for matrix in matrices]
        return cls(matrices[0], matrices[1], sums[0], sums[1])

    def between(self, rows: Array, columns: Array) -> Array:
        """What the words say for each of rows and columns."""
        shared = (self.source[rows] @ self.target[columns].T).toarray()
        missed = self.source_sum[rows][:, None] + self.target_sum[columns][None, :] - 2 * shared
        found: Array = SHARED_WORD * shared - MISSED_WORD * missed
        return found


def _weighted(side: list[frozenset[str]], place: dict[str, int], root: dict[str, float]) -> csr_matrix[Any]:
    rows, columns, values = [], [], []
    for index, words in enumerate(side):
        for word in words:
            if word in place:
                rows.append(index)
                columns.append(place[word])
                values.append(root[word])
    return csr_matrix((values, (rows, columns)), shape=(len(side), len(place)))
