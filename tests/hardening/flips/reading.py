"""Flips in what is read: each ends in a MigrationError, or in exactly what was there."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from migration.errors import FormatError, MigrationError
from migration.formats.tensor_bundle import BundleIndex, check_tensor, decode_tensor, shard_name
from tests.hardening.campaign import Record
from tests.hardening.flips.flipping import flipped, order
from tests.hardening.flips.seen import Seen, bits, look
from tests.hardening.flips.subjects import Subject


def every_bit(record: Record, subject: Subject, seconds: float) -> None:
    """Turn over bits of the subject's files, all of them if the time is enough, and read it each time."""
    before = look(subject.prefix)
    places = [(path, at) for path in subject.files for at in range(os.path.getsize(path))]
    total, tried, harmless = 8 * len(places), 0, 0
    until = time.monotonic() + seconds
    for number in order(total, record.budget.seed):
        path, at = places[number // 8]
        with flipped(path, at, 1 << number % 8):
            harmless += not _is_refused(record, subject, before, f"{path}, byte {at}, bit {number % 8}")
        tried += 1
        if time.monotonic() > until:
            break
    record.tried["bits of small checkpoints, all read"] += tried
    covered = "all" if tried == total else f"{tried:,} of"
    record.notes.append(
        f"{subject.name}: {covered} {total:,} bits; {tried - harmless:,} refused, {harmless} changed nothing"
    )


def _is_refused(record: Record, subject: Subject, before: Seen, case: str) -> bool:
    try:
        after = look(subject.prefix)
    except MigrationError:
        return True
    except Exception as error:
        record.found(f"{subject.name}: {case}", f"{type(error).__name__}: {error}")
        return True
    if after != before:
        record.found(f"{subject.name}: {case}", "another checkpoint is read, and nothing is said")
    return False


def every_byte(record: Record, prefix: str, seconds: float) -> None:
    """Turn over bytes of a larger checkpoint, each as a whole and in one bit; a shard's byte is read with the
    tensor that it belongs to."""
    index = Path(f"{prefix}.index").read_bytes()
    until = time.monotonic() + seconds
    sizes = _shard_sizes(prefix, index)
    parts = [_of_index(record, index)]
    parts += [_of_shard(record, prefix, index, number) for number in range(len(sizes))]
    tried, total = 0, 2 * (len(index) + sum(sizes))
    for number, flips in enumerate(parts):
        stop = time.monotonic() + (until - time.monotonic()) / (len(parts) - number)
        for _ in flips:
            tried += 1
            if time.monotonic() > stop:
                break
    record.tried["flips in a larger checkpoint"] += tried
    covered = "all" if tried == total else f"{tried:,} of"
    record.notes.append(
        f"the larger checkpoint, {total / 2e6:.1f} MB: {covered} {total:,} flips, two a byte: all of it, and "
        "one of its bits"
    )


def _shard_sizes(prefix: str, index: bytes) -> list[int]:
    count = BundleIndex.from_bytes(index).header.num_shards
    return [os.path.getsize(shard_name(prefix, number, count)) for number in range(count)]


def _masks(record: Record, size: int) -> Iterator[tuple[int, int]]:
    """Each byte's place with all of its bits, and with one by chance."""
    chance = random.Random(record.budget.seed)
    for at in order(size, record.budget.seed):
        yield at, 0xFF
        yield at, 1 << chance.randrange(8)


def _of_index(record: Record, index: bytes) -> Iterator[None]:
    before, raw = BundleIndex.from_bytes(index), bytearray(index)
    for at, mask in _masks(record, len(raw)):
        raw[at] ^= mask
        try:
            if BundleIndex.from_bytes(bytes(raw)) != before:
                record.found(f"the larger index, byte {at} ^ {mask}", "another index is read")
        except FormatError:
            pass
        raw[at] ^= mask
        yield


def _of_shard(record: Record, prefix: str, index: bytes, number: int) -> Iterator[None]:
    known = BundleIndex.from_bytes(index)
    raw = bytearray(Path(shard_name(prefix, number, known.header.num_shards)).read_bytes())
    view = memoryview(raw)
    owners = sorted(
        (entry.offset, key, entry) for key, entry in known.placed() if entry.shard == number and entry.size
    )
    starts = {at: owner for owner in owners for at in range(owner[0], owner[0] + owner[2].size)}
    for at, mask in _masks(record, len(raw)):
        start, key, entry = starts[at]
        part = view[start : start + entry.size]
        reader = check_tensor if mask == 0xFF else decode_tensor
        raw[at] ^= mask
        try:
            reader(entry, part, key)
            record.found(f"the larger shard {number}, byte {at} ^ {mask}", f"{key} is read, nothing is said")
        except FormatError:
            pass
        raw[at] ^= mask
        yield
    if bits(decode_tensor(owners[0][2], view[: owners[0][2].size], "the first"))[1] != bytes(
        view[: owners[0][2].size]
    ):
        record.found(f"the larger shard {number}", "it is not as it was before all flips")
