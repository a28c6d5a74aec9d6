"""What TensorFlow itself finds in a checkpoint: the measure of every comparison here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

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
    """Every tensor, by key, as TensorFlow's reader reads it."""
    reader = tf.train.load_checkpoint(os.fspath(prefix))
    return {key: np.asarray(reader.get_tensor(key)) for key in specs(prefix)}


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
