"""What a V2 bundle's index says of itself (the header) and of each tensor or slice (an entry)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from google.protobuf.message import DecodeError

from migration.errors import FormatError
from migration.formats.proto import bundle_pb2
from migration.formats.tensor_checksum import CRC_SIZE
from migration.formats.tensor_slices import TensorSlice
from migration.tensors import DType, TensorSpec

BUNDLE_VERSION = 1  # kTensorBundleVersion of tensorflow/core/util/tensor_bundle/tensor_bundle.h
MAX_RANK = 254  # TensorShape::MaxDimensions of tensorflow/core/framework/tensor_shape.h
_INT64_LIMIT = 1 << 63
_POINTER_SIZE = 8  # an element of numpy's object arrays
_BIG_ENDIAN = 1
_CORRUPT = "the index is corrupt: copy the file again"


@dataclass(frozen=True, slots=True)
class BundleHeader:
    """How many shards a bundle has, and which versions of its format can read it."""

    num_shards: int
    producer: int = BUNDLE_VERSION
    min_consumer: int = 0
    bad_consumers: tuple[int, ...] = ()

    @classmethod
    def from_bytes(cls, raw: bytes) -> BundleHeader:
        """The header of its protobuf bytes. Raises FormatError if it is none, big-endian, or too new."""
        try:
            message = bundle_pb2.BundleHeader.FromString(raw)
        except DecodeError:
            raise FormatError("the header is not readable: this is no index of a checkpoint") from None
        if message.endianness == _BIG_ENDIAN:
            raise FormatError(
                "a big-endian machine wrote it: load and save it there first, byte order differs"
            )
        if message.endianness or message.num_shards < 1:
            raise FormatError(f"the header tells {message.num_shards} shards: {_CORRUPT}")
        version = message.version
        if version.min_consumer > BUNDLE_VERSION or BUNDLE_VERSION in version.bad_consumers:
            raise FormatError(f"its format needs version {version.min_consumer}: it is newer than this tool")
        return cls(message.num_shards, version.producer, version.min_consumer, tuple(version.bad_consumers))

    def to_bytes(self) -> bytes:
        """The protobuf bytes of it."""
        message = bundle_pb2.BundleHeader(num_shards=self.num_shards)
        message.version.producer = self.producer
        message.version.min_consumer = self.min_consumer
        message.version.bad_consumers.extend(self.bad_consumers)
        return message.SerializeToString(deterministic=True)


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """Where one tensor (or slice) lies: `size` bytes at `offset` of a shard, and their masked crc.

    An entry with `slices` has no bytes of its own.
    """

    spec: TensorSpec
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[TensorSlice, ...] = ()

    @classmethod
    def from_bytes(cls, raw: bytes, where: str = "") -> BundleEntry:
        """The entry of its protobuf bytes; `where` (the key) stands in error texts.

        Raises FormatError for bytes that are no entry, an unknown dtype, a negative place, and a size that
        the shape cannot have.
        """
        try:
            message = bundle_pb2.BundleEntry.FromString(raw)
            spec, least, most = _sizes(message.dtype, message.shape.SerializeToString())
            parts = message.slices
            slices = tuple([TensorSlice.from_message(part) for part in parts]) if parts else ()
            entry = cls(spec, message.shard_id, message.offset, message.size, message.crc32c, slices)
            if entry.offset < 0 or entry.shard < 0 or entry.size < 0:
                raise FormatError(f"shard {entry.shard}, offset {entry.offset}, size {entry.size} cannot be")
            if not least <= entry.size <= most and not slices:
                raise FormatError(
                    f"{entry.size} bytes, but {spec} takes {least}{'' if most == least else ' at least'}"
                )
        except (DecodeError, FormatError) as error:
            reason = error if isinstance(error, FormatError) else "the entry is not readable"
            raise FormatError(f"tensor {where!r}: {reason}: {_CORRUPT}") from None
        return entry

    def to_bytes(self) -> bytes:
        """The protobuf bytes of it, as TensorFlow writes them."""
        message = bundle_pb2.BundleEntry(
            shard_id=self.shard, offset=self.offset, size=self.size, crc32c=self.crc32c
        )
        for extent in self.slices:
            extent.fill(message.slices.add())
        return _spec_bytes(self.spec.dtype, self.spec.shape) + message.SerializeToString(deterministic=True)


@lru_cache(maxsize=4096)
def _spec_bytes(dtype: DType, shape: tuple[int, ...]) -> bytes:
    """The first fields of an entry, dtype and shape; the others' bytes follow them."""
    message = bundle_pb2.BundleEntry(dtype=dtype.value)
    message.shape.SetInParent()
    for size in shape:
        message.shape.dim.add(size=size)
    return message.SerializeToString(deterministic=True)


@lru_cache(maxsize=4096)
def _sizes(number: int, raw_shape: bytes) -> tuple[TensorSpec, int, int]:
    """The spec of an entry, checked, and the least and most bytes that it can take.

    Most tensors of a checkpoint share theirs with others, which the serialized shape tells fastest.
    """
    shape = shape_of(bundle_pb2.Shape.FromString(raw_shape))
    spec = TensorSpec(DType.from_number(number), shape)
    check_size(spec)
    nbytes = spec.nbytes
    if nbytes is not None:
        return spec, nbytes, nbytes
    least = spec.size + (CRC_SIZE if spec.dtype is DType.STRING else 0)  # a length takes a byte or more
    return spec, least, _INT64_LIMIT


def shape_of(message: bundle_pb2.Shape) -> tuple[int, ...]:
    """The dimensions of a shape message. Raises FormatError unless all are known."""
    shape = tuple(dim.size for dim in message.dim)
    if message.unknown_rank or any(size < 0 for size in shape):
        raise FormatError(f"shape {list(shape)} is not fully known")
    return shape


def check_size(spec: TensorSpec) -> None:
    """Raises FormatError for more bytes than 64 bits can count, or more dimensions than TensorFlow has.

    Empty dimensions are left out of the count, as numpy does.
    """
    if len(spec.shape) > MAX_RANK:
        raise FormatError(f"{len(spec.shape)} dimensions are more than TensorFlow's {MAX_RANK}")
    itemsize = spec.dtype.itemsize or _POINTER_SIZE
    if math.prod(size for size in spec.shape if size) * itemsize >= _INT64_LIMIT:
        raise FormatError(f"shape {list(spec.shape)} is larger than any memory")
