"""V1 checkpoints: sorted string tables of SavedTensorSlices messages, in one file or several.

The key "" tells the tensors of a file, with their full shapes and the slices that lie in it; each slice has
a key of its own. Source: tensorflow/core/util/saved_tensor_slice.proto and saved_tensor_slice_util.h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf.message import DecodeError

from migration.errors import FormatError, MissingKeyError
from migration.formats.bundle_entries import check_size, shape_of
from migration.formats.located import located
from migration.formats.proto import bundle_pb2
from migration.formats.sstable import ByteSource, Table
from migration.formats.sstable_blocks import SNAPPY_GROWTH
from migration.formats.tensor_bytes import Array, check_rank
from migration.formats.tensor_proto import decode_tensor_proto, value_count
from migration.formats.tensor_slices import TensorSlice, check_cover, slice_key
from migration.tensors import DType, TensorSpec

V1_VERSION = 1  # TF_CHECKPOINT_VERSION of tensorflow/core/public/version.h
_META_KEY = b""


@dataclass(frozen=True, slots=True)
class SavedSlices:
    """A V1 checkpoint. Opened by its metadata; values are read when they are asked for."""

    specs: Mapping[str, TensorSpec]
    slices: Mapping[str, tuple[TensorSlice, ...]]
    _tables: Sequence[Table]
    _owners: Mapping[tuple[str, TensorSlice], int]

    @classmethod
    def open(cls, sources: Sequence[ByteSource], names: Sequence[str]) -> SavedSlices:
        """The checkpoint that these files hold together; `names` stand in error texts.

        Of each file the index and the block with its metadata are read. Raises FormatError where a file is
        no V1 checkpoint, files contradict each other, or slices are missing.
        """
        tables = [Table.open(source, name) for source, name in zip(sources, names, strict=True)]
        gathered = _Gathered({}, {}, {})
        for number, table in enumerate(tables):
            with located(table.name):
                gathered.add(_read_meta(table), number)
        with located(" + ".join(names)):
            gathered.check(SNAPPY_GROWTH * sum(source.size for source in sources))
        slices = {name: tuple(parts) for name, parts in gathered.slices.items()}
        return cls(gathered.specs, slices, tables, gathered.owners)

    def read(self, name: str) -> Array:
        """The whole tensor, put together from its slices; only their blocks are read.

        Raises MissingKeyError for a name that is not there, FormatError for a slice that is absent, does
        not fit, or whose bytes are corrupt.
        """
        if name not in self.specs:
            raise MissingKeyError(f"tensor {name!r} is not in the checkpoint")
        spec, parts = self.specs[name], self.slices[name]
        if len(parts) == 1:  # it is the whole: the open has checked that
            return self._read_slice(name, parts[0])
        with located(f"tensor {name!r}"):
            check_rank(spec.shape)
            whole = np.empty(spec.shape, spec.dtype.numpy)
        for part in parts:
            whole[part.index(spec.shape)] = self._read_slice(name, part)
        return whole

    def _read_slice(self, name: str, part: TensorSlice) -> Array:
        table = self._tables[self._owners[name, part]]
        raw = table.get(slice_key(name.encode(), part))
        with located(table.name), located(f"tensor {name!r}"):
            if raw is None:
                raise FormatError(f"its slice [{part}] is absent: copy the file again")
            return _decode_slice(raw, name, part, self.specs[name])


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What the metadata of all files says of each tensor, and which file holds which slice."""

    specs: dict[str, TensorSpec]
    slices: dict[str, list[TensorSlice]]
    owners: dict[tuple[str, TensorSlice], int]

    def add(self, meta: bundle_pb2.SavedTensorSliceMeta, number: int) -> None:
        for tensor in meta.tensor:
            spec = TensorSpec(DType.from_number(tensor.type), shape_of(tensor.shape))
            check_size(spec)
            if self.specs.setdefault(tensor.name, spec) != spec:
                raise FormatError(
                    f"tensor {tensor.name!r} is {spec} here and {self.specs[tensor.name]} elsewhere"
                )
            for message in tensor.slice:
                part = TensorSlice.from_message(message)
                if self.owners.setdefault((tensor.name, part), number) == number:
                    self.slices.setdefault(tensor.name, []).append(part)

    def check(self, most_elements: int) -> None:
        for name, spec in self.specs.items():
            with located(f"tensor {name!r}"):
                if spec.size > most_elements:  # a value takes a byte or more
                    raise FormatError(f"{spec} is more than its files can hold: they are corrupt")
                check_cover(self.slices.get(name, ()), spec.shape)


def _parse(raw: bytes) -> bundle_pb2.SavedTensorSlices:
    try:
        return bundle_pb2.SavedTensorSlices.FromString(raw)
    except DecodeError:
        raise FormatError("an entry is not readable: the file is corrupt, or no V1 checkpoint") from None


def _read_meta(table: Table) -> bundle_pb2.SavedTensorSliceMeta:
    raw = table.get(_META_KEY)
    if raw is None:
        raise FormatError("it has no metadata: this is no V1 checkpoint")
    message = _parse(raw)
    if not message.HasField("meta"):
        raise FormatError("it has no metadata: this is the index of a V2 checkpoint, or none at all")
    versions = message.meta.versions
    if versions.min_consumer > V1_VERSION or V1_VERSION in versions.bad_consumers:
        raise FormatError(f"its format needs version {versions.min_consumer}: it is newer than this tool")
    return message.meta


def _decode_slice(raw: bytes, name: str, part: TensorSlice, spec: TensorSpec) -> Array:
    saved = _parse(raw).data
    if saved.name != name or TensorSlice.from_message(saved.slice) != part:
        raise FormatError(f"under the key of slice [{part}] lies {saved.name!r}")
    expected = TensorSpec(spec.dtype, part.shape(spec.shape))
    # Old writers leave dtype and shape out: the metadata has them.
    if saved.data.dtype and DType.from_number(saved.data.dtype) is not spec.dtype:
        raise FormatError(f"its slice [{part}] is of another dtype than {spec.dtype}")
    if saved.data.HasField("tensor_shape") and shape_of(saved.data.tensor_shape) != expected.shape:
        raise FormatError(f"its slice [{part}] is not of shape {list(expected.shape)}")
    count = value_count(saved.data, spec.dtype)
    if count != expected.size:  # TensorFlow's reader too takes no list that goes on with its last value here
        raise FormatError(f"its slice [{part}] has {count} values, and {expected} needs {expected.size}")
    return decode_tensor_proto(saved.data, expected)
