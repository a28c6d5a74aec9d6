"""How far a tensor is from what it should be, within a tolerance or byte for byte."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration.contents.distance import distance_of_arrays
from migration.contents.values import plain, widened

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A tensor that was compared: `differing` of its `elements` are beyond the tolerance.

    `max_abs` is the largest absolute difference (NaN where one side alone has a NaN), `relative_norm` the
    2-norm of the difference relative to that of the wanted tensor (infinite where that is zero); both None
    where nothing differs or there is no number. `where` tells the element that is farthest off. `fault` is
    what kept the two from being compared at all.
    """

    name: str
    spec: str = ""
    elements: int = 0
    differing: int = 0
    max_abs: float | int | None = None
    relative_norm: float | None = None
    where: str = ""
    fault: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the tensor is what it should be."""
        return not self.fault and not self.differing

    @property
    def badness(self) -> tuple[float, float]:
        """Greater is worse: what could not be compared, then NaNs, then by norm."""
        if self.fault:
            return math.inf, math.inf
        largest = 0.0 if self.max_abs is None else float(self.max_abs)
        norm = 0.0 if self.relative_norm is None else float(self.relative_norm)
        return (math.inf, 0.0) if math.isnan(largest) else (norm, largest)

    def __str__(self) -> str:
        head = f"{self.name}  {self.spec}".rstrip()
        if self.fault:
            return f"{head}: {self.fault}"
        if not self.differing:
            return f"{head}: equal{self._numbers()}"
        return f"{head}: {self.differing} of {self.elements} elements differ{self._numbers()}{self.where}"

    def _numbers(self) -> str:
        if self.max_abs is None or self.relative_norm is None:
            return ""
        return f", max abs {self.max_abs:.4g}, relative 2-norm {self.relative_norm:.4g}"


def worst_first(gaps: list[Gap]) -> list[Gap]:
    """The gaps in the order of their badness."""
    return sorted(gaps, key=lambda gap: gap.badness, reverse=True)


def gap_between(name: str, spec: str, wanted: Array, found: Array, rtol: float, atol: float) -> Gap:
    """The gap between two arrays of one shape.

    With both tolerances 0, elements differ where a byte does. Otherwise where |found - wanted| is greater
    than atol + rtol * |wanted| (numpy.isclose's rule); NaNs are equal to each other, and strings are
    compared as they are.
    """
    if wanted.dtype != found.dtype:
        wanted, found = _on_common_ground(wanted, found)
    distance = distance_of_arrays(wanted, found)
    if distance is None:
        return Gap(name=name, spec=spec, elements=wanted.size)
    exact = rtol == 0 and atol == 0
    differing = distance.differing if exact else _beyond(wanted, found, rtol, atol)
    return Gap(
        name=name,
        spec=spec,
        elements=wanted.size,
        differing=differing,
        max_abs=distance.max_abs,
        relative_norm=distance.relative_norm,
        where=_farthest(wanted, found),
    )


def _on_common_ground(wanted: Array, found: Array) -> tuple[Array, Array]:
    """Two kinds of numbers in one that holds both; strings and numbers as objects, which differ."""
    import numpy as np

    if "O" in wanted.dtype.kind + found.dtype.kind:
        return wanted.astype(object), found.astype(object)
    wanted, found = widened(wanted), widened(found)
    common = np.result_type(wanted, found)
    return wanted.astype(common), found.astype(common)


def _beyond(wanted: Array, found: Array, rtol: float, atol: float) -> int:
    import numpy as np

    if wanted.dtype.kind == "O":
        return int(sum(one != two for one, two in zip(wanted.flat, found.flat, strict=True)))
    one, two = _numbers(wanted), _numbers(found)
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.isclose(two, one, rtol=rtol, atol=atol, equal_nan=True)
    return int(wanted.size - np.count_nonzero(close))


def _numbers(array: Array) -> Array:
    import numpy as np

    wide = widened(array)
    wider: Array = wide.astype(np.complex128 if wide.dtype.kind == "c" else np.float64)
    return wider


def _farthest(wanted: Array, found: Array) -> str:
    """Where the largest difference is, and what is there on either side."""
    import numpy as np

    if wanted.dtype.kind == "O":
        at = next(i for i, pair in enumerate(zip(wanted.flat, found.flat, strict=True)) if pair[0] != pair[1])
    else:
        at = int(_distances(wanted.ravel(), found.ravel()).argmax())
    index = [int(i) for i in np.unravel_index(at, wanted.shape)]
    values = plain(wanted.flat[at]), plain(found.flat[at])
    return f"; at {index}: {_short(values[1])}, wanted {_short(values[0])}"


def _distances(wanted: Array, found: Array) -> Array:
    """How far elements are apart: infinite at a NaN of one side, -1 where all bytes are the same."""
    import numpy as np

    one, two = _numbers(wanted), _numbers(found)
    with np.errstate(invalid="ignore", over="ignore"):
        off: Array = np.abs(two - one)
    off[(one == two) | (np.isnan(one) & np.isnan(two))] = 0
    off[np.isnan(off)] = np.inf
    size = wanted.dtype.itemsize
    raw = (np.ascontiguousarray(each).view(np.uint8).reshape(-1, size) for each in (wanted, found))
    off[np.equal(*raw).all(axis=1)] = -1
    return off


def _short(value: Any) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
