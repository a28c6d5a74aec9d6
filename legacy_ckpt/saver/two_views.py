"""Further keys in a V2 checkpoint that is already written: on its own bytes, at the cost of an index.

New values (the object graph, the save counter) are appended to the first shard, past everything the old
index knows of; then one rename puts the new index in place. Until then the old checkpoint is whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleIndex,
    TensorSlice,
    encode_tensor,
    shard_name,
)
from migration.storage import replace_file, sweep
from migration.tensors import DType, TensorSpec


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor of the checkpoint, by its key; or one stored slice of it, as a tensor of its own."""

    key: str
    extent: TensorSlice | None = None


@dataclass(frozen=True, slots=True)
class Additions:
    """New keys: names for what is there, and values that are not."""

    aliases: Mapping[str, Place]
    values: Mapping[str, Any]  # numpy arrays; object arrays of bytes are strings


def add_keys(prefix: str, additions: Additions) -> None:
    """Adds the keys to the checkpoint at `prefix`, in place of equal keys.

    Raises KeyError for a place that the checkpoint does not have, OSError where it cannot be written.
    """
    with open(prefix + ".index", "rb") as file:
        index = BundleIndex.from_bytes(file.read())
    entries, slice_entries = dict(index.entries), dict(index.slice_entries)
    for key, place in additions.aliases.items():
        if place.extent is not None:
            entries[key] = _stored_slice(index, place)
            continue
        entries[key] = index.entries[place.key]
        for extent in entries[key].slices:
            slice_entries[key, extent] = index.slice_entries[place.key, extent]
    entries |= _append(shard_name(prefix, 0, index.header.num_shards), additions.values)
    raw = replace(index, entries=entries, slice_entries=slice_entries).to_bytes()
    sweep(os.path.dirname(prefix) or ".")  # another save may have been killed here, of another step
    replace_file(prefix + ".index", raw, flush=False)  # TensorFlow does not flush what it has saved, either


def _stored_slice(index: BundleIndex, place: Place) -> BundleEntry:
    whole = index.entries[place.key]
    shape = whole.spec.shape
    wanted = place.extent.resolved(shape) if place.extent else None
    stored = next(extent for extent in whole.slices if extent.resolved(shape) == wanted)
    entry = index.slice_entries[place.key, stored]
    return replace(entry, spec=TensorSpec(whole.spec.dtype, stored.shape(shape)), slices=())


def _append(shard: str, values: Mapping[str, Any]) -> dict[str, BundleEntry]:
    entries = {}
    with open(shard, "ab") as file:
        for key, value in values.items():
            spec = TensorSpec(DType.from_numpy(value.dtype), value.shape)
            payload, checksum = encode_tensor(value, spec.dtype)
            entries[key] = BundleEntry(spec, 0, file.tell(), len(payload), checksum)
            file.write(payload)
    return entries
