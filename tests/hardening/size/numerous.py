"""Very many: variables, partitions of one variable, shards."""

from __future__ import annotations

import hashlib

import numpy as np

from tests.hardening.size.bench import Bench, expect, expect_verified, has_tensorflow
from tests.hardening.size.sources import COLUMNS

BASE = 120.0  # MB: Python, and what is loaded
A_KEY = 3300  # bytes of memory for a variable, in the worst of the jobs
A_SLICE = 8000
ROWS = 2  # of a partition
FEW_FILES = 256  # descriptors, as macOS gives by default
SLOWER = 3.0  # times, that a variable may take among ten times as many: all is linear


def variables(bench: Bench, keys: int) -> float:
    """There under link and copy, and back; returns the seconds of the first."""
    record, case = bench.record, f"{keys:,} variables"
    most = BASE + keys * A_KEY / 1e6
    source = bench.make("many", "source", keys=keys)
    seconds = 0.0
    for data, verdict in (("link", "SAME_BYTES"), ("copy", "SAME_CHECKSUM")):
        with record.trial("very many variables migrated and verified", f"{case}, {data}"):
            done = bench.job("migrate", source=source, target=bench.out(data), data=data, most_megabytes=most)
            expect_verified(done.told, **{verdict: keys, "UNREAD": 1})
            bench.note(f"{case}, {data} and verify", done)
            seconds = seconds or done.seconds
    with record.trial("very many variables brought back to their names", case):
        done = bench.job(
            "migrate",
            source=bench.out("link"),
            target=bench.out("back"),
            data="link",
            to="name",
            most_megabytes=most,
        )
        bench.note(f"{case}, back to names", done)
        digests = [
            bench.job("inspect", path=path, most_megabytes=most).told["digest"]
            for path in (source, bench.out("back"))
        ]
        expect(digests[1], digests[0], "digest")
    if record.budget.is_long:
        _longer(bench, keys, source, case)
    return seconds


def _longer(bench: Bench, keys: int, source: str, case: str) -> None:
    record = bench.record
    with record.trial("very many variables planned onto a template", case):
        done = bench.job(
            "migrate", source=source, target=bench.out("onto"), data="link", template=bench.out("copy")
        )
        expect_verified(done.told, SAME_BYTES=keys, UNREAD=1)
        bench.note(f"{case}, onto a template, link and verify", done)
    with record.trial("very many variables, all data compared", case):
        done = bench.job("compare", source=source, migrated=bench.out("copy"), data=True)
        expect_verified(done.told, EQUAL=keys, COMPUTED=1)
        bench.note(f"{case}, all data compared", done)
    if has_tensorflow():
        bench.note(f"{case}, tf.train.list_variables", bench.job("listed", path=source))
        bench.note(f"{case}, opened and digested", bench.job("inspect", path=source))


def grows_linearly(bench: Bench, keys: int, seconds: float) -> None:
    """The same for a tenth of them: a variable takes no more time among many."""
    with bench.record.trial("time is linear in the variables", f"{keys // 10:,} and {keys:,} variables"):
        source = bench.make("many", "source", keys=keys // 10)
        few = bench.job("migrate", source=source, target=bench.out("link"), data="link").seconds
        expect(seconds <= few * 10 * SLOWER, True, f"{few:.1f} s for a tenth, {seconds:.1f} s for all")


def partitions(bench: Bench, parts: int) -> None:
    """One variable in very many: there, compared, back; TensorFlow restores it into one variable."""
    record, case = bench.record, f"{parts:,} partitions"
    most = BASE + parts * A_SLICE / 1e6
    source = bench.make("partitioned", "source", parts=parts, rows=ROWS)
    table = np.arange(parts * ROWS * COLUMNS, dtype=np.float32).tobytes()
    wanted = hashlib.sha256(table).hexdigest()
    for data in ("link", "copy"):
        target, back = bench.out(data), bench.out(f"{data} back")
        with record.trial("very many partitions migrated and read", f"{case}, {data}"):
            done = bench.job(
                *("migrate",), source=source, target=target, data=data, verify_data=True, most_megabytes=most
            )
            expect_verified(done.told, EQUAL=1, COMPUTED=1)
            bench.note(f"{case}, {data} and all data compared", done)
            key = "table/.ATTRIBUTES/VARIABLE_VALUE"
            expect(bench.job("read", path=target, key=key).told["sha256"], wanted, "the table")
        with record.trial("very many partitions brought back, as partitions", f"{case}, {data}"):
            bench.job("migrate", source=target, target=back, data=data, to="name", most_megabytes=most)
            found = [bench.job("inspect", path=path).told for path in (source, back)]
            expect(found[1], found[0], "what is in it")
            expect(bench.job("diff", one=source, other=back).told["equal"], True, "equal")
    if record.budget.is_long and has_tensorflow():
        with record.trial("TensorFlow restores very many partitions as one variable", case):
            done = bench.job("restored", path=bench.out("link"), rows=parts * ROWS)
            expect(done.told["sha256"], wanted, "the table")


def shards(bench: Bench, count: int) -> None:
    """More shards than a process may open files."""
    case = f"{count:,} shards, {FEW_FILES} descriptors"
    source = bench.make("equal", "source", size=count * 4096, tensors=count, shards=count)
    for data in ("link", "copy"):
        with bench.record.trial("more shards than descriptors", f"{case}, {data}"):
            done = bench.job(
                "migrate",
                source=source,
                target=bench.out(data),
                data=data,
                verify_data=True,
                most_files=FEW_FILES,
            )
            expect_verified(done.told, EQUAL=count, COMPUTED=1)
            bench.note(f"{case}, {data} and all data compared", done)
