"""Two checkpoints compared: what changed, and by how much."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from migration.checkpoint import Checkpoint
from migration.contents.distance import distance_of_arrays
from migration.convert import execute
from migration.diff import Change, Compared, compare
from migration.planning.planner import make_plan
from tests.bundles import write_bundle
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]
BASE: dict[str, Array] = {
    "a/w": np.arange(12, dtype=np.float32).reshape(4, 3),
    "b": np.array([1, 2, 3], np.int64),
    "s": np.array([b"x", b"y"], object),
}


def row(tmp_path: Path, here: dict[str, Array], there: dict[str, Array], **more: Any) -> Compared:
    """The one row of two checkpoints that is not equal."""
    difference = compare(write_bundle(tmp_path / "a", here), write_bundle(tmp_path / "b", there, **more))
    (found,) = [each for each in difference.rows if each.change is not Change.EQUAL]
    return found


def test_equal_ones(tmp_path: Path) -> None:
    difference = compare(write_bundle(tmp_path / "a", BASE), write_bundle(tmp_path / "b", BASE, num_shards=3))
    assert difference.is_equal
    assert [each.here for each in difference.rows] == ["a/w", "b", "s"]


def test_partitioned_against_whole(tmp_path: Path) -> None:
    one, other = write_bundle(tmp_path / "a", BASE), write_bundle(tmp_path / "b", BASE, parts={"a/w": 3})
    assert compare(one, other).is_equal
    assert compare(other, one).is_equal


def test_values_that_changed(tmp_path: Path) -> None:
    changed = BASE["a/w"].copy()
    changed[1, 2] += 0.5
    found = row(tmp_path, BASE, {**BASE, "a/w": changed}, parts={"a/w": 2})
    assert (found.change, found.here, found.there) == (Change.VALUES, "a/w", "a/w")
    assert found.distance is not None
    assert (found.distance.differing, found.distance.max_abs) == (1, 0.5)
    assert found.distance.relative_norm == pytest.approx(0.5 / np.linalg.norm(BASE["a/w"]))


@pytest.mark.parametrize(
    ("before", "after", "differing", "max_abs"),
    [
        (np.array([1, -(2**63)], np.int64), np.array([1, 2**63 - 1], np.int64), 1, 2**64 - 1),
        (np.array([0], np.uint64), np.array([2**64 - 1], np.uint64), 1, 2**64 - 1),
        (np.array([-128], np.int8), np.array([127], np.int8), 1, 255),
        (np.array([True, False]), np.array([False, False]), 1, 1),
        (np.array([1 + 1j], np.complex64), np.array([1 + 4j], np.complex64), 1, 3.0),
        (np.array([1], ml_dtypes.bfloat16), np.array([1.5], ml_dtypes.bfloat16), 1, 0.5),
        (np.array([-8], ml_dtypes.int4), np.array([7], ml_dtypes.int4), 1, 15),
        (np.array([np.inf, np.nan, 1.0]), np.array([np.inf, np.nan, 2.0]), 1, 1.0),
        (np.array([np.inf]), np.array([1.0]), 1, math.inf),
        (np.array([0.0]), np.array([-0.0]), 1, 0),
    ],
)
def test_how_far(before: Array, after: Array, differing: int, max_abs: float) -> None:
    found = distance_of_arrays(before, after)
    assert found is not None
    assert (found.differing, found.max_abs) == (differing, max_abs)


def test_a_nan_on_one_side_alone() -> None:
    found = distance_of_arrays(np.array([1.0, 2.0]), np.array([np.nan, 2.0]))
    assert found is not None
    assert math.isnan(found.max_abs or 0)


@given(arrays_of.arrays(np.float64, 7, elements=st.floats(-1e6, 1e6)), st.integers(0, 6), st.floats(0.5, 10))
def test_distances_are_numpy_s(before: Array, at: int, by: float) -> None:
    after = before.copy()
    after[at] += by
    found = distance_of_arrays(before, after)
    assert found is not None
    assert found.max_abs == np.abs(after - before).max()
    norm = np.linalg.norm(before)
    expected = np.linalg.norm(after - before) / norm if norm else math.inf
    assert found.relative_norm == pytest.approx(expected, rel=1e-9)


def test_strings_count_what_differs(tmp_path: Path) -> None:
    found = row(tmp_path, BASE, {**BASE, "s": np.array([b"x", b"longer"], object)})
    assert found.distance is not None
    assert (found.distance.differing, found.distance.max_abs) == (1, None)


@pytest.mark.parametrize("other", [np.zeros((4, 4), np.float32), np.zeros((4, 3), np.float64)])
def test_shape_or_dtype_changed(tmp_path: Path, other: Array) -> None:
    found = row(tmp_path, BASE, {**BASE, "a/w": other})
    assert found.change is Change.SPEC
    assert found.distance is None


def test_one_side_only(tmp_path: Path) -> None:
    fewer = {key: array for key, array in BASE.items() if key != "b"}
    assert row(tmp_path, BASE, fewer).change is Change.ONLY_HERE
    assert row(tmp_path, fewer, BASE).change is Change.ONLY_THERE


def test_renamed_is_told_by_the_bytes(tmp_path: Path) -> None:
    renamed = {("new/name" if key == "a/w" else key): array for key, array in BASE.items()}
    found = row(tmp_path, BASE, renamed, parts={"new/name": 2})
    assert (found.change, found.here, found.there) == (Change.RENAMED, "a/w", "new/name")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """A name-based checkpoint, and its object-based mirror."""
    source = Checkpoint.open(write_bundle(tmp_path / "old", BASE, parts={"a/w": 2}))
    execute(make_plan(source), source, tmp_path / "new")
    return source.prefix, str(tmp_path / "new")


def test_name_based_against_object_based(pair: tuple[str, str]) -> None:
    assert compare(*pair).is_equal
    assert compare(*reversed(pair)).is_equal


def test_by_a_plan(pair: tuple[str, str], tmp_path: Path) -> None:
    plan = make_plan(pair[0])
    assert compare(*pair, plan).is_equal
    trained = write_bundle(tmp_path / "trained", {**BASE, "b": BASE["b"] * 2})
    difference = compare(trained, pair[1], plan)
    assert [each.here for each in difference.rows if each.change is Change.VALUES] == ["b"]


def test_v1_against_v2(corpus: Path, tmp_path: Path) -> None:
    source = Checkpoint.open(corpus / "shekkizh__TensorflowProjects__mnist4" / "model.ckpt-20000")
    execute(make_plan(source), source, tmp_path / "new")
    assert source.format == "V1"
    assert compare(source, tmp_path / "new").is_equal


def test_the_tool(tool: Tools, tmp_path: Path) -> None:
    one, two = write_bundle(tmp_path / "a", BASE), write_bundle(tmp_path / "b", {**BASE, "b": BASE["b"] + 1})
    assert tool("ckpt-diff", one, one).status == 0
    ran = tool("ckpt-diff", one, two)
    assert ran.status == 2
    assert "values changed" in ran.out
    assert "2 equal, 1 values changed (paired by names)" in ran.err
    found = tool("ckpt-diff", one, two, "--format=json").json
    assert found["counts"]["values changed"] == 1
    assert found["tensors"] == [
        {
            "change": "values changed",
            "here": {"key": "b", "dtype": "int64", "shape": [3]},
            "there": {"key": "b", "dtype": "int64", "shape": [3]},
            "differing": 3,
            "max_abs": 1,
            "relative_2_norm": pytest.approx(math.sqrt(3) / math.sqrt(14)),
        }
    ]
    assert len(tool("ckpt-diff", one, two, "--format=json", "--all").json["tensors"]) == 3


def test_damage_is_an_error_and_no_difference(tool: Tools, tmp_path: Path) -> None:
    one, two = write_bundle(tmp_path / "a", BASE), write_bundle(tmp_path / "b", BASE)
    shard = Path(f"{two}.data-00000-of-00001")
    shard.write_bytes(b"\x01" + shard.read_bytes()[1:])
    ran = tool("ckpt-diff", one, two)
    assert ran.status == 1
    assert "checksum" in ran.err
    assert json.dumps(ran.out) == '""'
