"""What `execute` writes, where, and what it leaves behind when something goes wrong."""

from __future__ import annotations

import errno
import os
import pathlib
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import Receipt, execute
from migration.errors import FormatError, InputError, PlanError, TargetError, UnmappedError
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.plan import Confidence, Left, Plan, Source, SourceSignature, Step
from migration.planning.transforms import (
    Concat,
    Constant,
    PermuteBlocks,
    Reshape,
    Split,
    Transpose,
    Unstack,
)
from migration.stored_file import StoredFile
from migration.tensors import DType, TensorSpec
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]
ARRAYS: dict[str, Array] = {
    "a/kernel": np.arange(24, dtype=np.float32).reshape(6, 4),
    "a/bias": np.arange(4, dtype=np.float64),
    "b/parts": np.arange(30, dtype=np.int64).reshape(10, 3),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(7, np.int32),
    "words": np.array([b"", b"one", b"\xff\x00"], object),
}
SOURCES = ("one", "two")


@pytest.fixture
def source(tmp_path: pathlib.Path) -> Checkpoint:
    """Two shards, one tensor in three parts that lie in both of them."""
    return Checkpoint.open(write_bundle(tmp_path / "source", ARRAYS, parts={"b/parts": 3}, num_shards=2))


def plan_of(source: Checkpoint, *steps: Step, **more: Any) -> Plan:
    signature = SourceSignature(specs=dict(source.specs), partitions=dict(source.partitions))
    return Plan(to="rename", source=signature, steps=steps, **more)


def renamed(source: Checkpoint) -> Plan:
    steps = [
        Step(target=f"new/{key}", spec=spec, sources=(Source(key=key),)) for key, spec in source.specs.items()
    ]
    return plan_of(source, *steps)


def run(plan: Plan, source: Checkpoint, to: pathlib.Path, **more: Any) -> Receipt:
    return execute(plan, source, to, manifest=False, **more)


def same(found: Array, wanted: Array) -> bool:
    return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tolist() == wanted.tolist()


@pytest.mark.parametrize("data", ["copy", "link"])
def test_every_tensor_arrives_with_its_parts(source: Checkpoint, tmp_path: pathlib.Path, data: Any) -> None:
    run(renamed(source), source, tmp_path / "out", data=data)
    result = Checkpoint.open(tmp_path / "out")
    assert result.keys == tuple(sorted(f"new/{key}" for key in ARRAYS))
    assert all(same(result.read(f"new/{key}"), array) for key, array in ARRAYS.items())
    assert result.partitions["new/b/parts"] == source.partitions["b/parts"]


