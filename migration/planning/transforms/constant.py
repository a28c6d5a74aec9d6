"""A value that no source gives."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from migration.planning.transforms.base import Array, Transform, registered
from migration.planning.transforms.number import integer_limits, is_complex, is_integer
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    pass

_MOST = int(sys.float_info.max)  # no dtype holds a larger number
Value: TypeAlias = bool | int | float | complex | str | bytes | tuple["Value", ...]


@registered
@dataclass(frozen=True, slots=True)
class Constant(Transform):
    """A value of no source's: a scalar, or nested tuples of scalars, broadcast to the step's shape."""

    name: ClassVar[str] = "constant"
    value: Value

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        if inputs:
            raise self.fault("takes no tensor")
        return _natural(self)

    def filled(self, spec: TensorSpec) -> TensorSpec:
        """`spec`, where the value can be broadcast to it and its dtype holds it."""
        own = _natural(self)
        pairs = zip(reversed(own.shape), reversed(spec.shape))  # noqa: B905 (the value may have fewer)
        if len(own.shape) > len(spec.shape) or any(ours not in (1, theirs) for ours, theirs in pairs):
            raise self.fault(f"shape {list(own.shape)} does not broadcast to {spec}")
        text = own.dtype is DType.STRING
        if text != (spec.dtype is DType.STRING) or spec.dtype in (DType.VARIANT, DType.RESOURCE):
            raise self.fault(f"{self.value!r} is no value of {spec.dtype}")
        for scalar in _scalars(self.value):
            self._check_scalar(scalar, spec.dtype)
        return spec

    def _check_scalar(self, scalar: object, dtype: DType) -> None:
        if isinstance(scalar, complex) and not is_complex(dtype):
            raise self.fault(f"{scalar!r} is no value of {dtype}")
        if is_integer(dtype) and isinstance(scalar, (int, float)):
            low, high = integer_limits(dtype)
            if scalar != scalar or not low <= scalar <= high or scalar != int(scalar):
                raise self.fault(f"{scalar!r} is no value of {dtype}")
        elif isinstance(scalar, int) and abs(scalar) > _MOST:
            raise self.fault(f"{scalar!r} is no value of {dtype}")

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        spec = _natural(self) if spec is None else self.filled(spec)
        value: Any = self.value
        if spec.dtype is DType.STRING:
            value = _as_bytes(value)
        array = np.array(value, dtype=spec.dtype.numpy)
        return np.broadcast_to(array, spec.shape)


def _scalars(value: Value) -> tuple[object, ...]:
    if isinstance(value, tuple):
        return tuple(scalar for part in value for scalar in _scalars(part))
    return (value,)


def _as_bytes(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_bytes(part) for part in value]
    return value.encode() if isinstance(value, str) else value


def _natural(constant: Constant) -> TensorSpec:
    """The spec that a constant has by itself; raises where it is ragged or mixes text and numbers."""
    shape = _shape(constant, constant.value)
    kinds = {_rank_of(constant, scalar) for scalar in _scalars(constant.value)} or {2}
    if 4 in kinds and len(kinds) > 1:
        raise constant.fault("mixes text and numbers")
    order = (DType.BOOL, DType.INT64, DType.FLOAT32, DType.COMPLEX64, DType.STRING)
    return TensorSpec(order[max(kinds)], shape)


def _rank_of(constant: Constant, scalar: object) -> int:
    kinds: tuple[type, ...] = (bool, int, float, complex, str, bytes)
    for rank, kind in enumerate(kinds):
        if isinstance(scalar, kind):
            return min(rank, 4)
    raise constant.fault(f"{scalar!r} is no number, boolean or string")


def _shape(constant: Constant, value: Value) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        return ()
    shapes = {_shape(constant, part) for part in value} or {()}
    if len(shapes) > 1:
        raise constant.fault("is ragged")
    return (len(value), *shapes.pop())
