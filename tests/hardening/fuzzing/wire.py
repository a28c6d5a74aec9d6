"""Protobuf messages mutated field by field, without their schema: what remains is mostly well-formed."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

from tests.hardening.fuzzing.numbers import damaged, number, read_varint, varint

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 4000
_MOST_ADDED = 1 << 20  # bytes: inputs are cut there, so more would only fill the memory of who makes them
_COPIES = (*(1,) * 30, *(2, 5, 100) * 5, 30_000)  # the last stands for what claims to be very many
HOSTILE = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "é²٣".encode(),
    b"a" * 300,
    b"../../x",
    b"/",
    b":",
    b":0",
    "x:²".encode(),
    b"x:" + b"9" * 5000,
    b"^x",
    b"\x1b[2J",
    b"nan",
    b"-1",
    b"." * 40,
)
_TYPES = (*range(36), 100, 101, 107, 120, 133, 255)


class Field(NamedTuple):
    """A field's number, its wire type, and its value: a number, or the bytes of a string or message."""

    number: int
    kind: int
    value: int | bytes


def fields_of(raw: bytes) -> list[Field] | None:
    """The fields of a message; None for bytes that are none."""
    found: list[Field] = []
    position = 0
    while position < len(raw):
        tag = read_varint(raw, position)
        if tag is None or not tag[0] >> 3 or len(found) >= _MOST_FIELDS:
            return None
        kind, position = tag[0] & 7, tag[1]
        read = _value(raw, position, kind)
        if read is None:
            return None
        value, position = read
        found.append(Field(tag[0] >> 3, kind, value))
    return found


def _value(raw: bytes, position: int, kind: int) -> tuple[int | bytes, int] | None:
    if kind == VARINT:
        return read_varint(raw, position)
    if kind in (FIXED32, FIXED64):
        end = position + (4 if kind == FIXED32 else 8)
        return (int.from_bytes(raw[position:end], "little"), end) if end <= len(raw) else None
    size = read_varint(raw, position) if kind == LENGTH else None
    if size is None or size[1] + size[0] > len(raw):
        return None
    return raw[size[1] : size[1] + size[0]], size[1] + size[0]


def message_of(fields: list[Field]) -> bytes:
    """The message that has these fields."""
    return b"".join(map(_written, fields))


def _written(field: Field) -> bytes:
    tag = varint(field.number << 3 | field.kind)
    if isinstance(field.value, bytes):
        return tag + varint(len(field.value)) + field.value
    if field.kind == VARINT:
        return tag + varint(field.value)
    size = 4 if field.kind == FIXED32 else 8
    return tag + (field.value & (2 ** (8 * size) - 1)).to_bytes(size, "little")


def mutated_message(rng: Random, raw: bytes) -> bytes:
    """The message with one thing changed, somewhere in it; bytes that are no message are damaged."""
    fields = fields_of(raw)
    if not fields:
        return damaged(rng, raw) if raw else message_of([_any_field(rng)])
    at = rng.randrange(len(fields))
    field = fields[at]
    if isinstance(field.value, bytes) and rng.random() < 0.7:
        fields[at] = field._replace(value=_mutated_bytes(rng, field.value))
    elif rng.random() < 0.5:
        fields[at] = _changed(rng, field)
    else:
        _rearrange(rng, fields, at)
    return message_of(fields)


def _mutated_bytes(rng: Random, value: bytes) -> bytes:
    inner = fields_of(value)
    if inner and rng.random() < 0.9:
        return mutated_message(rng, value)
    choice = rng.randrange(4)
    if choice == 0:
        return rng.choice(HOSTILE)
    if choice == 1:
        return _packed(rng)
    return damaged(rng, value) if choice == 2 else value * rng.choice((0, 2, 3))


def _packed(rng: Random) -> bytes:
    """A list of numbers as repeated fields hold it."""
    count = rng.choice((1, 2, 8, 300))
    if rng.random() < 0.5:
        return b"".join(varint(number(rng, 0)) for _ in range(count))
    shape = rng.choice(("<f", "<d"))
    special = rng.choice((0.0, -0.0, 1.0, 1e30, float("inf"), float("nan")))
    return struct.pack(shape, special) * count


def _changed(rng: Random, field: Field) -> Field:
    """The field with another value, number or type."""
    choice = rng.randrange(6)
    if choice == 0:
        return field._replace(number=rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 18, 2**29 - 1)))
    if isinstance(field.value, bytes):
        return Field(field.number, LENGTH, _mutated_bytes(rng, field.value))
    if choice == 1:
        return field._replace(value=rng.choice(_TYPES))
    if choice == 2:
        return Field(field.number, rng.choice((VARINT, FIXED32, FIXED64)), field.value)
    return field._replace(value=number(rng, field.value))


def _rearrange(rng: Random, fields: list[Field], at: int) -> None:
    """One field gone, doubled, moved, nested in itself, new, or of another field's value."""
    field, other = fields[at], rng.choice(fields)
    choice = rng.randrange(6)
    if choice == 0:
        del fields[at]
    elif choice == 1:
        size = len(field.value) + 2 if isinstance(field.value, bytes) else 10
        fields[at:at] = [field] * min(rng.choice(_COPIES), max(1, _MOST_ADDED // size))
    elif choice == 2:
        fields.insert(rng.randrange(len(fields)), fields.pop(at))
    elif choice == 3 and isinstance(field.value, bytes):
        for _ in range(rng.choice((1, 2, 20, 150))):
            field = field._replace(value=_written(field))
        fields[at] = field
    elif choice == 4:
        fields.insert(at, _any_field(rng))
    else:
        fields[at] = Field(field.number, other.kind, other.value)


def _any_field(rng: Random) -> Field:
    if rng.random() < 0.5:
        return Field(rng.randint(1, 20), VARINT, number(rng, 0))
    return Field(rng.randint(1, 20), LENGTH, rng.choice(HOSTILE))