def test_a_copy_holds_what_the_plan_uses_and_nothing_else(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    spec = source.spec("a/bias")
    receipt = run(
        plan_of(source, Step(target="x", spec=spec, sources=(Source(key="a/bias"),))),
        source,
        tmp_path / "out",
    )
    assert (tmp_path / "out.data-00000-of-00001").stat().st_size == receipt.copied == 32
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.data-00000-of-00001", "out.index"]


def test_a_link_shares_the_source_s_files(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    receipt = run(renamed(source), source, tmp_path / "out", data="link")
    assert receipt.copied == 0
    assert receipt.linked == sum(each.size for key in source.keys for each in source.ranges(key))
    for shard in range(2):
        assert os.path.samefile(source.shard_path(shard), Checkpoint.open(tmp_path / "out").shard_path(shard))


def test_two_keys_may_have_the_same_bytes(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    spec = source.spec("a/kernel")
    steps = [Step(target=name, spec=spec, sources=(Source(key="a/kernel"),)) for name in ("x", "y")]
    receipt = run(plan_of(source, *steps), source, tmp_path / "out")
    result = Checkpoint.open(tmp_path / "out")
    assert receipt.copied == spec.nbytes
    assert result.ranges("x") == result.ranges("y")


@pytest.mark.parametrize("data", ["copy", "link"])
def test_the_old_names_may_stay(source: Checkpoint, tmp_path: pathlib.Path, data: Any) -> None:
    run(renamed(source), source, tmp_path / "out", data=data, keep_names=True)
    result = Checkpoint.open(tmp_path / "out")
    for key, array in ARRAYS.items():
        assert same(result.read(key), array)
        assert [each.offset for each in result.ranges(key)] == [
            each.offset for each in result.ranges(f"new/{key}")
        ]


F32 = DType.FLOAT32
CHAINS: dict[str, tuple[Step, Array]] = {
    "reshape": (
        Step(
            target="x",
            spec=TensorSpec(F32, (4, 6)),
            sources=(Source(key="a/kernel"),),
            transforms=(Reshape((4, 6)),),
        ),
        ARRAYS["a/kernel"].reshape(4, 6),
    ),
    "leading rows": (
        Step(
            target="x",
            spec=TensorSpec(F32, (2, 4)),
            sources=(Source(key="a/kernel"),),
            transforms=(Split(0, (2, 4), 0),),
        ),
        ARRAYS["a/kernel"][:2],
    ),
    "columns": (
        Step(
            target="x",
            spec=TensorSpec(F32, (6, 1)),
            sources=(Source(key="a/kernel"),),
            transforms=(Split(1, (3, 1), 1),),
        ),
        ARRAYS["a/kernel"][:, 3:],
    ),
    "transpose": (
        Step(
            target="x",
            spec=TensorSpec(F32, (4, 6)),
            sources=(Source(key="a/kernel"),),
            transforms=(Transpose((1, 0)),),
        ),
        ARRAYS["a/kernel"].T,
    ),
    "gates": (
        Step(
            target="x",
            spec=TensorSpec(F32, (6, 4)),
            sources=(Source(key="a/kernel"),),
            transforms=(PermuteBlocks(1, (0, 2, 1, 3)),),
        ),
        ARRAYS["a/kernel"][:, [0, 2, 1, 3]],
    ),
    "joined": (
        Step(
            target="x",
            spec=TensorSpec(F32, (12, 4)),
            sources=(
                Source(key="a/kernel"),
                Source(key="a/kernel", transforms=(PermuteBlocks(1, (3, 2, 1, 0)),)),
            ),
            transforms=(Concat(0, (6, 6)),),
        ),
        np.concatenate([ARRAYS["a/kernel"], ARRAYS["a/kernel"][:, ::-1]]),
    ),
    "constant": (
        Step(target="x", spec=TensorSpec(DType.INT64, (2,)), transforms=(Constant(5),)),
        np.array([5, 5], np.int64),
    ),
    "of parts": (
        Step(
            target="x",
            spec=TensorSpec(DType.INT64, (4, 3)),
            sources=(Source(key="b/parts"),),
            transforms=(Split(0, (4, 6), 0),),
        ),
        ARRAYS["b/parts"][:4],
    ),
    "in parts": (
        Step(
            target="x",
            spec=TensorSpec(F32, (6, 4)),
            sources=(Source(key="a/kernel"),),
            partitions=(TensorSlice((0, 0), (6, 1)), TensorSlice((0, 1), (6, 3))),
        ),
        ARRAYS["a/kernel"],
    ),
    "whole again": (
        Step(
            target="x", spec=TensorSpec(DType.INT64, (10, 3)), sources=(Source(key="b/parts"),), partitions=()
        ),
        ARRAYS["b/parts"],
    ),
}


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize(("step", "wanted"), CHAINS.values(), ids=CHAINS)
def test_what_is_computed(
    source: Checkpoint, tmp_path: pathlib.Path, step: Step, wanted: Array, data: Any
) -> None:
    run(plan_of(source, step), source, tmp_path / "out", data=data)
    result = Checkpoint.open(tmp_path / "out")
    assert same(result.read("x"), wanted)
    assert result.partitions.get("x", ()) == (step.partitions or ())


@pytest.mark.parametrize("name", ["reshape", "leading rows"])
def test_rows_and_reshapes_stay_in_linked_shards(
    source: Checkpoint, tmp_path: pathlib.Path, name: str
) -> None:
    receipt = run(plan_of(source, CHAINS[name][0]), source, tmp_path / "out", data="link")
    assert (receipt.copied, receipt.computed, receipt.shards) == (0, 0, 1)


def test_many_parts_of_a_tensor_read_it_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacked = np.arange(200 * 50, dtype=np.float32).reshape(200, 50)
    source = Checkpoint.open(write_bundle(tmp_path / "stacked", {"w": stacked}))
    steps = [
        Step(
            target=f"layer_{index}",
            spec=TensorSpec(F32, (50,)),
            sources=(Source(key="w"),),
            transforms=(Unstack(0, index, 200),),
        )
        for index in range(200)
    ]
    sizes: list[int] = []
    read = StoredFile.read

    def counted(self: StoredFile, offset: int, size: int) -> bytes:
        sizes.append(size)
        return read(self, offset, size)

    monkeypatch.setattr(StoredFile, "read", counted)
    run(plan_of(source, *steps), source, tmp_path / "out")
    assert sum(sizes) < 3 * stacked.nbytes
    result = Checkpoint.open(tmp_path / "out")
    assert all(same(result.read(f"layer_{index}"), stacked[index]) for index in range(200))


def test_steps_that_do_not_fit_are_told_before_anything_is_written(
    source: Checkpoint, tmp_path: pathlib.Path
) -> None:
    template = Checkpoint.open(write_bundle(tmp_path / "template", {"t": np.arange(3, dtype=np.uint32)}))
    steps = (
        Step(target="x", spec=TensorSpec(F32, (3,)), sources=(Source(key="t", template=True),)),
        Step(target="y", spec=TensorSpec(F32, (9,)), sources=(Source(key="a/kernel"),)),
    )
    with pytest.raises(PlanError) as caught:
        run(plan_of(source, *steps), source, tmp_path / "out", template=template)
    assert [problem.where for problem in caught.value.problems] == ["x", "y"]
    assert not list(tmp_path.glob("out*"))


def test_a_tensor_of_the_template(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    template = Checkpoint.open(write_bundle(tmp_path / "template", {"t": np.arange(3, dtype=np.uint32)}))
    step = Step(target="x", spec=template.spec("t"), sources=(Source(key="t", template=True),))
    with pytest.raises(InputError, match="--template"):
        run(plan_of(source, step), source, tmp_path / "out")
    run(plan_of(source, step), source, tmp_path / "out", template=template)
    assert Checkpoint.open(tmp_path / "out").read("x").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "more",
    [
        {"unused": (Left(key="a", spec=TensorSpec(F32, ())),)},
        {"unfilled": (Left(key="a", spec=TensorSpec(F32, ())),)},
    ],
    ids=["unused", "unfilled"],
)
def test_left_overs_are_told_and_nothing_is_written(
    source: Checkpoint, tmp_path: pathlib.Path, more: dict[str, tuple[Left, ...]]
) -> None:
    with pytest.raises(UnmappedError) as caught:
        run(plan_of(source, **more), source, tmp_path / "out")
    assert [problem.where for problem in caught.value.problems] == ["a"]
    assert not list(tmp_path.glob("out*"))


def test_an_undecided_step_is_never_applied(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    spec = source.spec("a/bias")
    step = Step(
        target="x",
        spec=spec,
        sources=(Source(key="a/bias"),),
        confidence=Confidence.UNDECIDED,
        candidates=("a/bias", "b/bias"),
    )
    with pytest.raises(UnmappedError, match="a/bias, b/bias"):
        run(plan_of(source, step), source, tmp_path / "out")


def test_a_plan_for_other_tensors_is_refused(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    other = Checkpoint.open(write_bundle(tmp_path / "other", {**ARRAYS, "scalar": np.array(7, np.int64)}))
    with pytest.raises(PlanError, match="scalar"):
        run(renamed(source), other, tmp_path / "out")


def test_an_existing_target_is_refused_unless_asked(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    run(renamed(source), source, tmp_path / "out", data="link")
    with pytest.raises(TargetError, match="already there"):
        run(renamed(source), source, tmp_path / "out")
    run(renamed(source), source, tmp_path / "out", overwrite=True)
    assert [path.name for path in tmp_path.glob("out.data*")] == ["out.data-00000-of-00001"]
    assert same(Checkpoint.open(tmp_path / "out").read("new/a/bias"), ARRAYS["a/bias"])


def test_shards_without_an_index_are_somebody_s(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    (tmp_path / "out.data-00000-of-00001").write_bytes(b"weeks of compute")
    with pytest.raises(TargetError, match="shards without an index"):
        run(renamed(source), source, tmp_path / "out")
    assert (tmp_path / "out.data-00000-of-00001").read_bytes() == b"weeks of compute"


@pytest.mark.parametrize("way", ["prefix", "symbolic link", "through a directory"])
def test_the_source_is_never_the_target(source: Checkpoint, tmp_path: pathlib.Path, way: str) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.glob("source*")}
    target = tmp_path / "source"
    if way == "symbolic link":
        target = tmp_path / "alias"
        os.symlink(tmp_path / "source.index", f"{target}.index")
    elif way == "through a directory":
        os.symlink(tmp_path, tmp_path / "again")
        target = tmp_path / "again" / "source"
    with pytest.raises(TargetError, match="the target is the source"):
        run(renamed(source), source, target, overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("source*")} == before


def test_a_directory_is_no_target(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    with pytest.raises(TargetError, match="needs a prefix"):
        run(renamed(source), source, tmp_path)


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize("call", ["open", "pwrite", "fsync", "replace", "mkdir"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_full_disk_leaves_nothing_readable(
    source: Checkpoint,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    data: Any,
    call: str,
    nth: int,
) -> None:
    real, calls = getattr(os, call), []

    def failing(*arguments: Any, **more: Any) -> Any:
        if call != "open" or arguments[1] & os.O_CREAT:
            calls.append(arguments)
            if len(calls) == nth:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **more)

    told = []
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        try:
            run(renamed(source), source, tmp_path / "out", data=data)
        except TargetError as error:
            told.append(str(error))
    assert all("free some space" in text for text in told)
    assert bool(told) != (tmp_path / "out.index").exists()
    run(renamed(source), source, tmp_path / "out", data=data, overwrite=True)
    assert same(Checkpoint.open(tmp_path / "out").read("new/b/parts"), ARRAYS["b/parts"])
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("key", ["a/kernel", "b/parts", "words"])
def test_a_flipped_bit_is_found_on_the_way(source: Checkpoint, tmp_path: pathlib.Path, key: str) -> None:
    place = source.ranges(key)[0]
    with open(place.path, "r+b") as file:
        file.seek(place.offset + place.size - 1)
        last = file.read(1)[0]
        file.seek(place.offset + place.size - 1)
        file.write(bytes([last ^ 1]))
    with pytest.raises(FormatError, match=key):
        run(renamed(source), source, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_a_large_tensor_is_streamed_and_checked(tmp_path: pathlib.Path) -> None:
    large = {"large": np.arange(3 << 20, dtype=np.float32)}
    source = Checkpoint.open(write_bundle(tmp_path / "s", large))
    told: list[tuple[int, int]] = []
    run(renamed(source), source, tmp_path / "out", progress=lambda done, of: told.append((done, of)))
    assert same(Checkpoint.open(tmp_path / "out").read("new/large"), large["large"])
    assert told[-1] == (12 << 20, 12 << 20)
    with open(tmp_path / "s.data-00000-of-00001", "r+b") as file:
        file.seek(9 << 20)
        file.write(b"!")
    with pytest.raises(FormatError, match="was replaced while"):
        run(renamed(source), source, tmp_path / "again")
    source = Checkpoint.open(tmp_path / "s")
    with pytest.raises(FormatError, match="checksum"):
        run(renamed(source), source, tmp_path / "again")


def test_the_source_is_only_read(source: Checkpoint, tmp_path: pathlib.Path) -> None:
    files = sorted(tmp_path.glob("source*"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    for number, data in enumerate(("copy", "link")):
        run(renamed(source), source, tmp_path / f"out{number}", data=data)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before
