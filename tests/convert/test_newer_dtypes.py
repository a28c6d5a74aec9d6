"""A type that the installed ml_dtypes lacks is listed, carried and verified; only its arrays need it."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from migration import Checkpoint, Style, execute, make_plan
from migration.contents.values import summarize
from migration.diff import compare
from migration.errors import FormatError
from migration.formats.tensor_bundle import BundleEntry, BundleHeader, BundleIndex, TensorSlice, encode_tensor
from migration.tensors import DType, TensorSpec
from migration.verify import verify

pytestmark = pytest.mark.quick

NEWEST = (DType.INT2, DType.UINT2, DType.FLOAT4_E2M1FN)
ROWS = np.array([[0, 1], [1, 0], [1, 1]], np.int8)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A tensor of each of the newest types, where ml_dtypes has none of them."""
    for dtype in NEWEST:
        monkeypatch.delattr(ml_dtypes, str(dtype), raising=False)
    return written(tmp_path / "source", {f"net/{dtype}": (dtype, [ROWS]) for dtype in NEWEST})


def written(prefix: Path, tensors: dict[str, tuple[DType, list[np.ndarray]]]) -> Checkpoint:
    """A bundle of tensors of one byte an element, in slices of rows where there are several."""
    shard = bytearray()
    entries, slices = {}, {}

    def stored(array: np.ndarray, dtype: DType) -> BundleEntry:
        payload, crc = encode_tensor(array, DType.INT8)
        shard.extend(payload)
        spec = TensorSpec(dtype, array.shape)
        return BundleEntry(spec, 0, len(shard) - len(payload), len(payload), crc)

    for key, (dtype, parts) in tensors.items():
        if len(parts) == 1:
            entries[key] = stored(parts[0], dtype)
            continue
        starts = np.cumsum([0, *map(len, parts)]).tolist()
        extents = [
            TensorSlice((start, 0), part.shape) for start, part in zip(starts[:-1], parts, strict=True)
        ]
        slices |= {(key, extent): stored(part, dtype) for extent, part in zip(extents, parts, strict=True)}
        entries[key] = BundleEntry(TensorSpec(dtype, (starts[-1], 2)), 0, 0, 0, 0, tuple(extents))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(shard)
    Path(f"{prefix}.index").write_bytes(BundleIndex(BundleHeader(1), entries, slices).to_bytes())
    return Checkpoint.open(prefix)


def test_they_are_listed(source: Checkpoint) -> None:
    assert {str(spec) for spec in source.specs.values()} == {f"{dtype}[3, 2]" for dtype in NEWEST}


@pytest.mark.parametrize("data", ["copy", "link"])
def test_they_go_to_objects_and_back(source: Checkpoint, data: str, tmp_path: Path) -> None:
    execute(make_plan(source), source, tmp_path / "there", data=data)
    there = Checkpoint.open(tmp_path / "there")
    assert there.style is Style.OBJECT
    assert verify(source, there).is_complete
    execute(make_plan(there, to="name"), there, tmp_path / "back", data=data, manifest=False)
    back = Checkpoint.open(tmp_path / "back")
    assert back.specs == source.specs
    for key in source.specs:
        assert [raw for _, raw in back.read_bytes(key)] == [raw for _, raw in source.read_bytes(key)]
    assert compare(source, back).is_equal


NEED = rf"ml_dtypes 0.5.0 or newer, and {ml_dtypes.__version__} is installed"


@pytest.mark.parametrize("dtype", NEWEST, ids=str)
def test_arrays_of_them_say_what_is_needed(source: Checkpoint, dtype: DType) -> None:
    for read in (source.read, lambda key: summarize(source, key)):
        with pytest.raises(FormatError, match=f"{dtype} arrays need {NEED}"):
            read(f"net/{dtype}")


def test_so_does_one_that_has_to_be_put_together(source: Checkpoint, tmp_path: Path) -> None:
    """TensorFlow puts no slices of these types together, so an object-based result has them whole."""
    parted = written(tmp_path / "parted", {"net/w": (DType.INT2, [ROWS[:1], ROWS[1:]])})
    with pytest.raises(FormatError, match=NEED):
        execute(make_plan(parted), parted, tmp_path / "there")
    assert not list(tmp_path.glob("there*"))
