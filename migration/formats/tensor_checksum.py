"""The crc of a tensor's entry, over bytes that come in chunks.

Numbers are plain. A string tensor is the varint length of each element, 4 bytes of masked crc over the
lengths as integers, then the elements. A variant tensor is, for each element, a varint length, the bytes, and
the masked crc of all so far. Source: WriteStringTensor and WriteVariantTensor in
tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from migration.errors import FormatError
from migration.formats.coding import decode_varint, extend_crc32c, mask
from migration.tensors import DType

if TYPE_CHECKING:
    from typing_extensions import Buffer

CRC_SIZE = 4  # a masked crc32c, little-endian
WRONG_CHECKSUM = "the checksum is wrong: the bytes are corrupt, copy the file again"
_UINT32_MAX = 0xFFFFFFFF
_BATCH = 4096  # lengths taken at once where each is one byte
_Chunks = Generator[None, memoryview, None]


class TensorChecksum:
    """Computes what the entry of a tensor has as its crc, from the tensor's bytes in chunks of any size."""

    def __init__(self, dtype: DType, count: int) -> None:
        self._crc = 0
        self._walk: _Chunks | None = None
        self._ended = False
        self._rest = memoryview(b"")
        if dtype is DType.STRING:
            self._start(self._strings(count))
        elif dtype is DType.VARIANT:
            self._start(self._variants(count))

    def update(self, chunk: Buffer) -> None:
        """Takes the bytes that come next. Raises FormatError where they cannot be the tensor's."""
        if self._walk is None:
            self._crc = extend_crc32c(self._crc, chunk)
            return
        view = memoryview(chunk).cast("B")
        if self._ended and len(view):
            raise FormatError("there are more bytes than its elements have: the bytes are corrupt")
        if len(view):
            self._resume(self._walk, view)

    def masked(self) -> int:
        """The masked crc of all bytes. Raises FormatError where they ended too early."""
        if self._walk is not None and not self._ended:
            raise FormatError("its elements do not end with its bytes: the bytes are corrupt")
        return mask(self._crc)

    def check(self, expected: int) -> None:
        """Raises FormatError unless the masked crc is the `expected` one."""
        if self.masked() != expected:
            raise FormatError(WRONG_CHECKSUM)

    def _start(self, walk: _Chunks) -> None:
        self._walk = walk
        try:
            next(walk)
        except StopIteration:
            self._ended = True

    def _resume(self, walk: _Chunks, view: memoryview) -> None:
        try:
            walk.send(view)
        except StopIteration:
            self._ended = True
            if len(self._rest):
                raise FormatError(
                    "there are more bytes than its elements have: the bytes are corrupt"
                ) from None

    def _strings(self, count: int) -> _Chunks:
        total = 0
        while count:
            lengths = yield from self._lengths(count)
            self._crc = extend_lengths(self._crc, lengths)
            count -= len(lengths)
            total += sum(lengths)
        yield from self._stored_crc()
        yield from self._content(total)

    def _variants(self, count: int) -> _Chunks:
        for _ in range(count):
            length = yield from self._varint()
            self._crc = extend_crc32c(self._crc, struct.pack("<Q", length))
            yield from self._content(length)
            yield from self._stored_crc()

    def _lengths(self, limit: int) -> Generator[None, memoryview, Sequence[int]]:
        """The next few lengths, at least one: a batch at once where each takes one byte."""
        while not len(self._rest):
            self._rest = yield
        batch = bytes(self._rest[: min(limit, _BATCH)])
        if batch.isascii():
            self._rest = self._rest[len(batch) :]
            return batch
        length = yield from self._varint()
        return (length,)

    def _varint(self) -> Generator[None, memoryview, int]:
        raw = b""
        while not raw or (raw[-1] >= 0x80 and len(raw) < 10):
            raw += yield from self._exactly(1)
        return decode_varint(raw, 0)[0]

    def _stored_crc(self) -> _Chunks:
        """A masked crc of all before it, which the bytes hold themselves."""
        stored = yield from self._exactly(CRC_SIZE)
        if int.from_bytes(stored, "little") != mask(self._crc):
            raise FormatError(WRONG_CHECKSUM)
        self._crc = extend_crc32c(self._crc, stored)

    def _content(self, size: int) -> _Chunks:
        while size:
            part = yield from self._some(size)
            self._crc = extend_crc32c(self._crc, part)
            size -= len(part)

    def _some(self, limit: int) -> Generator[None, memoryview, memoryview]:
        """At least one byte, at most `limit`."""
        while not len(self._rest):
            self._rest = yield
        part, self._rest = self._rest[:limit], self._rest[limit:]
        return part

    def _exactly(self, size: int) -> Generator[None, memoryview, bytes]:
        out = b""
        while len(out) < size:
            out += bytes((yield from self._some(size - len(out))))
        return out


def extend_lengths(crc: int, lengths: Sequence[int]) -> int:
    """The crc goes over each length as 4 bytes, or as 8 where it does not fit 4."""
    if max(lengths, default=0) <= _UINT32_MAX:
        return extend_crc32c(crc, struct.pack(f"<{len(lengths)}I", *lengths))
    for length in lengths:
        crc = extend_crc32c(crc, struct.pack("<I" if length <= _UINT32_MAX else "<Q", length))
    return crc
