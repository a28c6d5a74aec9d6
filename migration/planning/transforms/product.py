"""A tensor times a scalar that another tensor of the checkpoint holds, such as a learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from migration.planning.transforms.base import Array, Transform, registered
from migration.tensors import TensorSpec


@registered
@dataclass(frozen=True, slots=True)
class Product(Transform):
    """x * factor * s, or x * factor / s, of two inputs: a tensor x and a scalar s (one element).

    Computed in double precision, rounded once to x's dtype.
    """

    name: ClassVar[str] = "product"
    factor: float
    divide: bool = False

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        if len(inputs) != 2 or inputs[1].size != 1:
            raise self.fault("takes a tensor, and another of one element")
        for spec in inputs:
            if not spec.dtype.is_floating:
                raise self.fault(f"{spec.dtype} is not multiplied")
        return inputs[0]

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        scalar = float(arrays[1].reshape(-1)[0])
        if self.divide and scalar == 0:
            raise self.fault("divides by zero")
        scale = self.factor / scalar if self.divide else self.factor * scalar
        result: Array = (arrays[0].astype(np.float64) * scale).astype(arrays[0].dtype)
        return result
