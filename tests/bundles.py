"""Bundles for tests, written without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleHeader,
    BundleIndex,
    TensorSlice,
    encode_tensor,
    shard_name,
)
from migration.tensors import DType, TensorSpec


def write_bundle(
    prefix: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    *,
    parts: Mapping[str, int] | None = None,
    num_shards: int = 1,
) -> str:
    """Write arrays by name, dealt out over the shards in turn; `parts` says into how many slices of rows."""
    prefix = os.fspath(prefix)
    shards = [bytearray() for _ in range(num_shards)]
    entries: dict[str, BundleEntry] = {}
    slice_entries: dict[tuple[str, TensorSlice], BundleEntry] = {}
    for number, (name, array) in enumerate(arrays.items()):
        dtype = DType.from_numpy(array.dtype)
        spec = TensorSpec(dtype, array.shape)
        count = (parts or {}).get(name, 1)
        if count == 1:
            entries[name] = _append(shards, number % num_shards, array, dtype)
            continue
        extents = []
        start = 0
        for part in np.array_split(array, count):
            extent = TensorSlice((start,) + (0,) * (array.ndim - 1), part.shape)
            slice_entries[name, extent] = _append(shards, (number + len(extents)) % num_shards, part, dtype)
            extents.append(extent)
            start += len(part)
        entries[name] = BundleEntry(spec, 0, 0, 0, 0, tuple(extents))
    for number, shard in enumerate(shards):
        with open(shard_name(prefix, number, num_shards), "wb") as file:
            file.write(shard)
    with open(prefix + ".index", "wb") as file:
        file.write(BundleIndex(BundleHeader(num_shards), entries, slice_entries).to_bytes())
    return prefix


def _append(shards: list[bytearray], shard: int, array: np.ndarray[Any, Any], dtype: DType) -> BundleEntry:
    payload, crc = encode_tensor(array, dtype)
    entry = BundleEntry(TensorSpec(dtype, array.shape), shard, len(shards[shard]), len(payload), crc)
    shards[shard] += payload
    return entry
