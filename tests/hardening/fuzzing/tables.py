"""Sorted string tables mutated from the inside: every checksum right, what it covers wrong."""

from __future__ import annotations

import struct
from random import Random

import cramjam

from migration.errors import MigrationError
from migration.formats.coding import masked_crc32c
from migration.formats.sstable import BytesSource, Item, Table
from migration.formats.sstable_blocks import HANDLES_SIZE, MAGIC
from migration.formats.sstable_writer import shared_prefix
from tests.hardening.fuzzing.numbers import EXTREMES, damaged, number, varint
from tests.hardening.fuzzing.wire import HOSTILE, mutated_message

_HOSTILE_KEYS = (
    b"",
    b"\0",
    b"\0\0\1",
    b"\0a\0\1\1\1\x80\x80",
    b"\0a\0\1\x08\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff",
)
_MOST_ITEMS = 3000


def items_of(raw: bytes) -> list[Item] | None:
    """The items of a table; None for bytes that are no table."""
    try:
        return list(Table.open(BytesSource(raw)).items())[:_MOST_ITEMS]
    except MigrationError:
        return None


def mutated_table(rng: Random, raw: bytes) -> bytes:
    """The table with an item or its structure changed, and all checksums right; other bytes are damaged."""
    items = items_of(raw)
    if items is None or rng.random() < 0.05:
        return damaged(rng, raw)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        mutate_items(rng, items)
    return table_of(rng, items)


def mutate_items(rng: Random, items: list[Item]) -> None:
    """One item's value or key changed, or an item gone, doubled, moved or new."""
    if not items:
        items.append((rng.choice(_HOSTILE_KEYS), rng.choice(HOSTILE)))
        return
    at = rng.randrange(len(items))
    key, value = items[at]
    choice = rng.randrange(12)
    if choice < 7:
        items[at] = key, mutated_message(rng, value)
    elif choice == 7:
        items[at] = damaged(rng, key), value
    elif choice == 8:
        items[at] = key, rng.choice(items)[1]
    elif choice == 9:
        del items[at]
    elif choice == 10:
        items.append((damaged(rng, key), mutated_message(rng, value)))
    else:
        items.append((rng.choice(_HOSTILE_KEYS), value))
    if rng.random() < 0.95:
        items.sort()


def table_of(rng: Random, items: list[Item]) -> bytes:
    """A table of the items as they stand; now and then its blocks or handles are not what they should be."""
    odd = rng.random() < 0.3
    size = rng.choice((1, 2, 16, len(items) or 1))
    blocks = [items[start : start + size] for start in range(0, len(items), size)]
    out = bytearray()
    index: list[Item] = []
    for block in blocks:
        handle = _append(rng, out, _block(rng, block, odd), odd)
        index.append((block[-1][0], handle))
    if odd and index and rng.random() < 0.4:
        _mutate_handles(rng, index)
    metaindex = _append(rng, out, _block(rng, [], False), False)
    footer = metaindex + _append(rng, out, _block(rng, index, odd), odd)
    if odd and rng.random() < 0.1:
        footer = varint(rng.choice(EXTREMES)) + varint(rng.choice(EXTREMES)) + footer[2:]
    return bytes(out + footer.ljust(HANDLES_SIZE, b"\0")[:HANDLES_SIZE] + struct.pack("<Q", MAGIC))


def _block(rng: Random, items: list[Item], odd: bool) -> bytes:
    """A block's content: entries that share prefixes, and restart points."""
    out = bytearray()
    previous = b""
    for key, value in items:
        shared = shared_prefix(previous, key) if rng.random() < 0.9 else 0
        head = [shared, len(key) - shared, len(value)]
        if odd and rng.random() < 0.02:
            at = rng.randrange(3)
            head[at] = number(rng, head[at])
        out += b"".join(map(varint, head)) + key[shared:] + value
        previous = key
    count = rng.choice((0, 2**30, 2**32 - 1, len(out) // 4)) if odd and rng.random() < 0.05 else 1
    return bytes(out) + struct.pack("<II", 0, count)


def _append(rng: Random, out: bytearray, content: bytes, odd: bool) -> bytes:
    """Puts a block with its trailer at the end, and gives its handle."""
    kind = 0
    if odd and rng.random() < 0.1:
        content = damaged(rng, content)
    if rng.random() < 0.2:
        content, kind = bytes(cramjam.snappy.compress_raw(content)), 1
        if odd and rng.random() < 0.3:
            content = varint(rng.choice(EXTREMES)) + content[1:]
    if odd and rng.random() < 0.02:
        kind = rng.randrange(256)
    handle = varint(len(out)) + varint(len(content))
    tag = bytes((kind,))
    out += content + tag + struct.pack("<I", masked_crc32c(content, tag))
    return handle


def _mutate_handles(rng: Random, index: list[Item]) -> None:
    """Handles that repeat, overlap, point into each other or far outside."""
    at = rng.randrange(len(index))
    separator, handle = index[at]
    other = rng.choice(index)[1]
    made = (
        other,
        varint(rng.choice(EXTREMES)) + varint(rng.choice(EXTREMES)),
        varint(number(rng, handle[0])) + handle[1:],
        handle[:1] + varint(number(rng, handle[-1])),
        handle + b"\0\0",
        handle[:1],
    )
    index[at] = separator, rng.choice(made)
