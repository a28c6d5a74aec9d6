"""The mean along an axis: one bias of two that are only ever added (cuDNN's), with a scale of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from migration.planning.transforms.base import Array, Transform, registered
from migration.planning.transforms.number import is_integer, is_number
from migration.tensors import TensorSpec


@registered
@dataclass(frozen=True, slots=True)
class Mean(Transform):
    """The mean along one axis, which is gone, computed in double precision and rounded once.

    Real and complex floating-point kinds only; what was averaged cannot be told apart again.
    """

    name: ClassVar[str] = "mean"
    axis: int

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        axis = self.axis_of(self.axis, len(spec.shape))
        if not is_number(spec.dtype) or is_integer(spec.dtype):
            raise self.fault(f"{spec.dtype} has no mean of its own kind")
        if not spec.shape[axis]:
            raise self.fault(f"axis {self.axis} of {spec} is empty")
        return TensorSpec(spec.dtype, (*spec.shape[:axis], *spec.shape[axis + 1 :]))

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        array = arrays[0]
        wide = np.complex128 if array.dtype.kind == "c" else np.float64
        return np.asarray(array.astype(wide).mean(axis=self.axis)).astype(array.dtype)
