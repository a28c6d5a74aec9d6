"""Numbers that readers get wrong, and damage to bytes of no known structure."""

from __future__ import annotations

from random import Random

_POWERS = (7, 8, 14, 15, 16, 21, 28, 31, 32, 33, 53, 62, 63, 64)
EXTREMES = sorted(
    {0, 1, 2, 3, 4, 5, *(2**power + by for power in _POWERS for by in (-1, 0, 1))} - {2**64 + 1}
)
_MOST_COPIES = 60


def number(rng: Random, present: int) -> int:
    """Another number of 64 bits: an extreme, one beside the present, a small one, or any."""
    choice = rng.randrange(8)
    if choice < 3:
        return rng.choice(EXTREMES) & (2**64 - 1)
    if choice < 5:
        return (present + rng.choice((-2, -1, 1, 2, 8))) & (2**64 - 1)
    if choice == 5:
        return -rng.choice(EXTREMES) & (2**64 - 1)
    return rng.randrange(40) if choice == 6 else rng.getrandbits(rng.randint(1, 64))


def varint(value: int) -> bytes:
    """The base-128 varint of a number of 64 bits."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(raw: bytes, position: int) -> tuple[int, int] | None:
    """The varint there and the position after it; None for none."""
    value = 0
    for index in range(10):
        if position + index >= len(raw):
            return None
        byte = raw[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), position + index + 1
    return None


def damaged(rng: Random, raw: bytes) -> bytes:
    """The bytes with one piece flipped, cut, doubled, moved, or overwritten by an extreme number."""
    if not raw:
        return rng.randbytes(rng.randint(0, 16))
    start = rng.randrange(len(raw))
    end = min(len(raw), start + rng.choice((1, 1, 2, 4, 8, 16, 64)))
    head, piece, tail = raw[:start], raw[start:end], raw[end:]
    choice = rng.randrange(8)
    if choice == 0:
        return head + bytes((piece[0] ^ 1 << rng.randrange(8),)) + raw[start + 1 :]
    if choice == 1:
        return head + tail
    if choice == 2:
        return head + piece * rng.choice((2, 2, 3, 8, _MOST_COPIES)) + tail
    if choice == 3:
        return head
    if choice == 4:
        return head + varint(number(rng, piece[0])) + tail
    if choice == 5:
        size = rng.choice((1, 2, 4, 8))
        return head + (number(rng, 0) & (2 ** (8 * size) - 1)).to_bytes(size, "little") + raw[start + size :]
    if choice == 6:
        return head + rng.randbytes(len(piece)) + tail
    other = rng.randrange(len(raw))
    return head + raw[other : other + len(piece) * rng.choice((1, 4))] + tail
