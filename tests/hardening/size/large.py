"""Tensors beyond 2 and 4 GB, of real bytes: protobuf's limit and 32-bit offsets are the traps."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.hardening.size.bench import Bench, expect, expect_verified, has_tensorflow

BLOCKWISE = 200.0  # MB: what passes as it is passes in blocks
OBJECT = "/.ATTRIBUTES/VARIABLE_VALUE"
HALVES = """
[[rule]]
match = "large"
to = "first"
transforms = [{{split = {{axis = 0, sizes = [{first}, {second}], index = 0}}}}]

[[rule]]
match = "large"
to = "second"
also = true
transforms = [{{split = {{axis = 0, sizes = [{first}, {second}], index = 1}}}}]
"""
TURNED = """
[[rule]]
match = "large"
to = "turned"
transforms = [{transpose = [1, 0]}]
"""


def as_it_is(bench: Bench, size: int) -> None:
    """Copied, linked, compared, and read by TensorFlow."""
    record, case = bench.record, f"a tensor of {size / 1e9:.1f} GB"
    source = bench.make("one_tensor", "source", size=size, seed=record.budget.seed)
    wanted = bench.job("stream", path=source, key="large").told["sha256"]
    for data in ("link", "copy"):
        with record.trial("a tensor beyond 2 GB migrated, all data compared", f"{case}, {data}"):
            done = bench.job(
                "migrate",
                source=source,
                target=bench.out(data),
                data=data,
                verify_data=True,
                most_megabytes=BLOCKWISE,
            )
            expect_verified(done.told, EQUAL=2, COMPUTED=1)
            bench.note(f"{case}, {data} and all data compared", done)
    if has_tensorflow():
        with record.trial("TensorFlow reads a tensor beyond 2 GB", case):
            done = bench.job("by_tensorflow", path=bench.out("copy"), key=f"large{OBJECT}")
            expect(done.told["sha256"], wanted, "its bytes")
            bench.note(f"{case}, read by TensorFlow", done)


def changed(bench: Bench, size: int) -> None:
    """In two parts, which are the same bytes, and transposed, which is computed; and back."""
    record, case = bench.record, f"a tensor of {size / 1e9:.1f} GB"
    source = bench.make("one_tensor", "source", size=size, seed=record.budget.seed)
    rows = size // 4096
    rules = {"in two parts": HALVES.format(first=rows // 3, second=rows - rows // 3), "transposed": TURNED}
    for name, text in rules.items():
        file = bench.folder / f"{name}.toml"
        file.write_text(text)
        with record.trial("a tensor beyond 2 GB changed by a rule, and back", f"{case}, {name}"):
            there, back = bench.out(name), bench.out("back")
            most = BLOCKWISE if name == "in two parts" else 5 * size / 1e6
            done = bench.job(
                *("migrate",), source=source, target=there, data="copy", rules=str(file), most_megabytes=most
            )
            bench.note(f"{case}, {name}", done)
            bench.note(f"{case}, {name}, back", bench.job("migrate", source=there, target=back, to="name"))
            digests = [bench.job("inspect", path=path).told["digest"] for path in (source, back)]
            expect(digests[1], digests[0], "digest")
        file.unlink(missing_ok=True)
        for prefix in (bench.out(name), bench.out("back")):
            shutil.rmtree(Path(prefix).parent, ignore_errors=True)


def strings(bench: Bench, size: int) -> None:
    """A string tensor, whose elements hold more than 2 GB together."""
    each = 1 << 16
    case = f"{size / 1e9:.1f} GB of strings"
    source = bench.make("strings", "source", count=size // each, each=each, seed=bench.record.budget.seed)
    with bench.record.trial("strings beyond 2 GB migrated, all data compared", case):
        done = bench.job(
            *("migrate",), source=source, target=bench.out("copy"), verify_data=True, most_megabytes=BLOCKWISE
        )
        expect_verified(done.told, EQUAL=1, COMPUTED=1)
        bench.note(f"{case}, copy and all data compared", done)


def graph(bench: Bench, size: int) -> None:
    """A .meta of hundreds of megabytes beside a small checkpoint."""
    case = f"a .meta of {size / 1e6:.0f} MB"
    source = bench.make("with_graph", "source", size=size)
    with bench.record.trial("a large .meta read", case):
        done = bench.job("migrate", source=source, target=bench.out("there"))
        expect(done.told["complete"], True, "complete")
        expect(bench.job("graph_beside", path=source).told["variables"], 0, "variables")
        bench.note(case, done)
