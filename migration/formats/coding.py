"""The small codings under every format: varints, the masked crc32c, and OrderedCode.

OrderedCode is a byte string that sorts as its values do; slice keys are made of it. Source of its layout:
tensorflow/core/lib/strings/ordered_code.h. Source of the crc's mask: the LevelDB log format.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migration.errors import FormatError
from migration.formats.compiled_crc32c import crc32c

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MASK_DELTA = 0xA282EAD8  # LevelDB's constant: a crc stored beside its data must not look like data's crc
_UINT32 = 0xFFFFFFFF
_UINT64_LIMIT = 1 << 64
_INT64_LIMIT = 1 << 63
_ESCAPES = {b"\0": b"\0\xff", b"\xff": b"\xff\0"}
_ESCAPED = re.compile(rb"[\x00\xff]")


def encode_varint(value: int) -> bytes:
    """The base-128 varint of a number from 0 to 2**64 - 1, least significant group first."""
    if value < 0 or value >= _UINT64_LIMIT:
        raise ValueError(f"{value} does not fit an unsigned 64-bit varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(raw: bytes | memoryview, position: int) -> tuple[int, int]:
    """The varint at `position`, and the position after it.

    Raises FormatError where the bytes end inside the number, or the number needs more than 64 bits.
    """
    value = 0
    for index, byte in enumerate(raw[position : position + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= _UINT64_LIMIT:
                break
            return value, position + index + 1
    else:
        if len(raw) - position < 10:
            raise FormatError(f"the bytes end inside a number at byte {position}")
    raise FormatError(f"a number at byte {position} takes more than 64 bits")


def mask(crc: int) -> int:
    """A crc32c as it is stored: rotated right by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _UINT32


def unmask(masked: int) -> int:
    """The crc32c that was stored as `masked`."""
    rotated = (masked - _MASK_DELTA) & _UINT32
    return (rotated >> 17 | rotated << 15) & _UINT32


def extend_crc32c(crc: int, part: Buffer) -> int:
    """The plain crc32c of what `crc` covers, followed by `part`."""
    return int(crc32c(part, crc))


def masked_crc32c(*parts: Buffer) -> int:
    """The masked crc32c of the parts one after another; nothing is copied."""
    crc = 0
    for part in parts:
        crc = extend_crc32c(crc, part)
    return mask(crc)


def encode_ordered_number(value: int) -> bytes:
    """OrderedCode of a number from 0 to 2**64 - 1: a byte that counts the rest, then big-endian bytes."""
    if value < 0 or value >= _UINT64_LIMIT:
        raise ValueError(f"{value} does not fit an unsigned 64-bit number")
    size = (value.bit_length() + 7) // 8
    return bytes((size,)) + value.to_bytes(size, "big")


def decode_ordered_number(raw: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and the position after it. Raises FormatError."""
    if position >= len(raw):
        raise FormatError("the key ends where a number should be")
    end = position + 1 + raw[position]
    digits = raw[position + 1 : end]
    if raw[position] > 8 or len(digits) != raw[position] or digits[:1] == b"\0":
        raise FormatError(f"the key has no well-formed number at byte {position}")
    return int.from_bytes(digits, "big"), end


def encode_ordered_string(value: bytes) -> bytes:
    """OrderedCode of a byte string: 00 and FF are escaped, and 00 01 ends it."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], value) + b"\0\x01"


def decode_ordered_string(raw: bytes, position: int) -> tuple[bytes, int]:
    """The byte string at `position`, and the position after its end mark. Raises FormatError."""
    out = bytearray()
    while position < len(raw):
        byte = raw[position]
        if byte not in (0x00, 0xFF):
            out.append(byte)
            position += 1
            continue
        pair = raw[position : position + 2]
        position += 2
        if pair == b"\0\x01":
            return bytes(out), position
        if pair not in (b"\0\xff", b"\xff\0"):
            break
        out.append(byte)
    raise FormatError("the key holds a name that is not ended or not well escaped")


def encode_ordered_signed(value: int) -> bytes:
    """OrderedCode of a number from -2**63 to 2**63 - 1.

    As many leading bits as the code has bytes tell its length; they are ones for a number that is not
    negative and zeros for one that is, so that byte order is number order.
    """
    if not -_INT64_LIMIT <= value < _INT64_LIMIT:
        raise ValueError(f"{value} does not fit a signed 64-bit number")
    size = _signed_size(value)
    code = (value ^ _length_mark(size)) & ((1 << 8 * size) - 1)
    return code.to_bytes(size, "big")


def decode_ordered_signed(raw: bytes, position: int) -> tuple[int, int]:
    """The signed number at `position`, and the position after it. Raises FormatError."""
    head = raw[position : position + 2]
    if not head:
        raise FormatError("the key ends where a signed number should be")
    bits = int.from_bytes(head.ljust(2, b"\0" if head[0] >= 0x80 else b"\xff"), "big")
    if head[0] < 0x80:
        bits ^= 0xFFFF
    size = min(16 - (bits ^ 0xFFFF).bit_length(), 10)
    code = raw[position : position + size]
    value = (int.from_bytes(code, "big", signed=False) ^ _length_mark(size)) & ((1 << 8 * size) - 1)
    value -= (value >> (8 * size - 1)) << 8 * size
    if len(code) != size or not -_INT64_LIMIT <= value < _INT64_LIMIT or _signed_size(value) != size:
        raise FormatError(f"the key has no well-formed signed number at byte {position}")
    return value, position + size


def _signed_size(value: int) -> int:
    """How many bytes: seven bits a byte, one of them for the sign."""
    return (~value if value < 0 else value).bit_length() // 7 + 1


def _length_mark(size: int) -> int:
    """`size` one-bits at the top of `size` bytes."""
    return ((1 << size) - 1) << (7 * size)
