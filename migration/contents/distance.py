"""How far two tensors of one dtype and shape are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration.contents.streams import pairs
from migration.contents.values import plain, widened

if TYPE_CHECKING:
    import numpy as np

    from migration.contents.streams import TensorStream
    from migration.tensors import DType


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """`differing` elements have other bytes (1 of those that have no array form here). The largest absolute
    difference, exact for integers, NaN where one side alone has a NaN; and the 2-norm of the difference
    relative to that of the first tensor (infinite where that is zero). Strings have neither."""

    differing: int
    max_abs: float | int | None = None
    relative_norm: float | None = None


def distance_of_streams(one: TensorStream, other: TensorStream, dtype: DType | None) -> Distance | None:
    """The distance of two streams; None where every byte is equal. `dtype` None: bytes without elements."""
    import numpy as np

    if dtype is not None and not dtype.has_array_form:
        dtype = None
    total = _Running()
    if one.size != other.size:
        return Distance(differing=1)
    for before, after in pairs(one, other):
        if dtype is None:
            total.differing |= int(before != after)
        elif before != after:
            total.add(np.frombuffer(before, dtype.numpy), np.frombuffer(after, dtype.numpy))
        else:
            total.add_equal(np.frombuffer(before, dtype.numpy))
    return total.distance(dtype is not None)


def distance_of_arrays(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> Distance | None:
    """The distance of two arrays of one shape; None where every byte, or string, is equal."""
    if one.dtype == object:
        differing = sum(a != b for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
        return Distance(differing=differing) if differing else None
    total = _Running()
    total.add(one.ravel(), other.ravel())
    return total.distance(True)


@dataclass(slots=True)
class _Running:
    """What has been seen so far."""

    differing: int = 0
    max_abs: Any = 0
    squared: float = 0.0
    norm: float = 0.0

    def add_equal(self, part: np.ndarray[Any, Any]) -> None:
        if part.dtype.kind != "b":
            self.norm += _squared(widened(part))

    def add(self, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> None:
        import numpy as np

        size = before.dtype.itemsize
        raw = (before.view(np.uint8).reshape(-1, size), after.view(np.uint8).reshape(-1, size))
        self.differing += int((raw[0] != raw[1]).any(axis=1).sum())
        one, two = widened(before), widened(after)
        self.norm += _squared(one)
        gap = _gap(one, two)
        if gap.size:
            largest = plain(gap.max())  # a NaN wins
            self.max_abs = largest if largest != largest else max(self.max_abs, largest)
            self.squared += float(np.square(gap.astype(np.float64)).sum())

    def distance(self, has_elements: bool) -> Distance | None:
        if not self.differing:
            return None
        if not has_elements:
            return Distance(differing=self.differing)
        relative = math.inf if self.norm == 0 else math.sqrt(self.squared) / math.sqrt(self.norm)
        return Distance(
            differing=self.differing, max_abs=self.max_abs, relative_norm=relative if self.squared else 0.0
        )


def _squared(part: np.ndarray[Any, Any]) -> float:
    import numpy as np

    known = np.abs(part[np.isfinite(part)]) if part.dtype.kind in "fc" else part
    return float(np.square(known.astype(np.float64)).sum())


def _gap(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Absolute differences; 0 where both are the same infinity, or both NaN."""
    import numpy as np

    if one.dtype.kind in "iu":  # the difference of two int64 fits uint64, whatever wraps on the way
        wide = (
            (one.astype(np.uint64), two.astype(np.uint64))
            if one.dtype.kind == "u"
            else _as_unsigned(one, two)
        )
        return np.where(one >= two, wide[0] - wide[1], wide[1] - wide[0])
    with np.errstate(invalid="ignore", over="ignore"):
        wider = np.complex128 if one.dtype.kind == "c" else np.float64
        gap: np.ndarray[Any, Any] = np.abs(two.astype(wider) - one.astype(wider))
    both = np.isnan(one) & np.isnan(two)
    gap[(one == two) | both] = 0
    return gap


def _as_unsigned(
    one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    import numpy as np

    return one.astype(np.int64).view(np.uint64), two.astype(np.int64).view(np.uint64)
