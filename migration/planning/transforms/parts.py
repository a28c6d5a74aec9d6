"""Transforms that join tensors and take them apart again: every dtype, strings included."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from migration.planning.transforms.base import Array, Transform, registered
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    pass


@registered
@dataclass(frozen=True, slots=True)
class Slice(Transform):
    """The box of `sizes` elements from `starts` on, one number a dimension; a size of -1 goes to the end."""

    name: ClassVar[str] = "slice"
    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        if not len(self.starts) == len(self.sizes) == len(spec.shape):
            raise self.fault(
                f"needs a start and a size for each of the {len(spec.shape)} dimensions of {spec}"
            )
        sizes = self._sizes(spec.shape)
        for axis, (start, size, length) in enumerate(zip(self.starts, sizes, spec.shape, strict=True)):
            if start < 0 or size < 0 or start + size > length:
                raise self.fault(f"start {start} and size {size} leave axis {axis} of {spec}")
        return TensorSpec(spec.dtype, sizes)

    def _sizes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        parts = zip(self.starts, self.sizes, shape, strict=True)
        return tuple(length - start if size == -1 else size for start, size, length in parts)

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        sizes = self._sizes(arrays[0].shape)
        box = tuple(slice(start, start + size) for start, size in zip(self.starts, sizes, strict=True))
        index: tuple[Any, ...] = (*box, ...)
        part: Array = arrays[0][index]
        return part

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        shape = self.only(inputs).shape
        return Slice((0,) * len(shape), shape) if self._sizes(shape) == shape else None

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        shape = self.only(inputs).shape
        return _run(self.starts, self._sizes(shape), shape)


@registered
@dataclass(frozen=True, slots=True)
class Split(Transform):
    """Part `index` of an axis cut into parts of `sizes`; parts of size -1 share what is left equally."""

    name: ClassVar[str] = "split"
    axis: int
    sizes: tuple[int, ...]
    index: int

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        axis = self.axis_of(self.axis, len(spec.shape))
        sizes = self.sizes_of(spec)
        if not 0 <= self.index < len(sizes):
            raise self.fault(f"index {self.index} of {len(sizes)} parts")
        return TensorSpec(spec.dtype, (*spec.shape[:axis], sizes[self.index], *spec.shape[axis + 1 :]))

    def sizes_of(self, spec: TensorSpec) -> tuple[int, ...]:
        """The sizes of all parts of a tensor of this spec, none of them -1."""
        length = spec.shape[self.axis_of(self.axis, len(spec.shape))]
        shares = self.sizes.count(-1)
        rest = length - sum(size for size in self.sizes if size != -1)
        share = rest // shares if shares else 0
        if any(size < -1 for size in self.sizes) or rest < 0 or share * shares != rest:
            raise self.fault(f"{list(self.sizes)} does not cut axis {self.axis} of {spec}")
        return tuple(share if size == -1 else size for size in self.sizes)

    def _box(self, shape: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        axis = self.axis % len(shape)
        start = sum(sizes[: self.index])
        starts = tuple(start if at == axis else 0 for at in range(len(shape)))
        return starts, (*shape[:axis], sizes[self.index], *shape[axis + 1 :])

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        from migration.tensors import DType

        array = arrays[0]
        sizes = self.sizes_of(TensorSpec(DType.from_numpy(array.dtype), array.shape))
        return Slice(*self._box(array.shape, sizes)).apply(arrays)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        spec = self.only(inputs)
        whole = self.output(inputs).shape == spec.shape
        return Split(self.axis, (spec.shape[self.axis],), 0) if whole else None

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        spec = self.only(inputs)
        return _run(*self._box(spec.shape, self.sizes_of(spec)), spec.shape)


@registered
@dataclass(frozen=True, slots=True)
class Unstack(Transform):
    """Part `index` of an axis of length `count`; the axis is gone."""

    name: ClassVar[str] = "unstack"
    axis: int
    index: int
    count: int

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        spec = self.decoded(inputs)
        axis = self.axis_of(self.axis, len(spec.shape))
        if spec.shape[axis] != self.count or not 0 <= self.index < self.count:
            raise self.fault(f"index {self.index} of {self.count} on axis {self.axis} of {spec}")
        return TensorSpec(spec.dtype, (*spec.shape[:axis], *spec.shape[axis + 1 :]))

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        array = arrays[0]
        place: tuple[Any, ...] = (*(slice(None),) * (self.axis % array.ndim), self.index, ...)
        part: Array = array[place]
        return part

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        spec = self.only(inputs)
        return Stack(self.axis_of(self.axis, len(spec.shape))) if self.count == 1 else None

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        shape = self.only(inputs).shape
        axis = self.axis % len(shape)
        starts = tuple(self.index if at == axis else 0 for at in range(len(shape)))
        return _run(starts, (*shape[:axis], 1, *shape[axis + 1 :]), shape)


@registered
@dataclass(frozen=True, slots=True)
class Concat(Transform):
    """The inputs one after the other along an axis. `sizes`, where given, are what they must have there."""

    name: ClassVar[str] = "concat"
    axis: int
    sizes: tuple[int, ...] = ()

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        first = _alike(self, inputs)
        axis = self.axis_of(self.axis, len(first.shape))
        rests = {(*spec.shape[:axis], *spec.shape[axis + 1 :]) for spec in inputs}
        sizes = tuple(spec.shape[axis] for spec in inputs)
        if len(rests) > 1:
            raise self.fault(f"{_listed(inputs)} differ beside axis {self.axis}")
        if self.sizes and sizes != self.sizes:
            raise self.fault(
                f"{_listed(inputs)} do not have the sizes {list(self.sizes)} on axis {self.axis}"
            )
        return TensorSpec(first.dtype, (*first.shape[:axis], sum(sizes), *first.shape[axis + 1 :]))

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        return np.concatenate(arrays, axis=self.axis)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        undone = self.undo(inputs)
        return undone[0] if undone and len(undone) == 1 else None

    def undo(self, inputs: tuple[TensorSpec, ...]) -> tuple[Transform, ...] | None:
        axis = self.axis_of(self.axis, len(_alike(self, inputs).shape))
        sizes = tuple(spec.shape[axis] for spec in inputs)
        return tuple(Split(axis, sizes, index) for index in range(len(inputs)))

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        return (0, inputs[0].size) if len(inputs) == 1 else None


@registered
@dataclass(frozen=True, slots=True)
class Stack(Transform):
    """The inputs, all of one shape, side by side along a new axis."""

    name: ClassVar[str] = "stack"
    axis: int

    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        first = _alike(self, inputs)
        if len({spec.shape for spec in inputs}) > 1:
            raise self.fault(f"{_listed(inputs)} differ in shape")
        axis = self.axis_of(self.axis, len(first.shape) + 1)
        return TensorSpec(first.dtype, (*first.shape[:axis], len(inputs), *first.shape[axis:]))

    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        import numpy as np

        return np.stack(arrays, axis=self.axis)

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        undone = self.undo(inputs)
        return undone[0] if undone and len(undone) == 1 else None

    def undo(self, inputs: tuple[TensorSpec, ...]) -> tuple[Transform, ...] | None:
        axis = self.axis_of(self.axis, len(_alike(self, inputs).shape) + 1)
        return tuple(Unstack(axis, index, len(inputs)) for index in range(len(inputs)))

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        return (0, inputs[0].size) if len(inputs) == 1 else None


def _alike(transform: Transform, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
    """The first input, where all have its dtype and rank."""
    if not inputs:
        raise transform.fault("joins tensors, but none comes in")
    for spec in inputs:
        transform.check_decodable(spec)
    if len({(spec.dtype, len(spec.shape)) for spec in inputs}) > 1:
        raise transform.fault(f"{_listed(inputs)} differ in dtype or rank")
    return inputs[0]


def _listed(inputs: tuple[TensorSpec, ...]) -> str:
    shown = [str(spec) for spec in itertools.islice(inputs, 4)]
    return ", ".join([*shown, "..."] if len(inputs) > 4 else shown)


def _run(starts: tuple[int, ...], sizes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Where a box lies in row-major order, as (start, stop) in elements; None if it lies in pieces."""
    size = math.prod(sizes)
    if size == 0:
        return 0, 0
    wide = [axis for axis, length in enumerate(sizes) if length != 1]
    if wide and sizes[wide[0] + 1 :] != shape[wide[0] + 1 :]:
        return None
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    start = sum(at * stride for at, stride in zip(starts, strides, strict=True))
    return start, start + size
