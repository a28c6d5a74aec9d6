"""Transforms that move or select elements and never change a value: every dtype, strings included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from migration.planning.transforms.base import Array, Transform, registered
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    pass


@registered
@dataclass(frozen=True, slots=True)
class Reshape(Transform):
    """The same elements in row-major order under another shape; one dimension may be -1: what is left."""

    name: ClassVar[str] = "reshape"
    shape: tuple[int, ...]

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.only(inputs)
        if any(size < -1 for size in self.shape) or self.shape.count(-1) > 1:
            raise self.fault(f"{list(self.shape)} is no shape")
        known = math.prod(size for size in self.shape if size != -1)
        missing = spec.size // known if known else 0
        shape = tuple(missing if size == -1 else size for size in self.shape)
        if math.prod(shape) != spec.size:
            raise self.fault(f"{spec} has {spec.size} elements, {list(self.shape)} holds {math.prod(shape)}")
        return TensorSpec(spec.dtype, shape)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        return arrays[0].reshape(self.shape if spec is None else spec.shape)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        return Reshape(self.only(inputs).shape)

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        return 0, self.only(inputs).size


@registered
@dataclass(frozen=True, slots=True)
class Transpose(Transform):
    """Dimension i of the output is dimension permutation[i] of the input, as in numpy.transpose."""

    name: ClassVar[str] = "transpose"
    permutation: tuple[int, ...]

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        if sorted(self.permutation) != list(range(len(spec.shape))):
            raise self.fault(f"{list(self.permutation)} does not permute the dimensions of {spec}")
        return TensorSpec(spec.dtype, tuple(spec.shape[axis] for axis in self.permutation))

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        moved: Array = arrays[0].transpose(self.permutation)
        return moved

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        return Transpose(tuple(sorted(range(len(self.permutation)), key=self.permutation.__getitem__)))

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        shape = self.only(inputs).shape
        wide = [axis for axis in self.permutation if shape[axis] != 1]
        return (0, math.prod(shape)) if wide == sorted(wide) else None


@registered
@dataclass(frozen=True, slots=True)
class PermuteBlocks(Transform):
    """An axis cut into len(order) equal blocks: block i of the output is block order[i] of the input.

    That is how the gates of a recurrent cell change their order.
    """

    name: ClassVar[str] = "permute_blocks"
    axis: int
    order: tuple[int, ...]

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        size = spec.shape[self.axis_of(self.axis, len(spec.shape))]
        if sorted(self.order) != list(range(len(self.order))) or not self.order:
            raise self.fault(f"order {list(self.order)} is no permutation")
        if size % len(self.order):
            raise self.fault(f"axis {self.axis} of {spec} does not divide into {len(self.order)} blocks")
        return spec

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        array = arrays[0]
        axis, count = self.axis % array.ndim, len(self.order)
        blocks = (*array.shape[:axis], count, array.shape[axis] // count, *array.shape[axis + 1 :])
        permuted: Array = np.take(array.reshape(blocks), self.order, axis=axis).reshape(array.shape)
        return permuted

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        return PermuteBlocks(self.axis, tuple(sorted(range(len(self.order)), key=self.order.__getitem__)))

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        return (0, self.only(inputs).size) if list(self.order) == sorted(self.order) else None
