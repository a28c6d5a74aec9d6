"""What is packed in a plan file or a manifest: zlib, then base64; unpacked in no more memory than is fair."""

from __future__ import annotations

import base64
import zlib

# Plans and object graphs of 200,000 variables, whose names differ in a number alone, pack 11 to 17 times.
MOST_GROWTH = 64
ALWAYS = 1 << 18  # bytes that anything may unpack to
MOST = 1 << 31  # protobuf's own bound on a message; no plan is larger


def packed(content: bytes, level: int) -> str:
    """The content, packed at that level of zlib's; stored where it would pack too well to be believed."""
    squeezed = zlib.compress(content, level)
    if len(content) > _believed(len(squeezed)):
        squeezed = zlib.compress(content, 0)
    return base64.b64encode(squeezed).decode()


def _believed(size: int) -> int:
    """The most bytes that so many packed ones are unpacked to."""
    return min(MOST, ALWAYS + MOST_GROWTH * size)


def unpacked(text: str) -> bytes:
    """The inverse of `packed`. Raises ValueError for anything else, and for more than anything real."""
    raw = base64.b64decode(text, validate=True)
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(raw, _believed(len(raw)))
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not unpacker.eof:
        raise ValueError("it is cut off, or far larger than anything real")
    return content
