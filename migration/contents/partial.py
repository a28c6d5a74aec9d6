"""Tensors of which a file holds some slices only: what it holds, as arrays of the whole's shape.

TensorFlow writes such tensors for the slots of partitioned variables (see `planning/optimizers/misnamed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from migration.formats.tensor_bundle import TensorSlice, decode_tensor
from migration.formats.tensor_slices import IncompleteSlicesError, check_cover

if TYPE_CHECKING:
    import numpy as np

    from migration.checkpoint import Checkpoint

    Array = np.ndarray[Any, np.dtype[Any]]


def read_held(checkpoint: Checkpoint, key: str) -> Array:
    """The tensor with zeros (empty strings) where the file holds nothing, its checksums checked."""
    import numpy as np

    if key not in checkpoint.incomplete:
        return checkpoint.read(key)
    spec = checkpoint.spec(key)
    strings = spec.dtype.itemsize is None
    whole: Array = np.full(spec.shape, b"", object) if strings else np.zeros(spec.shape, spec.dtype.numpy)
    for extent, entry in checkpoint.placed(key):
        assert extent is not None
        raw = bytearray(checkpoint.shard_file(entry.shard).read(entry.offset, entry.size))
        part = decode_tensor(entry, memoryview(raw), f"tensor {key!r} of {checkpoint.prefix}")
        whole[extent.index(spec.shape)] = part
    return whole


def only_held(array: Array, parts: Iterable[TensorSlice]) -> Array:
    """`array` with zeros (empty strings) outside of `parts`, to compare with what `read_held` gives."""
    import numpy as np

    held: Array = np.full(array.shape, b"", object) if array.dtype == object else np.zeros_like(array)
    for part in parts:
        box = part.index(array.shape)
        held[box] = array[box]
    return held


def holds_box(checkpoint: Checkpoint, key: str, starts: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Whether the slices of the tensor that the file holds make up all of a box."""
    found = []
    for part in checkpoint.partitions[key]:
        lows = [max(start, low) for start, low in zip(part.starts, starts, strict=True)]
        ends = zip(part.starts, part.lengths, starts, sizes, strict=True)
        highs = [min(start + (length or 0), low + size) for start, length, low, size in ends]
        if all(low < high for low, high in zip(lows, highs, strict=True)):
            moved = tuple(low - start for low, start in zip(lows, starts, strict=True))
            found.append(TensorSlice(moved, tuple(h - low for low, h in zip(lows, highs, strict=True))))
    try:
        check_cover(found, sizes)
    except IncompleteSlicesError:
        return False
    return True
