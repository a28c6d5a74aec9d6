"""What a reader promises beside raising nothing but `MigrationError`."""

from __future__ import annotations

from collections.abc import Sequence

from migration.formats.tensor_slices import TensorSlice
from migration.tensors import TensorSpec


class BrokenPromiseError(Exception):
    """A value that was read and is not what its reader promises."""


def promised(holds: bool, what: str) -> None:
    """Raises BrokenPromiseError unless it holds."""
    if not holds:
        raise BrokenPromiseError(what)


def check_spec(spec: TensorSpec) -> None:
    """Shapes are of numbers from 0 on, and their bytes can be counted in 64 bits."""
    promised(all(size >= 0 for size in spec.shape), "a shape has a negative size")
    promised((spec.nbytes or 0) < 2**63, "a tensor has more bytes than 64 bits can count")
    promised(bool(str(spec)), "a spec has no text")


def check_slices(spec: TensorSpec, slices: Sequence[TensorSlice]) -> None:
    """Slices lie in the shape."""
    for part in slices:
        for start, size, whole in zip(part.starts, part.shape(spec.shape), spec.shape, strict=True):
            promised(0 <= start <= whole and 0 <= size <= whole - start, "a slice leaves its shape")
