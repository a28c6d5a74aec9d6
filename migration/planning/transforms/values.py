"""Transforms that compute values: casts, arithmetic, and step counts as powers."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from migration.planning.transforms.base import Array, Transform, registered
from migration.planning.transforms.number import (
    integer_limits,
    is_complex,
    is_integer,
    is_number,
    widens,
)
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

_NARROW = (DType.INT4, DType.UINT4, DType.INT2, DType.UINT2)


@registered
@dataclass(frozen=True, slots=True)
class Cast(Transform):
    """The same values as another dtype: rounded to nearest, or towards zero where integers are asked.

    A value that the dtype cannot hold at all (300 as int8, NaN as int32, 1e6 as float16) is refused
    when it is met, not wrapped. `widened` says that the values came from this dtype (the cast is the
    way back of a widening one), so that its inverse is known.
    """

    name: ClassVar[str] = "cast"
    dtype: DType
    widened: bool = False

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        known = all(kind is DType.BOOL or is_number(kind) for kind in (spec.dtype, self.dtype))
        if spec.dtype is not self.dtype and not known:
            raise self.fault(f"{spec.dtype} does not become {self.dtype}")
        if is_complex(spec.dtype) and not is_complex(self.dtype) and not self.widened:
            raise self.fault(f"{self.dtype} would lose the imaginary part of {spec.dtype}")
        return TensorSpec(self.dtype, spec.shape)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        array = arrays[0]
        if array.dtype == self.dtype.numpy:
            return array
        array = self._real(array)
        self._check_range(array)
        with np.errstate(over="ignore", invalid="ignore"):
            result = _plain(array)
            if self.dtype in _NARROW:
                result = result.astype(np.int8)  # ml_dtypes before 0.5 casts to them from nothing of its own
            result = result.astype(self.dtype.numpy)
        self._check_overflow(array, result)
        return result

    def _real(self, array: Array) -> Array:
        """The array, without the imaginary part that a widening from real numbers gave it."""
        if array.dtype.kind != "c" or is_complex(self.dtype):
            return array
        if array.imag.any():
            raise self.fault(f"{self.dtype} would lose the imaginary part of the values")
        return array.real

    def _check_range(self, array: Array) -> None:
        if not is_integer(self.dtype) or not array.size or array.dtype == bool:
            return
        low, high = integer_limits(self.dtype)
        if DType.from_numpy(array.dtype).is_floating:
            smallest, largest = float(array.min()), float(array.max())
            fits = low - 1 < smallest and largest < high + 1 if math.isfinite(largest - smallest) else False
        else:
            fits = low <= int(array.min()) and int(array.max()) <= high
        if not fits:
            raise self.fault(
                f"values reach from {array.min()} to {array.max()}, {self.dtype} from {low} to {high}"
            )

    def _check_overflow(self, array: Array, result: Array) -> None:
        import numpy as np

        if is_integer(self.dtype) or self.dtype is DType.BOOL or array.dtype == bool:
            return
        if widens(DType.from_numpy(array.dtype), self.dtype):
            return
        before, after = (np.isfinite(values.astype(_wide(values))) for values in (array, result))
        if np.any(before & ~after):
            raise self.fault(f"{array[before & ~after].flat[0]} is too large for {self.dtype}")

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        before = self.only(inputs).dtype
        if widens(before, self.dtype):
            return Cast(before, widened=not widens(self.dtype, before))
        return Cast(before) if self.widened and widens(self.dtype, before) else None

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        spec = self.only(inputs)
        return (0, spec.size) if spec.dtype is self.dtype else None


@registered
@dataclass(frozen=True, slots=True)
class Scale(Transform):
    """Every value times `factor` (or divided by it), in double precision, rounded once to the dtype."""

    name: ClassVar[str] = "scale"
    factor: float
    divide: bool = False

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = _arithmetic(self, self.decoded(inputs), self.factor)
        if self.divide and (self.factor == 0 or (is_integer(spec.dtype) and abs(self.factor) != 1)):
            raise self.fault(f"{spec} is not divided by {self.factor}")
        return spec

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        whole = is_integer(DType.from_numpy(arrays[0].dtype))
        function = operator.truediv if self.divide and not whole else operator.mul
        return _compute(self, function, arrays[0], self.factor)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        whole = is_integer(self.only(inputs).dtype)
        usable = abs(self.factor) == 1 if whole else self.factor != 0 and math.isfinite(self.factor)
        return Scale(self.factor, not self.divide) if usable else None

    @property
    def exact(self) -> bool:
        """True for powers of two, as long as nothing leaves the range of the dtype's normal numbers."""
        return self.factor != 0 and math.isfinite(self.factor) and abs(math.frexp(self.factor)[0]) == 0.5


