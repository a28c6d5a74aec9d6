"""The bytes of one tensor as a stream, in row-major order, however a checkpoint stores it.

A tensor in slices comes as if it were whole. Memory is bounded by what is asked for at a time, except for
tensors of V1 files and strings in slices, which have to be decoded at once. Checksums are checked as the
bytes pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from migration.errors import FormatError
from migration.formats.located import located
from migration.formats.tensor_bundle import BundleEntry, TensorSlice, encode_tensor
from migration.formats.tensor_checksum import TensorChecksum
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

BLOCK = 512 << 10  # bytes at a time: what stays in a core's cache is read and compared fastest
Block: TypeAlias = (
    "bytes | bytearray"  # equal if their bytes are, at the speed of memory; memoryviews take long
)


class TensorStream(Protocol):
    """`size` bytes in all; each `read` takes the next ones, in multiples of `granule` or up to the end."""

    @property
    def size(self) -> int: ...
    @property
    def granule(self) -> int: ...
    def read(self, count: int) -> Block: ...
    def finish(self) -> None: ...


def open_stream(checkpoint: Checkpoint, key: str) -> TensorStream:
    """The stream of one tensor. Reading raises FormatError; so does `finish`, which checks the checksums."""
    spec = checkpoint.spec(key)
    where = f"tensor {key!r} of {checkpoint.prefix}"
    if checkpoint.format == "V1":
        payload, _ = encode_tensor(checkpoint.read(key), spec.dtype)
        return _Ready(payload)
    placed = checkpoint.placed(key)
    if placed[0][0] is None:
        return _Stored(checkpoint, placed[0][1], where)
    if not is_numeric(spec.dtype):
        return _Ready(_joined(checkpoint, key, spec))
    parts = [
        _Part(extent.resolved(spec.shape), _Stored(checkpoint, entry, where))
        for extent, entry in placed
        if extent is not None
    ]
    return _Assembled(spec, parts)


def check_bytes(checkpoint: Checkpoint, key: str) -> None:
    """Read all that a V2 bundle holds of a tensor, whole or not, in blocks. Raises FormatError for damage."""
    where = f"tensor {key!r} of {checkpoint.prefix}"
    for _, entry in checkpoint.placed(key):
        for _ in blocks(_Stored(checkpoint, entry, where)):
            pass


def _joined(checkpoint: Checkpoint, key: str, spec: TensorSpec) -> bytes:
    """Elements of no fixed size that are stored in slices: strings as one tensor of them would be, variants,
    which nothing here can take apart, slice after slice."""
    if spec.dtype is DType.STRING:
        return encode_tensor(checkpoint.read(key), spec.dtype)[0]
    parts = sorted(checkpoint.read_bytes(key), key=lambda part: part[0].starts if part[0] else ())
    return b"".join(raw for _, raw in parts)


def blocks(stream: TensorStream, limit: int = BLOCK) -> Iterator[Block]:
    """All of the stream, in blocks of about `limit` bytes; the checksums are checked at the end."""
    step = max(1, limit // stream.granule) * stream.granule
    for start in range(0, stream.size, step):
        yield stream.read(min(step, stream.size - start))
    stream.finish()


def pairs(one: TensorStream, other: TensorStream, limit: int = BLOCK) -> Iterator[tuple[Block, Block]]:
    """Two streams of one size side by side; the checksums of both are checked at the end."""
    granule = math.lcm(one.granule, other.granule)
    step = max(1, limit // granule) * granule
    for start in range(0, one.size, step):
        count = min(step, one.size - start)
        yield one.read(count), other.read(count)
    one.finish()
    other.finish()


@dataclass(slots=True)
class _Ready:
    """Bytes that are in memory."""

    payload: bytes
    granule: int = 1
    _at: int = 0

    @property
    def size(self) -> int:
        return len(self.payload)

    def read(self, count: int) -> Block:
        part = self.payload[self._at : self._at + count]
        self._at += count
        return part

    def finish(self) -> None:
        """Whoever made the bytes has checked them."""


class _Stored:
    """Bytes that lie in one run in a shard."""

    granule = 1

    def __init__(self, checkpoint: Checkpoint, entry: BundleEntry, where: str) -> None:
        self.size = entry.size
        self._checkpoint, self._entry, self._where, self._at = checkpoint, entry, where, 0
        self._file = checkpoint.shard_file(entry.shard)
        self._checksum = TensorChecksum(entry.spec.dtype, entry.spec.size)
        with self._told():
            self._file.reach(entry.offset, entry.size)

    def read(self, count: int) -> Block:
        part = bytearray(count)
        with self._told():
            self._file.read_into(self._entry.offset + self._at, memoryview(part))
            self._checksum.update(part)
        self._at += count
        return part

    def finish(self) -> None:
        with self._told():
            self._checksum.check(self._entry.crc32c)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Lets a fault say where it is, or that the checkpoint was replaced meanwhile."""
        try:
            with located(self._where):
                yield
        except FormatError:
            self._checkpoint.check_unchanged()
            raise


@dataclass(slots=True)
class _Part:
    """A slice, and its bytes."""

    extent: TensorSlice
    stream: _Stored


@dataclass(slots=True)
class _Assembled:
    """A tensor in slices, row by row."""

    spec: TensorSpec
    parts: list[_Part]
    size: int = field(init=False)
    granule: int = field(init=False)
    _row: int = 0

    def __post_init__(self) -> None:
        self.size = self.spec.nbytes or 0
        self.granule = self.size // self.spec.shape[0] if self.size else 1

    def read(self, count: int) -> Block:
        import numpy as np

        start, stop = self._row, self._row + count // self.granule
        # Raw bytes of an element serve as well as its dtype, and every dtype has them.
        itemsize = self.spec.dtype.itemsize or 1
        element = np.dtype((np.void, itemsize))
        rows = np.zeros((stop - start, *self.spec.shape[1:]), element)  # what is in no slice is 0
        for part in self.parts:
            first, length = part.extent.starts[0], part.extent.lengths[0] or 0
            low, high = max(start, first), min(stop, first + length)
            if low >= high:
                continue
            shape = (high - low, *part.extent.shape(self.spec.shape)[1:])
            raw = part.stream.read(math.prod(shape) * itemsize)
            box = (slice(low - start, high - start), *part.extent.index(self.spec.shape)[1:])
            rows[box] = np.frombuffer(raw, element).reshape(shape)
        self._row = stop
        return rows.tobytes()

    def finish(self) -> None:
        for part in self.parts:
            part.stream.finish()


def is_numeric(dtype: DType) -> bool:
    """Whether a stream's bytes are elements of a fixed size."""
    return dtype.itemsize is not None
