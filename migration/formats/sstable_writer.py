"""Builds a sorted string table that TensorFlow reads."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import cramjam

from migration.errors import FormatError
from migration.formats.coding import encode_varint, masked_crc32c
from migration.formats.sstable_blocks import MAX_RESTART_INTERVAL, SNAPPY, UNCOMPRESSED, Footer, Handle, Item


def build_table(
    items: Iterable[Item], *, block_size: int = 262144, restart_interval: int = 16, compress: bool = False
) -> bytes:
    """A whole table of the items, whose keys must rise strictly.

    A block is closed once it holds `block_size` bytes; every `restart_interval`-th key (1 to 64) stands in
    full. With `compress`, blocks that snappy makes smaller by an eighth are stored so. Raises FormatError
    for keys that are duplicate or not sorted.
    """
    if not 1 <= restart_interval <= MAX_RESTART_INTERVAL:
        raise ValueError(f"restart_interval {restart_interval} is not from 1 to {MAX_RESTART_INTERVAL}")
    out = _Blocks(compress=compress)
    index = _Block(restart_interval=1)
    block = _Block(restart_interval)
    previous: bytes | None = None
    for key, value in items:
        if previous is not None and key <= previous:
            raise FormatError(f"key {key!r} comes after {previous!r}: keys must rise strictly")
        block.add(key, value)
        previous = key
        if block.size >= block_size:
            index.add(key, out.append(block.to_bytes()).to_bytes())
            block = _Block(restart_interval)
    if previous is not None and block.count:
        index.add(previous, out.append(block.to_bytes()).to_bytes())
    metaindex = out.append(_Block(restart_interval).to_bytes())
    footer = Footer(metaindex, out.append(index.to_bytes()))
    return b"".join([*out.parts, footer.to_bytes()])


class _Block:
    """One block under construction."""

    def __init__(self, restart_interval: int) -> None:
        self.size = 0
        self.count = 0
        self._interval = restart_interval
        self._parts: list[bytes] = []
        self._restarts: list[int] = [0]
        self._key = b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.count % self._interval:
            shared = shared_prefix(self._key, key)
        elif self.count:
            self._restarts.append(self.size)
        rest, length = len(key) - shared, len(value)
        if shared < 128 and rest < 128 and length < 128:
            head = bytes((shared, rest, length))
        else:
            head = encode_varint(shared) + encode_varint(rest) + encode_varint(length)
        self._parts += (head, key[shared:], value)
        self.size += len(head) + rest + length
        self.count += 1
        self._key = key

    def to_bytes(self) -> bytes:
        count = len(self._restarts)
        return b"".join([*self._parts, struct.pack(f"<{count + 1}I", *self._restarts, count)])


class _Blocks:
    """The blocks written so far, each with its trailer."""

    def __init__(self, *, compress: bool) -> None:
        self.parts: list[bytes] = []
        self._compress = compress
        self._offset = 0

    def append(self, content: bytes) -> Handle:
        kind = UNCOMPRESSED
        if self._compress:
            smaller = bytes(cramjam.snappy.compress_raw(content))
            if len(smaller) < len(content) - len(content) // 8:
                content, kind = smaller, SNAPPY
        handle = Handle(self._offset, len(content))
        tag = bytes((kind,))
        self.parts += (content, tag, struct.pack("<I", masked_crc32c(content, tag)))
        self._offset = handle.end
        return handle


def shared_prefix(left: bytes, right: bytes) -> int:
    """How many first bytes two keys share: as one big number each, they first differ where xor is not 0."""
    size = min(len(left), len(right))
    different = int.from_bytes(left[:size], "big") ^ int.from_bytes(right[:size], "big")
    return size - (different.bit_length() + 7) // 8
