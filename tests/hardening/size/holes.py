"""A terabyte that no disk holds: sparse files, linked."""

from __future__ import annotations

import hashlib

from tests.hardening.size import sources
from tests.hardening.size.bench import Bench, expect, expect_verified, has_tensorflow

TERABYTE = 1 << 40
SHARDS, TENSORS = 64, 1024
MOST = 150.0  # MB: the same as for a megabyte
SMALL = hashlib.sha256(sources.SMALL[1].tobytes()).hexdigest()


def terabyte(bench: Bench) -> None:
    """There, looked at, and back, under `link`; a part of it is read, also by TensorFlow."""
    record, case = bench.record, "1 TB in 64 shards"
    try:
        source = bench.make("sparse", "source", size=TERABYTE, shards=SHARDS, tensors=TENSORS)
    except Exception as error:  # a file system without holes, or without files of 16 GB
        record.notes.append(f"{case}: cannot be made here: {error}")
        return
    there, back = bench.out("there"), bench.out("back")
    with record.trial("a terabyte linked and verified by its index", case):
        done = bench.job("migrate", source=source, target=there, data="link", most_megabytes=MOST)
        expect_verified(done.told, SAME_BYTES=TENSORS + 2, UNREAD=1)
        expect(done.told["copied"], 0, "bytes copied")
        bench.note(f"{case}, link and verify", done)
    before = bench.job("inspect", path=source).told
    with record.trial("a terabyte inspected", case):
        after = bench.job("inspect", path=there, most_megabytes=MOST).told
        expect(after["bytes"] - 8, before["bytes"], "bytes")  # and the save counter
    with record.trial("a terabyte brought back to its names", case):
        bench.job("migrate", source=there, target=back, data="link", to="name", most_megabytes=MOST)
        expect(bench.job("inspect", path=back).told["digest"], before["digest"], "digest")
    with record.trial("a tensor behind 16 GB read and its checksum checked", case):
        key = f"{sources.SMALL_HOLE}/.ATTRIBUTES/VARIABLE_VALUE"
        zeros = hashlib.sha256(bytes(1 << 24)).hexdigest()
        expect(bench.job("stream", path=there, key=key).told["sha256"], zeros, "its bytes")
    if record.budget.is_long and has_tensorflow():
        with record.trial("TensorFlow reads a tensor of a linked terabyte", case):
            key = f"{sources.SMALL[0]}/.ATTRIBUTES/VARIABLE_VALUE"
            expect(bench.job("by_tensorflow", path=there, key=key).told["sha256"], SMALL, "its bytes")
