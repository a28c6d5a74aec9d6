"""The parts of a sorted string table: the source of its bytes, handles, the footer, and blocks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import cramjam

from migration.errors import FormatError
from migration.formats.coding import decode_varint, encode_varint, masked_crc32c

FOOTER_SIZE = 48  # two padded handles (40) + magic (8)
HANDLES_SIZE = 40  # two handles of two varints, each 10 bytes at most
MAGIC = 0xDB4775248B80FB57
TRAILER_SIZE = 5  # compression (1) + masked crc32c (4)
UNCOMPRESSED, SNAPPY = 0, 1
# A snappy copy takes 3 bytes for 64 at most, so no honest block grows more than that.
SNAPPY_GROWTH = 22
# A key is stored in full every 16 entries, by TensorFlow and by all who follow LevelDB. A block that shares
# prefixes for much longer is made to fill the memory.
MAX_RESTART_INTERVAL = 64

Item = tuple[bytes, bytes]


class ByteSource(Protocol):
    """Where a table's bytes lie. `read` returns fewer bytes than asked only where they end."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on."""


class BytesSource:
    """A ByteSource over bytes in memory."""

    def __init__(self, raw: bytes | bytearray | memoryview) -> None:
        self._raw = memoryview(raw)
        self.size = self._raw.nbytes

    def read(self, offset: int, size: int) -> bytes:
        """The bytes from `offset` on."""
        return bytes(self._raw[offset : offset + size])


class Handle(NamedTuple):
    """Where a block lies: its offset, and its size without the trailer."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where the block's trailer ends."""
        return self.offset + self.size + TRAILER_SIZE

    def to_bytes(self) -> bytes:
        """The two varints of it."""
        return encode_varint(self.offset) + encode_varint(self.size)

    @classmethod
    def from_bytes(cls, raw: bytes, position: int) -> tuple[Handle, int]:
        """The handle at `position`, and the position after it. Raises FormatError."""
        offset, position = decode_varint(raw, position)
        size, position = decode_varint(raw, position)
        return cls(offset, size), position


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a table: where its metaindex block and its index block lie."""

    metaindex: Handle
    index: Handle

    def to_bytes(self) -> bytes:
        """The 48 bytes of it."""
        handles = self.metaindex.to_bytes() + self.index.to_bytes()
        return handles.ljust(HANDLES_SIZE, b"\0") + struct.pack("<Q", MAGIC)

    @classmethod
    def from_bytes(cls, raw: bytes, file_size: int) -> Footer:
        """The footer of a table of `file_size` bytes. Raises FormatError unless all of it fits together."""
        if len(raw) != FOOTER_SIZE or raw[HANDLES_SIZE:] != struct.pack("<Q", MAGIC):
            raise FormatError("it does not end as a table does: it is truncated, or of another format")
        metaindex, position = Handle.from_bytes(raw, 0)
        index, _ = Handle.from_bytes(raw, position)
        footer = cls(metaindex, index)
        if metaindex.end != index.offset or index.end + FOOTER_SIZE != file_size:
            raise FormatError(f"its footer does not fit its {file_size} bytes: it is truncated or corrupt")
        if footer.to_bytes() != raw:
            raise FormatError("its footer is not as it should be written: it is corrupt")
        return footer


def read_block(source: ByteSource, handle: Handle) -> bytes:
    """A block's content, decompressed, its crc checked. Raises FormatError."""
    if handle.end > source.size:
        raise FormatError(f"a block at byte {handle.offset} reaches past the end: it is truncated or corrupt")
    raw = source.read(handle.offset, handle.size + TRAILER_SIZE)
    if len(raw) != handle.size + TRAILER_SIZE:
        raise FormatError(f"the file ends inside a block at byte {handle.offset}: it is truncated")
    view = memoryview(raw)
    if masked_crc32c(view[:-4]) != int.from_bytes(view[-4:], "little"):
        raise FormatError(f"the checksum of the block at byte {handle.offset} is wrong: copy the file again")
    kind = raw[handle.size]
    if kind == UNCOMPRESSED:
        return raw[: handle.size]
    if kind == SNAPPY:
        return _decompress(view[: handle.size])
    raise FormatError(f"the block at byte {handle.offset} has the unknown compression {kind}")


def _decompress(raw: memoryview) -> bytes:
    """Snappy's inverse, with no more memory than the compressed bytes can honestly need."""
    claimed, _ = decode_varint(raw, 0)
    if claimed > SNAPPY_GROWTH * len(raw):
        raise FormatError(f"a block of {len(raw)} compressed bytes claims {claimed}: it is corrupt")
    try:
        return bytes(cramjam.snappy.decompress_raw(raw))
    except cramjam.DecompressionError as error:
        raise FormatError(f"a block does not decompress ({error}): it is corrupt") from None


def decode_block(block: bytes) -> list[Item]:
    """The items of one block's content. Raises FormatError; keys must rise strictly."""
    end = _entries_end(block)
    items: list[Item] = []
    append = items.append
    position, key = 0, b""
    borrowed, most = 0, MAX_RESTART_INTERVAL * len(block)
    while position < end:
        # Three one-byte numbers are the rule; 200,000 keys cannot afford three calls each.
        head = block[position : position + 3]
        if len(head) == 3 and head.isascii():
            shared, rest, length = head
            position += 3
        else:
            shared, position = decode_varint(block, position)
            rest, position = decode_varint(block, position)
            length, position = decode_varint(block, position)
        middle = position + rest
        last, position = position, middle + length
        borrowed += shared
        if shared > len(key) or position > end or borrowed > most:
            raise FormatError("an entry reaches past its block: the file is corrupt")
        following = key[:shared] + block[last:middle]
        if following <= key and items:
            raise FormatError(f"key {following!r} is a duplicate or not sorted: the file is corrupt")
        key = following
        append((key, block[middle:position]))
    return items


def _entries_end(block: bytes) -> int:
    """Where the entries end and the restart offsets begin."""
    if len(block) < 4:
        raise FormatError("a block is too short to be one: the file is corrupt")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise FormatError("a block has more restart points than bytes: the file is corrupt")
    return end
