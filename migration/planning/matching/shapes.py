"""Which shapes can be one tensor: equal, equal but for ones, cut or joined dimensions, transposed."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

from migration.planning.transforms import Reshape, Transform, Transpose
from migration.tensors import DType, TensorSpec

MOST_TRANSPOSED = 5  # dimensions: more have too many permutations to mean anything


class Fit(enum.Enum):
    """How a tensor becomes another's shape; `value` is the evidence that it gives."""

    EXACT = 1.0
    SQUEEZED = 0.7  # only dimensions of one come or go
    FLATTENED = -0.4  # a matrix of one row or column, or the like, as a vector: seldom what is meant
    REGROUPED = 0.4  # neighbouring dimensions join or part: [768, 768] and [768, 12, 64]
    TRANSPOSED = -0.5
    NONE = -100.0


@dataclass(frozen=True, slots=True)
class Fitting:
    """What it takes, and whether nothing else would do as well: `alone` is False where shapes repeat."""

    fit: Fit
    transforms: tuple[Transform, ...] = ()
    alone: bool = True


NO_FIT = Fitting(Fit.NONE)


def _wide(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _refines(fine: Sequence[int], coarse: Sequence[int]) -> bool:
    """Whether joining neighbours of `fine` gives `coarse`."""
    at = 0
    for size in coarse:
        product = 1
        while at < len(fine) and product < size:
            product *= fine[at]
            at += 1
        if product != size:
            return False
    return at == len(fine)


def _regroups(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    fine, coarse = (source, target) if len(source) > len(target) else (target, source)
    return len(fine) != len(coarse) and _refines(fine, coarse)


def _transposed(source: tuple[int, ...], target: tuple[int, ...]) -> Fitting:
    """The permutation that fits and leaves most in order; `alone` tells if no other fits."""
    if len(source) > MOST_TRANSPOSED or sorted(source) != sorted(target):
        return NO_FIT
    fitting = [
        order for order in permutations(range(len(source))) if tuple(source[axis] for axis in order) == target
    ]
    fitting.sort(
        key=lambda order: sum(order[i] > order[j] for i in range(len(order)) for j in range(i, len(order)))
    )
    return Fitting(Fit.TRANSPOSED, (Transpose(fitting[0]),), len(fitting) == 1)


def _kin(source: DType, target: DType) -> bool:
    """Whether a tensor may change its dtype so: between floats, or between indices. The planner casts."""
    floats = source.is_floating and target.is_floating
    integers = {source, target} <= {DType.INT32, DType.INT64}
    return source is target or floats or integers


@lru_cache(maxsize=65536)
def fit(source: TensorSpec, target: TensorSpec) -> Fitting:
    """How a tensor takes on the other's shape; Fit.NONE where it cannot without changing its meaning."""
    if not _kin(source.dtype, target.dtype) or source.size != target.size:
        return NO_FIT
    one, other = source.shape, target.shape
    if one == other:
        return Fitting(Fit.EXACT)
    wide, needed = _wide(one), _wide(other)
    reshape = (Reshape(other),)
    if wide == needed and min(len(one), len(other)) < 2:
        return Fitting(Fit.FLATTENED, reshape, alone=False)
    if wide == needed:
        return Fitting(Fit.SQUEEZED, reshape)
    if _regroups(wide, needed):
        return Fitting(Fit.REGROUPED, reshape, len(set(wide)) == len(wide))
    turned = _transposed(one, other) if len(one) == len(other) else _transposed(wide, needed)
    if turned.fit is Fit.NONE:
        return NO_FIT
    before: tuple[Transform, ...] = () if len(one) == len(other) else (Reshape(wide),)
    after: tuple[Transform, ...] = () if len(one) == len(other) else (Reshape(other),)
    return Fitting(turned.fit, (*before, *turned.transforms, *after), turned.alone)


def block_key(spec: TensorSpec) -> tuple[int, str]:
    """What specs must share to fit at all: the number of elements and the kind of dtype."""
    if spec.dtype.is_floating:
        return spec.size, "floating"
    if spec.dtype in (DType.INT32, DType.INT64):
        return spec.size, "integer"
    return spec.size, spec.dtype.name
