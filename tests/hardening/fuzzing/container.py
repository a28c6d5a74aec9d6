"""Several files as one byte string, for readers that want more than one; any bytes are some files."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def joined(parts: Sequence[bytes]) -> bytes:
    """The parts, each behind its size."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def parted(raw: bytes, count: int) -> list[bytes]:
    """Up to `count` parts, at least one; what does not fit is cut off."""
    parts: list[bytes] = []
    position = 0
    while position < len(raw) and len(parts) < count:
        size = int.from_bytes(raw[position : position + 4], "little")
        parts.append(raw[position + 4 : position + 4 + size])
        position += 4 + size
    return parts or [b""]
