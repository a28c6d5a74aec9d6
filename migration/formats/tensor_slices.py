"""Slices of a partitioned tensor, and the keys under which a bundle or a V1 file stores them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from migration.errors import FormatError
from migration.formats.coding import (
    decode_ordered_number,
    decode_ordered_signed,
    decode_ordered_string,
    encode_ordered_number,
    encode_ordered_signed,
    encode_ordered_string,
)
from migration.formats.proto import bundle_pb2

SLICE_KEY_PREFIX = b"\0"  # OrderedCode of the number 0; no tensor's own key starts so
_WHOLE = -1  # the length that TensorFlow writes for a dimension that is not cut
_PRIME = 2**127 - 1  # a Mersenne prime well above the square of any dimension


class IncompleteSlicesError(FormatError):
    """Slices that do not make up their tensor.

    TensorFlow writes such files: a slot that an optimizer makes inside a variable scope for a part of a
    partitioned variable is saved as one slice of the whole. Its Saver reads it back, slice by slice.
    """


@dataclass(frozen=True, slots=True)
class TensorSlice:
    """A box in a tensor: where it starts and how long it is in each dimension; None is all of it."""

    starts: tuple[int, ...]
    lengths: tuple[int | None, ...]

    @classmethod
    def whole(cls, rank: int) -> TensorSlice:
        """The slice that is the whole of a tensor of that rank."""
        return cls((0,) * rank, (None,) * rank)

    @classmethod
    def from_message(cls, message: bundle_pb2.Slice) -> TensorSlice:
        """The slice of a protobuf message. Raises FormatError for negative or one-sided extents."""
        extents = [(e.start, e.length if e.HasField("length") else None) for e in message.extent]
        return cls._checked(extents)

    @classmethod
    def _checked(cls, extents: list[tuple[int, int | None]]) -> TensorSlice:
        for start, length in extents:
            if start < 0 or (length is None and start) or (length is not None and length < 0):
                raise FormatError(f"a slice from {start} of length {length} cannot be: the file is corrupt")
        return cls(tuple(start for start, _ in extents), tuple(length for _, length in extents))

    def fill(self, message: bundle_pb2.Slice) -> None:
        """Writes the slice into an empty protobuf message."""
        for start, length in zip(self.starts, self.lengths, strict=True):
            extent = message.extent.add()
            if length is not None:
                extent.start, extent.length = start, length

    def resolved(self, shape: tuple[int, ...]) -> TensorSlice:
        """The same slice of a tensor of that shape with every length a number.

        Raises FormatError where the ranks differ or the slice reaches outside the shape.
        """
        if len(shape) != len(self.starts) or len(shape) != len(self.lengths):
            raise FormatError(f"slice {self} does not have the rank of shape {list(shape)}")
        lengths = tuple(
            size if length is None else length for size, length in zip(shape, self.lengths, strict=True)
        )
        if any(start + n > size for start, n, size in zip(self.starts, lengths, shape, strict=True)):
            raise FormatError(f"slice {self} reaches outside shape {list(shape)}")
        return TensorSlice(self.starts, lengths)

    def shape(self, full_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The slice's own shape, in a tensor of `full_shape`. Raises FormatError as `resolved` does."""
        return tuple(length or 0 for length in self.resolved(full_shape).lengths)

    def index(self, full_shape: tuple[int, ...]) -> tuple[slice, ...]:
        """What numpy takes to address the slice in an array of `full_shape`. Raises as `resolved` does."""
        shape = self.shape(full_shape)
        return tuple(slice(start, start + n) for start, n in zip(self.starts, shape, strict=True))

    def __str__(self) -> str:
        """TensorFlow's own notation, e.g. "0,4:-" for the first four rows."""
        pairs = zip(self.starts, self.lengths, strict=False)
        return ":".join("-" if length is None else f"{start},{length}" for start, length in pairs)


def slice_key(name: bytes, extent: TensorSlice) -> bytes:
    """The table key of one slice of the tensor `name`.

    Source: tensorflow/core/util/saved_tensor_slice_util.h, EncodeTensorNameSlice.
    """
    parts = [SLICE_KEY_PREFIX, encode_ordered_string(name), encode_ordered_number(len(extent.starts))]
    for start, length in zip(extent.starts, extent.lengths, strict=True):
        parts += (encode_ordered_signed(start), encode_ordered_signed(_WHOLE if length is None else length))
    return b"".join(parts)


def parse_slice_key(key: bytes) -> tuple[bytes, TensorSlice]:
    """The tensor's name and the slice that a table key stands for. Raises FormatError."""
    if not key.startswith(SLICE_KEY_PREFIX):
        raise FormatError(f"{key!r} is not the key of a slice")
    name, position = decode_ordered_string(key, 1)
    rank, position = decode_ordered_number(key, position)
    extents: list[tuple[int, int | None]] = []
    while len(extents) < rank:
        start, position = decode_ordered_signed(key, position)
        length, position = decode_ordered_signed(key, position)
        extents.append((start, None if length == _WHOLE else length))
    if position != len(key):
        raise FormatError(f"{key!r} has bytes after the key of a slice")
    return name, TensorSlice._checked(extents)


def check_cover(slices: Iterable[TensorSlice], shape: tuple[int, ...]) -> None:
    """Raises FormatError unless the slices lie in the shape and cover each element exactly once.

    A box becomes the polynomial of its elements, the product over dimensions of x**end - x**start (each
    times 1 / (x - 1)). The boxes tile the shape if and only if their polynomials add up to the shape's,
    which is tested at one point modulo a prime (the Schwartz-Zippel lemma): linear in the number of slices.
    """
    boxes = [extent.resolved(shape) for extent in slices]
    elements = sum(math.prod(length or 0 for length in box.lengths) for box in boxes)
    size = math.prod(shape)
    if elements < size or not boxes:
        raise IncompleteSlicesError(
            f"its slices hold {elements} of the {size} elements of shape {list(shape)}"
        )
    whole = TensorSlice((0,) * len(shape), shape)
    if elements > size or (sum(map(_polynomial, boxes)) - _polynomial(whole)) % _PRIME:
        raise FormatError(f"its slices overlap in shape {list(shape)}")


def _polynomial(box: TensorSlice) -> int:
    value = 1
    for axis, (start, length) in enumerate(zip(box.starts, box.lengths, strict=True)):
        value = value * (_power(axis, start + (length or 0)) - _power(axis, start)) % _PRIME
    return value


@lru_cache(maxsize=4096)
def _power(axis: int, exponent: int) -> int:
    """A power of the point at which the axis' polynomial is taken; parts share their bounds."""
    point = pow(3, 1_000_003 + axis, _PRIME) + 5  # any fixed point without structure serves
    return pow(point, exponent, _PRIME)
