"""Memory does not follow the bytes: ten times as many take what few take."""

from __future__ import annotations

from tests.hardening.size.bench import Bench, expect, expect_verified

TENSORS = 8
MORE = 40.0  # MB that the larger one may take beyond the smaller


def memory(bench: Bench, small: int, large: int) -> None:
    """Under link and copy, all data compared afterwards."""
    peaks: dict[tuple[str, int], float] = {}
    for size in (small, large):
        source = bench.make("equal", f"source {size}", size=size, tensors=TENSORS)
        for data in ("link", "copy"):
            with bench.record.trial("memory measured for a size", f"{size:,} bytes, {data}"):
                target = bench.out(f"{data} {size}")
                done = bench.job("migrate", source=source, target=target, data=data, verify_data=True)
                expect_verified(done.told, EQUAL=TENSORS, COMPUTED=1)
                peaks[data, size] = done.megabytes
                bench.note(f"{size / 1e6:,.0f} MB, {data} and all data compared", done)
    for data in ("link", "copy"):
        with bench.record.trial("memory does not follow the bytes", data):
            low, high = peaks[data, small], peaks[data, large]
            expect(high <= low + MORE, True, f"{low:.0f} MB for the smaller, {high:.0f} MB for the larger")
