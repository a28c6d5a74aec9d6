"""What TensorFlow itself finds in a checkpoint: the measure of every comparison here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from migration import Checkpoint

Array = np.ndarray[Any, Any]
BOOKKEEPING = ("_CHECKPOINTABLE_OBJECT_GRAPH", "_CKPT_MIGRATION_MANIFEST")


def specs(prefix: str | os.PathLike[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype and the shape of every tensor, by key, as TensorFlow's reader tells them."""
    reader = tf.train.load_checkpoint(os.fspath(prefix))
    dtypes = reader.get_variable_to_dtype_map()
    return {
        key: (dtypes[key].name, tuple(shape))
        for key, shape in reader.get_variable_to_shape_map().items()
        if key not in BOOKKEEPING
    }


def tensors(prefix: str | os.PathLike[str]) -> dict[str, Array]:
    """Every tensor, by key, as TensorFlow reads it."""
    reader = tf.train.load_checkpoint(os.fspath(prefix))
    return {key: _read(reader, os.fspath(prefix), key) for key in specs(prefix)}


def _read(reader: Any, prefix: str, key: str) -> Array:
    try:
        return np.asarray(reader.get_tensor(key))
    except ValueError as error:
        # TensorFlow puts slices of most dtypes together; of the others it gives one at a time.
        if "not supported" not in str(error):
            raise
        return _joined(prefix, key)


def _joined(prefix: str, key: str) -> Array:
    source = Checkpoint.open(prefix)
    shape, parts = source.spec(key).shape, source.partitions[key]
    dtype = tf.dtypes.as_dtype(source.spec(key).dtype.value)
    whole = np.zeros(shape, dtype.as_numpy_dtype)
    for part in parts:
        extents = ":".join(
            f"{start},{length}" for start, length in zip(part.starts, part.lengths, strict=True)
        )
        cut = " ".join(map(str, shape)) + f" {extents}"
        (read,) = tf.raw_ops.RestoreV2(
            prefix=prefix, tensor_names=[key], shape_and_slices=[cut], dtypes=[dtype]
        )
        whole[part.index(shape)] = read.numpy()
    return whole


def same(one: Array, other: Array) -> bool:
    """Whether two arrays agree in dtype, in shape and in every byte."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


def unequal(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> list[str]:
    """The keys that only one side has, or whose tensors are not the same."""
    keys = found.keys() | wanted.keys()
    return sorted(
        key for key in keys if key not in found or key not in wanted or not same(found[key], wanted[key])
    )
