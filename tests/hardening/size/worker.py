"""The campaign's jobs, each in a process of its own: `python -m tests.hardening.size.worker JOB JSON`."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint
from migration.planning.planner import make_plan
from migration.verify import VerificationReport, verify
from tests.hardening.size import sources
from tests.hardening.size.measured import peak

HASHED_AT_ONCE = 1 << 24


def make(kind: str, folder: str, **arguments: Any) -> dict[str, Any]:
    """A source to try with; `kind` is a function of `sources`."""
    return {"prefix": str(getattr(sources, kind)(Path(folder), **arguments))}


def migrate(
    source: str,
    target: str,
    data: Any = "copy",
    to: Any = "object",
    template: str | None = None,
    rules: str | None = None,
    verify_data: bool = False,
) -> dict[str, Any]:
    """Plan, write and verify, as ckpt-migrate does."""
    from migration.planning.rules import Rules

    opened = Checkpoint.open(source)
    onto = None if template is None else Checkpoint.open(template)
    plan = make_plan(opened, onto, to=to, rules=None if rules is None else Rules.read(rules))
    writing = Writing(data=data, verify_data=verify_data)
    receipt, report = write_and_verify(plan, opened, target, writing, template=onto)
    return {
        "tensors": receipt.tensors,
        "copied": receipt.copied,
        "linked": receipt.linked,
        **_told(report),
    }


def compare(source: str, migrated: str, data: bool = False) -> dict[str, Any]:
    """`verify`, as ckpt-verify does."""
    return _told(verify(source, migrated, None, data))


def _told(report: VerificationReport) -> dict[str, Any]:
    verdicts = Counter(row.verdict.name for row in report.rows)
    return {"complete": report.is_complete, "verdicts": verdicts, "basis": report.basis}


def inspect(path: str) -> dict[str, Any]:
    """What is in it: tensors, bytes, slices, its digest."""
    opened = Checkpoint.open(path)
    opened.check_shards()
    nbytes = sum(spec.nbytes or 0 for spec in opened.specs.values())
    slices = sum(len(parts) for parts in opened.partitions.values())
    return {"tensors": len(opened.specs), "bytes": nbytes, "slices": slices, "digest": opened.digest}


def read(path: str, key: str) -> dict[str, Any]:
    """A tensor through the product: its bytes' digest."""
    return {"sha256": _sha256(Checkpoint.open(path).read(key))}


def stream(path: str, key: str) -> dict[str, Any]:
    """A tensor through the product, block by block, each checksum checked."""
    from migration.contents.streams import blocks, open_stream

    digest = hashlib.sha256()
    for block in blocks(open_stream(Checkpoint.open(path), key)):
        digest.update(block)
    return {"sha256": digest.hexdigest()}


def diff(one: str, other: str) -> dict[str, Any]:
    """`diff`, as ckpt-diff does."""
    from migration.diff import compare as compared

    found = compared(one, other)
    return {"equal": found.is_equal}


def graph_beside(path: str) -> dict[str, Any]:
    """What the .meta beside a checkpoint tells."""
    meta = Checkpoint.open(path).meta
    return {"variables": -1 if meta is None else len(meta.variables)}


def by_tensorflow(path: str, key: str) -> dict[str, Any]:
    """A tensor as TensorFlow's own reader gives it."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(path)
    return {"sha256": _sha256(reader.get_tensor(key)), "keys": len(reader.get_variable_to_dtype_map())}


def restored(path: str, rows: int) -> dict[str, Any]:
    """The variable `table` as tf.train.Checkpoint restores it."""
    import tensorflow as tf

    variable = tf.Variable(tf.zeros([rows, sources.COLUMNS]))
    tf.train.Checkpoint(table=variable).restore(path).assert_consumed()
    return {"sha256": _sha256(variable.numpy())}


def listed(path: str) -> dict[str, Any]:
    """tf.train.list_variables: what the product's numbers are set beside."""
    import tensorflow as tf

    return {"tensors": len(tf.train.list_variables(path))}


def _sha256(array: Any) -> str:
    """Of the elements; of strings, each after its length."""
    digest = hashlib.sha256()
    if array.dtype == object:
        for element in array.ravel():
            digest.update(len(element).to_bytes(8, "little"))
            digest.update(element)
    else:
        raw = memoryview(array).cast("B") if array.size else memoryview(b"")
        for start in range(0, len(raw), HASHED_AT_ONCE):
            digest.update(raw[start : start + HASHED_AT_ONCE])
    return digest.hexdigest()


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    job.__name__: job
    for job in (
        *(make, migrate, compare, inspect, read, stream, diff, graph_beside),
        *(by_tensorflow, restored, listed),
    )
}


def main(job: str, arguments: str) -> None:
    """Run one job; what it told and its peak memory are the last line of standard output."""
    gc.set_threshold(500_000, 10, 10)  # as the tools do
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    told = JOBS[job](**json.loads(arguments))
    print(json.dumps({"told": told, "peak": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
