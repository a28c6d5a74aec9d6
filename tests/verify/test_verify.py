"""Every tensor before against after, whatever happened to it."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.contents.streams import blocks, open_stream
from migration.convert import execute
from migration.errors import FormatError, PlanError, VerificationError
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.plan import Plan, Source, SourceSignature, Step
from migration.planning.planner import make_plan
from migration.planning.transforms import Constant, Reshape, Slice, Transpose
from migration.tensors import DType, TensorSpec
from migration.verify import Verdict, verify
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]
ARRAYS: dict[str, Array] = {
    "a/w": np.arange(24, dtype=np.float32).reshape(6, 4),
    "a/b": np.arange(4, dtype=np.float64),
    "parts": np.arange(30, dtype=np.int64).reshape(10, 3),
    "s": np.array([b"", b"one"], object),
    "nothing": np.zeros((0, 2), np.float32),
}


@pytest.fixture
def source(tmp_path: Path) -> Checkpoint:
    return Checkpoint.open(write_bundle(tmp_path / "old", ARRAYS, parts={"parts": 3}, num_shards=2))


def plan_of(source: Checkpoint, *steps: Step) -> Plan:
    signature = SourceSignature(specs=dict(source.specs), partitions=dict(source.partitions))
    return Plan(to="rename", source=signature, steps=steps)


def step_of(source: Checkpoint, key: str, *transforms: Any, shape: tuple[int, ...] = (), **more: Any) -> Step:
    spec = TensorSpec(source.spec(key).dtype, shape) if transforms else source.spec(key)
    return Step(target=f"new/{key}", spec=spec, sources=(Source(key=key),), transforms=transforms, **more)


@pytest.mark.parametrize(
    ("data", "how", "verdict"),
    [
        (True, "copy", Verdict.EQUAL),
        (True, "link", Verdict.EQUAL),
        (False, "copy", Verdict.SAME_CHECKSUM),
        (False, "link", Verdict.SAME_BYTES),
    ],
)
def test_every_tensor_has_its_verdict(
    source: Checkpoint, tmp_path: Path, data: bool, how: Any, verdict: Verdict
) -> None:
    plan = plan_of(source, *(step_of(source, key) for key in source.keys))
    execute(plan, source, tmp_path / "new", data=how, keep_names=True)
    report = verify(source, tmp_path / "new", data=data)
    assert Counter(row.verdict for row in report.rows) == {verdict: 2 * len(ARRAYS)}
    assert report.basis == "the manifest"
    assert report.is_complete
    assert report.nbytes == 2 * (96 + 32 + 240 + 2 + 4 + 3)


STEPS = {
    "transposed": ("a/w", (Transpose((1, 0)),), (4, 6)),
    "reshaped": ("a/w", (Reshape((24,)),), (24,)),
    "leading rows": ("a/w", (Slice((1, 0), (2, 4)),), (2, 4)),
    "columns": ("a/w", (Slice((0, 1), (6, 2)),), (6, 2)),
    "of parts": ("parts", (Reshape((5, 6)),), (5, 6)),
}


@pytest.mark.parametrize("case", STEPS)
def test_computed_tensors_are_computed_again(source: Checkpoint, tmp_path: Path, case: str) -> None:
    key, transforms, shape = STEPS[case]
    plan = plan_of(source, step_of(source, key, *transforms, shape=shape))
    execute(plan, source, tmp_path / "new", manifest=False)
    (row,) = verify(source, tmp_path / "new", plan).rows
    assert row.verdict is Verdict.COMPUTED
    (unread,) = verify(source, tmp_path / "new", plan, data=False).rows
    assert unread.verdict is Verdict.UNREAD
    other = {f"new/{key}": Checkpoint.open(tmp_path / "new").read(f"new/{key}") + 1}
    write_bundle(tmp_path / "other", other)
    (changed,) = verify(source, tmp_path / "other", plan).rows
    assert (changed.verdict, changed.detail) == (Verdict.DIFFERS, f"from element 0 of {np.prod(shape)} on")


def test_a_constant(source: Checkpoint, tmp_path: Path) -> None:
    step = Step(target="new/one", spec=TensorSpec(DType.INT32, (2,)), transforms=(Constant(1),))
    plan = plan_of(source, step)
    execute(plan, source, tmp_path / "new")
    assert [row.verdict for row in verify(source, tmp_path / "new").rows] == [Verdict.COMPUTED]


@pytest.mark.parametrize("parts", [(), (TensorSlice((0, 0), (10, 2)), TensorSlice((0, 2), (10, 1)))])
def test_other_partitions(source: Checkpoint, tmp_path: Path, parts: tuple[TensorSlice, ...]) -> None:
    plan = plan_of(source, step_of(source, "parts", partitions=parts))
    execute(plan, source, tmp_path / "new", manifest=False)
    assert Checkpoint.open(tmp_path / "new").partitions.get("new/parts", ()) == parts
    assert [row.verdict for row in verify(source, tmp_path / "new", plan).rows] == [Verdict.EQUAL]


@pytest.mark.parametrize(
    "extents",
    [
        [((0, 0, 0), (4, 3, 5))],
        [((0, 0, 0), (1, 3, 5)), ((1, 0, 0), (3, 3, 5))],
        [((0, 0, 0), (4, 1, 5)), ((0, 1, 0), (4, 2, 5))],
        [((0, 0, 0), (4, 3, 2)), ((0, 0, 2), (4, 3, 3))],
        [((0, 0, 0), (2, 3, 5)), ((2, 0, 0), (2, 2, 5)), ((2, 2, 0), (2, 1, 5))],
    ],
)
@pytest.mark.parametrize("limit", [1, 16, 100, 1 << 20])
def test_a_stream_is_the_whole_in_row_major_order(tmp_path: Path, extents: Any, limit: int) -> None:
    array = np.arange(60, dtype=np.int32).reshape(4, 3, 5)
    source = Checkpoint.open(write_bundle(tmp_path / "whole", {"w": array}))
    parts = tuple(TensorSlice(starts, lengths) for starts, lengths in extents)
    step = Step(target="w", spec=source.spec("w"), sources=(Source(key="w"),), partitions=parts)
    execute(plan_of(source, step), source, tmp_path / "cut", manifest=False)
    stream = open_stream(Checkpoint.open(tmp_path / "cut"), "w")
    assert b"".join(blocks(stream, limit)) == array.tobytes()


def changed(array: Array) -> Array:
    return array.copy() if not array.size else (array + 1 if array.dtype != object else array[::-1].copy())


@pytest.mark.parametrize("key", [key for key, array in ARRAYS.items() if array.size])
def test_one_changed_tensor_is_found(source: Checkpoint, tmp_path: Path, key: str) -> None:
    other = write_bundle(tmp_path / "other", {**ARRAYS, key: changed(ARRAYS[key])})
    report = verify(source, other)
    assert [row.target for row in report.failures] == [key]
    with pytest.raises(VerificationError, match=f"1 of {len(ARRAYS)} tensors"):
        report.check()


def test_missing_and_of_another_shape(source: Checkpoint, tmp_path: Path) -> None:
    plan = plan_of(source, *(step_of(source, key) for key in ("a/w", "a/b")))
    other = write_bundle(tmp_path / "other", {"new/a/w": np.zeros((4, 6), np.float32), "more": ARRAYS["a/b"]})
    report = verify(source, other, plan)
    assert {row.target: row.verdict for row in report.rows} == {
        "new/a/w": Verdict.DIFFERS,
        "new/a/b": Verdict.MISSING,
    }
    assert report.migrated_only == ("more",)
    assert report.source_only == ("nothing", "parts", "s")


def flip(prefix: str, shard: str) -> None:
    with open(f"{prefix}.data-{shard}", "r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))


def test_damage_on_either_side(source: Checkpoint, tmp_path: Path) -> None:
    plan = make_plan(source)
    execute(plan, source, tmp_path / "new")
    flip(str(tmp_path / "new"), "00000-of-00001")
    (row,) = verify(source, tmp_path / "new").failures
    assert row.verdict is Verdict.DAMAGED
    flip(source.prefix, "00000-of-00002")
    with pytest.raises(FormatError, match="checksum"):
        verify(Checkpoint.open(source.prefix), tmp_path / "new")


@pytest.mark.parametrize("key", ["save_counter/.ATTRIBUTES/VARIABLE_VALUE", "_CHECKPOINTABLE_OBJECT_GRAPH"])
def test_damage_in_what_has_no_partner_in_the_source(source: Checkpoint, tmp_path: Path, key: str) -> None:
    """A flipped bit in the save counter was verified: a campaign of flips found it."""
    execute(make_plan(source), source, tmp_path / "new", manifest=False)
    entry = Checkpoint.open(tmp_path / "new").index.entries[key]
    with open(tmp_path / "new.data-00000-of-00001", "r+b") as file:
        file.seek(entry.offset + entry.size - 1)
        last = file.read(1)
        file.seek(entry.offset + entry.size - 1)
        file.write(bytes((last[0] ^ 0x80,)))
    if key.startswith("_"):
        with pytest.raises(FormatError, match="checksum"):
            verify(source, tmp_path / "new")
        return
    (row,) = verify(source, tmp_path / "new").failures
    assert (row.target, row.verdict) == (key, Verdict.DAMAGED)
    assert verify(source, tmp_path / "new", data=False).is_equal


def test_a_plan_for_another_source(source: Checkpoint, tmp_path: Path) -> None:
    other = Checkpoint.open(write_bundle(tmp_path / "other", {"x": ARRAYS["a/w"]}))
    with pytest.raises(PlanError, match="was not made for"):
        verify(other, source, make_plan(source))


def test_the_manifest_of_another_source_is_not_believed(source: Checkpoint, tmp_path: Path) -> None:
    execute(make_plan(source), source, tmp_path / "new")
    twin = write_bundle(
        tmp_path / "twin", {**ARRAYS, "a/b": ARRAYS["a/b"] + 1}, parts={"parts": 3}, num_shards=2
    )
    report = verify(twin, tmp_path / "new")
    assert report.basis == "names"
    assert "was written for another source" in report.notes[0]
    assert [row.sources for row in report.failures] == [("a/b",)]


def test_memory_is_bounded(tmp_path: Path) -> None:
    array = np.zeros((64, 1 << 18), np.float32)  # 64 MB
    prefix = write_bundle(tmp_path / "one", {"w": array}, parts={"w": 5})
    other = write_bundle(tmp_path / "two", {"w": array})
    del array
    one, two = Checkpoint.open(prefix), Checkpoint.open(other)
    tracemalloc.start()
    assert verify(one, two).is_complete
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_a_dropped_tensor_without_elements_finds_its_way_back(tmp_path: Path) -> None:
    """Its manifest kept [], which is of no shape but (0,)."""
    source = Checkpoint.open(write_bundle(tmp_path / "old", {"a": np.ones(2), "n": np.zeros((0, 2))}))
    plan = plan_of(source, step_of(source, "a"))
    execute(plan, source, tmp_path / "new")
    result = Checkpoint.open(tmp_path / "new")
    execute(make_plan(result, to="name"), result, tmp_path / "back")
    assert Checkpoint.open(tmp_path / "back").read("n").shape == (0, 2)
    assert verify(source, tmp_path / "back").is_equal
