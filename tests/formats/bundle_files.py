"""Whole V2 bundles on disk, read and written by this project's codecs alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleHeader,
    BundleIndex,
    decode_tensor,
    encode_tensor,
    shard_name,
)
from migration.tensors import DType, TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]


def read_index(prefix: Path) -> BundleIndex:
    index = BundleIndex.from_bytes(Path(f"{prefix}.index").read_bytes(), f"{prefix}.index")
    count = index.header.num_shards
    index.check_shards({n: Path(shard_name(str(prefix), n, count)).stat().st_size for n in range(count)})
    return index


def read_raw(prefix: Path, index: BundleIndex, entry: BundleEntry) -> bytes:
    shard = Path(shard_name(str(prefix), entry.shard, index.header.num_shards)).read_bytes()
    return shard[entry.offset : entry.offset + entry.size]


def read_bundle(prefix: Path) -> dict[str, Array]:
    """Every tensor of a bundle by this project's codecs, slices put together."""
    index = read_index(prefix)
    found = {}
    for key, entry in index.entries.items():
        if not entry.slices:
            found[key] = decode_tensor(entry, read_raw(prefix, index, entry), key)
            continue
        found[key] = np.empty(entry.spec.shape, entry.spec.dtype.numpy)
        for part in entry.slices:
            piece = index.slice_entries[key, part]
            found[key][part.index(entry.spec.shape)] = decode_tensor(
                piece, read_raw(prefix, index, piece), key
            )
    return found


def write_bundle(prefix: Path, tensors: Mapping[str, tuple[Array, DType]]) -> BundleIndex:
    """One shard with the tensors, one after another, and its index."""
    shard, entries = bytearray(), {}
    for key, (array, dtype) in tensors.items():
        raw, crc = encode_tensor(array, dtype)
        entries[key] = BundleEntry(TensorSpec(dtype, array.shape), 0, len(shard), len(raw), crc)
        shard += raw
    index = BundleIndex(BundleHeader(1), entries, {})
    Path(shard_name(str(prefix), 0, 1)).write_bytes(shard)
    Path(f"{prefix}.index").write_bytes(index.to_bytes())
    return index
