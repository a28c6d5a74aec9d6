"""Whole checkpoints mutated: an index and its shards, a V1 checkpoint's files, or the bytes of one tensor."""

from __future__ import annotations

import struct
from random import Random

from migration.formats.proto import bundle_pb2
from migration.formats.tensor_checksum import TensorChecksum
from migration.tensors import DType
from tests.hardening.fuzzing.container import joined, parted
from tests.hardening.fuzzing.numbers import damaged, number, varint
from tests.hardening.fuzzing.tables import items_of, mutate_items, mutated_table, table_of
from tests.hardening.fuzzing.wire import mutated_message

MOST_PARTS = 4
_VARYING = (DType.STRING, DType.VARIANT)


def mutated_bundle(rng: Random, raw: bytes) -> bytes:
    """An index and a shard, one of them changed; mostly the entries' checksums are made right again."""
    index, *shards = parted(raw, MOST_PARTS)
    if shards and rng.random() < 0.3:
        at = rng.randrange(len(shards))
        shards[at] = damaged(rng, shards[at])
    items = items_of(index)
    if items is None or rng.random() < 0.2:
        return joined([mutated_table(rng, index), *shards])
    for _ in range(rng.choice((0, 1, 1, 2))):
        mutate_items(rng, items)
    if shards and rng.random() < 0.7:
        items = [(key, _healed(value, shards[0]) if key else value) for key, value in items]
    return joined([table_of(rng, items), *shards])


def _healed(value: bytes, shard: bytes) -> bytes:
    """The entry with the checksum that the bytes at its place have."""
    entry = bundle_pb2.BundleEntry()
    try:
        entry.ParseFromString(value)
        dtype = DType.from_number(entry.dtype)
        count = 1
        for dim in entry.shape.dim:
            count *= dim.size
        checksum = TensorChecksum(dtype, count if dtype in _VARYING and 0 <= count < len(shard) else 0)
        checksum.update(shard[max(entry.offset, 0) : max(entry.offset, 0) + max(entry.size, 0)])
        entry.crc32c = checksum.masked()
    except Exception:  # bytes that are no entry stay as they are, and are what the reader is to refuse
        return value
    return entry.SerializeToString()


def mutated_files(rng: Random, raw: bytes) -> bytes:
    """The files of a V1 checkpoint, one of them changed, doubled or gone."""
    parts = parted(raw, MOST_PARTS)
    at = rng.randrange(len(parts))
    choice = rng.randrange(20)
    if choice == 0 and len(parts) > 1:
        del parts[at]
    elif choice == 1:
        parts.append(parts[at])
    else:
        parts[at] = mutated_table(rng, parts[at])
    return joined(parts)


def mutated_strings(rng: Random, raw: bytes) -> bytes:
    """A count and the bytes of a string or variant tensor, mostly with the checksums within them right."""
    head, body = raw[:5], raw[5:]
    kind = head[:1] if rng.random() < 0.9 else rng.randbytes(1)
    count = int.from_bytes(head[1:], "little")
    choice = rng.randrange(6)
    if choice == 0:
        return kind + struct.pack("<I", number(rng, count) & 0xFFFFFFFF) + body
    if choice < 3:
        return kind + head[1:] + damaged(rng, body)
    elements = [rng.randbytes(rng.choice((0, 1, 1, 5, 130))) for _ in range(rng.choice((0, 1, 2, 9, 200)))]
    lengths = [len(element) for element in elements]
    if lengths and choice == 3:
        at = rng.randrange(len(lengths))
        lengths[at] = number(rng, lengths[at])
    return kind + struct.pack("<I", len(elements)) + _strings(elements, lengths)


def _strings(elements: list[bytes], lengths: list[int]) -> bytes:
    """The bytes of a string tensor that claims these lengths, its inner checksum right for them."""
    checksum = TensorChecksum(DType.UINT8, 0)
    for length in lengths:
        checksum.update(struct.pack("<I" if length < 2**32 else "<Q", length))
    stored = struct.pack("<I", checksum.masked())
    return b"".join([*map(varint, lengths), stored, *elements])


def mutated_tensor(rng: Random, raw: bytes) -> bytes:
    """A TensorProto; now and then one whose dtype, shape and list of values are taken from nowhere."""
    if rng.random() < 0.8:
        return mutated_message(rng, raw)
    message = bundle_pb2.Tensor(dtype=rng.choice(list(DType)).value)
    for _ in range(rng.choice((0, 1, 2, 3, 65, 300))):
        message.tensor_shape.dim.add(size=rng.choice((0, 1, 1, 2, 3, 2**20, 2**31, 2**62, 2**63 - 1)))
    field = rng.choice([one for one in message.DESCRIPTOR.fields if one.name.endswith(("_val", "content"))])
    try:
        setattr(message, field.name, rng.randbytes(rng.choice((0, 1, 4, 8))))
    except (AttributeError, TypeError):  # a list of values
        values = [number(rng, 0) & 0x7F for _ in range(rng.choice((0, 1, 2, 6)))]
        odd = rng.choice((1, -1, 2**31 - 1, 65536))
        try:
            getattr(message, field.name).extend(values or [odd])
        except (TypeError, ValueError, OverflowError):
            return message.SerializeToString()
    return message.SerializeToString()
