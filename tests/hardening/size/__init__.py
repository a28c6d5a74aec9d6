"""Size: a terabyte, a million variables, tensors beyond 4 GB, 10,000 partitions; within bounds of memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.size import growth, holes, large, numerous
from tests.hardening.size.bench import Bench

Part = Callable[[Bench], None]
SPARE = 1.0  # seconds that must be left for another part to begin


def run(budget: Budget) -> Outcome:
    """Try the sizes of the budget, each job in a process of its own."""
    record = Record("size", budget)
    with tempfile.TemporaryDirectory(prefix="ckpt-size-") as folder:
        bench = Bench(record, Path(folder))
        for name, part in LONG.items() if budget.is_long else SHORT.items():
            if record.left() < SPARE:
                record.notes.append(f"no time was left for: {name}")
                continue
            with bench.cleared(), record.trial("parts of the campaign", name):
                part(bench)
    return record.outcome()


def _variables(keys: int) -> Part:
    def part(bench: Bench) -> None:
        seconds = numerous.variables(bench, keys)
        if bench.record.budget.is_long:
            with bench.cleared():
                pass
            numerous.grows_linearly(bench, keys, seconds)

    return part


GB = 10**9
SHORT: dict[str, Part] = {
    "a terabyte": holes.terabyte,
    "20,000 variables": _variables(20_000),
    "2,000 partitions": lambda bench: numerous.partitions(bench, 2_000),
    "memory": lambda bench: growth.memory(bench, 8 << 20, 96 << 20),
    "300 shards": lambda bench: numerous.shards(bench, 300),
}
LONG: dict[str, Part] = {
    "a terabyte": holes.terabyte,
    "1,000,000 variables": _variables(1_000_000),
    "10,000 partitions": lambda bench: numerous.partitions(bench, 10_000),
    "memory": lambda bench: growth.memory(bench, 64 << 20, 2 << 30),
    "1,000 shards": lambda bench: numerous.shards(bench, 1_000),
    "10,000 shards": lambda bench: numerous.shards(bench, 10_000),
    "a tensor of 2.2 GB": lambda bench: large.as_it_is(bench, 22 * GB // 10),
    "a tensor of 4.5 GB": lambda bench: large.as_it_is(bench, 45 * GB // 10),
    "2.2 GB changed": lambda bench: large.changed(bench, 22 * GB // 10),
    "2.2 GB of strings": lambda bench: large.strings(bench, 22 * GB // 10),
    "a .meta of 400 MB": lambda bench: large.graph(bench, 400 << 20),
}
