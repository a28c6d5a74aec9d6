"""The bytes of a string tensor and its elements. The layout is told in `tensor_checksum`."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from migration.formats.coding import decode_varint, encode_varint, extend_crc32c, mask
from migration.formats.tensor_checksum import CRC_SIZE, TensorChecksum, extend_lengths
from migration.tensors import DType


def encode_strings(elements: Sequence[bytes]) -> tuple[bytes, int]:
    """A string tensor's bytes, and the masked crc that belongs in its entry."""
    lengths = [len(element) for element in elements]
    crc = extend_lengths(0, lengths)
    lengths_crc = struct.pack("<I", mask(crc))
    content = b"".join(elements)
    crc = extend_crc32c(extend_crc32c(crc, lengths_crc), content)
    return b"".join([*map(encode_varint, lengths), lengths_crc, content]), mask(crc)


def decode_strings(raw: bytes | memoryview, count: int, crc: int) -> list[bytes]:
    """The `count` elements of a string tensor, whose entry has the masked `crc`.

    Raises FormatError if a crc is wrong, or the lengths do not add up to the bytes.
    """
    checksum = TensorChecksum(DType.STRING, count)
    checksum.update(raw)
    checksum.check(crc)
    view = memoryview(raw)
    lengths, start = _decode_lengths(view, count)
    start += CRC_SIZE
    elements = []
    for length in lengths:
        elements.append(bytes(view[start : start + length]))
        start += length
    return elements


def _decode_lengths(view: memoryview, count: int) -> tuple[list[int], int]:
    """The varints at the beginning, and the position after them."""
    head = bytes(view[:count])
    if len(head) == count and head.isascii():  # each takes one byte
        return list(head), count
    lengths, position = [], 0
    for _ in range(count):
        length, position = decode_varint(view, position)
        lengths.append(length)
    return lengths, position