@registered
@dataclass(frozen=True, slots=True)
class Add(Transform):
    """`value` added to every element, or to those from `start` to `stop` along `axis`."""

    name: ClassVar[str] = "add"
    value: float
    axis: int | None = None
    start: int | None = None
    stop: int | None = None

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        if self.axis is None and (self.start, self.stop) != (None, None):
            raise self.fault("start and stop need an axis")
        if self.axis is not None:
            length = spec.shape[self.axis_of(self.axis, len(spec.shape))]
            start, stop = self.start or 0, length if self.stop is None else self.stop
            if not 0 <= start <= stop <= length:
                raise self.fault(f"{start} to {stop} leaves axis {self.axis} of {spec}")
        return _arithmetic(self, spec, self.value)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        if self.axis is None:
            return _compute(self, operator.add, arrays[0], self.value)
        result = np.array(arrays[0], order="C")
        axis = self.axis % result.ndim
        block = (*(slice(None),) * axis, slice(self.start or 0, self.stop))
        result[block] = _compute(self, operator.add, result[block], self.value)
        return result

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        if not math.isfinite(self.value):
            return None
        return Add(-self.value, self.axis, self.start, self.stop)

    @property
    def exact(self) -> bool:
        """False: only integers come back to the very bytes, floating-point sums round."""
        return False


@registered
@dataclass(frozen=True, slots=True)
class Power(Transform):
    """base ** (x + offset), element by element, in double precision: Adam's beta powers from a step."""

    name: ClassVar[str] = "power"
    base: float
    offset: float
    dtype: DType

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        if not is_number(spec.dtype) or is_complex(spec.dtype) or not self.dtype.is_floating:
            raise self.fault(
                f"makes real floating-point numbers of real numbers, not {self.dtype} of {spec.dtype}"
            )
        if not 0 <= self.base < math.inf:
            raise self.fault(f"base {self.base} is no finite number from 0 on")
        return TensorSpec(self.dtype, spec.shape)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        with np.errstate(under="ignore", over="ignore"):
            values = np.power(self.base, arrays[0].astype(np.float64) + self.offset)
        return np.asarray(values).astype(self.dtype.numpy)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        if self.base in (0, 1) or not is_integer(self.only(inputs).dtype):
            return None
        return Steps(self.base, self.offset, self.only(inputs).dtype)

    @property
    def exact(self) -> bool:
        """True while the power is a normal number of its dtype; Steps refuses 0, subnormals, infinity."""
        return True


@registered
@dataclass(frozen=True, slots=True)
class Steps(Transform):
    """The integer round(log(x) / log(base)) - offset: how many steps a beta power has seen."""

    name: ClassVar[str] = "steps"
    base: float
    offset: float
    dtype: DType

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        if not spec.dtype.is_floating or not is_integer(self.dtype):
            raise self.fault(f"makes integers of floating-point numbers, not {self.dtype} of {spec.dtype}")
        if not 0 < self.base < math.inf or self.base == 1:
            raise self.fault(f"base {self.base} is no positive finite number other than 1")
        return TensorSpec(self.dtype, spec.shape)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import ml_dtypes
        import numpy as np

        powers = arrays[0].astype(np.float64)
        smallest = float(ml_dtypes.finfo(arrays[0].dtype).smallest_normal)
        if not np.all((powers >= smallest) & np.isfinite(powers)):
            raise self.fault(
                f"{powers.min()} is no power of {self.base}: it underflowed or overflowed, so the step has "
                "to come from elsewhere"
            )
        steps = np.rint(np.log(powers) / math.log(self.base)) - self.offset
        return Cast(self.dtype).apply([np.asarray(steps)])

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        return Power(self.base, self.offset, self.only(inputs).dtype)

    @property
    def exact(self) -> bool:
        """False: training multiplies step by step, and each product rounds."""
        return False


def _arithmetic(transform: Transform, spec: TensorSpec, operand: float) -> TensorSpec:
    """`spec`, where its dtype can be computed with this operand."""
    if not is_number(spec.dtype):
        raise transform.fault(f"{spec.dtype} is not computed with")
    if is_integer(spec.dtype) and not float(operand).is_integer():
        raise transform.fault(f"{operand} would leave the integers of {spec}")
    return spec


def _compute(transform: Transform, function: Any, array: Array, operand: float) -> Array:
    """function(array, operand) in the widest type of its kind, rounded once to the array's dtype."""
    import numpy as np

    ufunc = {operator.mul: np.multiply, operator.truediv: np.divide, operator.add: np.add}[function]
    kind = DType.from_numpy(array.dtype)
    if is_integer(kind):
        _check_result(transform, function, array, int(operand))
        modulo = ufunc(array.astype(np.uint64), np.uint64(int(operand) % 2**64))  # exact: the result fits
        integers: Array = modulo.astype(np.int64).astype(kind.numpy)
        return integers
    result = np.empty(array.shape, array.dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        ufunc(array, operand, out=result, dtype=_wide(array), casting="unsafe")
    return result


def _check_result(transform: Transform, function: Any, array: Array, operand: int) -> None:
    """Both functions are monotonic in the array, so the extremes tell."""
    if not array.size:
        return
    kind = DType.from_numpy(array.dtype)
    low, high = integer_limits(kind)
    ends = [function(int(end), operand) for end in (array.min(), array.max())]
    if min(ends) < low or max(ends) > high:
        raise transform.fault(f"results from {min(ends)} to {max(ends)} leave {kind}")


def _plain(array: Array) -> Array:
    """The array, its 4- and 2-bit integers as int8: ml_dtypes has no casts between those kinds."""
    import numpy as np

    return array.astype(np.int8) if DType.from_numpy(array.dtype) in _NARROW else array


def _wide(array: Array) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(np.complex128 if array.dtype.kind == "c" else np.float64)
