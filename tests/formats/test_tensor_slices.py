"""Slices: their keys, their bounds, and whether they make up a whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError
from migration.formats.proto import bundle_pb2
from migration.formats.tensor_slices import TensorSlice, check_cover, parse_slice_key, slice_key

pytestmark = pytest.mark.quick

EXTENT = st.one_of(
    st.just((0, None)), st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)), st.just((0, 0))
)
SLICES = st.lists(EXTENT, max_size=5).map(
    lambda extents: TensorSlice(tuple(e[0] for e in extents), tuple(e[1] for e in extents))
)


def test_the_key_is_tensorflows() -> None:
    key = slice_key(b"emb/table", TensorSlice((0, 0), (4, 2)))
    assert key == b"\0emb/table\0\x01" + bytes.fromhex("0102 8084 8082")
    assert slice_key(b"w", TensorSlice.whole(1)) == b"\0w\0\x01" + bytes.fromhex("0101 807f")


@given(st.binary(), SLICES)
def test_the_key_comes_back(name: bytes, extent: TensorSlice) -> None:
    assert parse_slice_key(slice_key(name, extent)) == (name, extent)


@given(st.binary(max_size=30))
def test_any_other_key_is_told_or_has_one_spelling(rest: bytes) -> None:
    raw = b"\0" + rest
    try:
        name, extent = parse_slice_key(raw)
    except FormatError:
        return
    assert slice_key(name, extent) == raw


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("77", "not the key of a slice"),
        ("00 77 0001 00 00", "bytes after"),
        ("00 77 0001 0102 8081", "ends where a signed number"),
        ("00 77 0001 08ffffffffffffffff 8081", "ends where"),
        ("00 77 0001 0101 7f81", "from -1"),
        ("00 77 0001 0101 817f", "from 1 of length None"),
        ("00 77 0001 0101 807e", "of length -2"),
    ],
)
def test_a_broken_key_is_told(raw: str, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        parse_slice_key(bytes.fromhex(raw))


@given(SLICES)
def test_the_message_comes_back(extent: TensorSlice) -> None:
    message = bundle_pb2.Slice()
    extent.fill(message)
    assert TensorSlice.from_message(bundle_pb2.Slice.FromString(message.SerializeToString())) == extent


def test_resolving_fills_in_the_whole_dimensions() -> None:
    extent = TensorSlice((2, 0), (3, None))
    assert extent.resolved((5, 7)) == TensorSlice((2, 0), (3, 7))
    assert extent.shape((5, 7)) == (3, 7)
    assert (
        np.arange(35).reshape(5, 7)[extent.index((5, 7))].tolist() == np.arange(14, 35).reshape(3, 7).tolist()
    )
    assert str(extent) == "2,3:-"


@pytest.mark.parametrize("shape", [(4, 7), (5,), (5, 7, 1), ()])
def test_a_slice_that_does_not_fit_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="slice 2,3:-"):
        TensorSlice((2, 0), (3, None)).resolved(shape)


def cuts(shape: tuple[int, ...], parts: int) -> list[TensorSlice]:
    """The shape in a grid of at most `parts` parts a dimension."""
    axes = [[int(bound) for bound in np.linspace(0, size, parts + 1)] for size in shape]
    boxes = itertools.product(*(itertools.pairwise(bounds) for bounds in axes))
    return [TensorSlice(tuple(a for a, _ in box), tuple(b - a for a, b in box)) for box in boxes]


@given(st.lists(st.integers(0, 9), max_size=3).map(tuple), st.integers(1, 4), st.randoms())
def test_a_grid_covers(shape: tuple[int, ...], parts: int, random: object) -> None:
    grid = cuts(shape, parts)
    random.shuffle(grid)  # type: ignore[attr-defined]
    check_cover(grid, shape)


BOXES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)),
    min_size=1,
    max_size=5,
)


@given(BOXES)
def test_cover_agrees_with_counting_elements(boxes: list[tuple[int, int, int, int]]) -> None:
    shape = (3, 3)
    counts = np.zeros(shape, int)
    slices = [TensorSlice((a, b), (min(m, 3 - a), min(n, 3 - b))) for a, b, m, n in boxes]
    for extent in slices:
        counts[extent.index(shape)] += 1
    if (counts == 1).all():
        check_cover(slices, shape)
    else:
        with pytest.raises(FormatError, match=r"its slices (hold|overlap)"):
            check_cover(slices, shape)


def test_many_slices_are_checked_in_no_time() -> None:
    rows, columns = 3000, 3000  # half the boxes are rows, half are columns: any sweep is quadratic here
    slices = [TensorSlice((row, 0), (1, 1)) for row in range(rows)]
    slices += [TensorSlice((0, 1 + column), (rows, 1)) for column in range(columns)]
    check_cover(slices, (rows, columns + 1))
    with pytest.raises(FormatError, match="overlap"):
        check_cover([*slices[:-1], slices[-2]], (rows, columns + 1))


@pytest.mark.parametrize(
    ("slices", "told"),
    [
        ([], "hold 0 of the 16"),
        ([TensorSlice((0, 0), (2, None))], "hold 8 of the 16"),
        ([TensorSlice((0, 0), (3, None)), TensorSlice((2, 0), (2, None))], "overlap"),
        ([TensorSlice((0, 0), (2, None)), TensorSlice((1, 0), (2, None))], "overlap"),
        ([TensorSlice((0, 0), (5, None))], "outside shape"),
        ([TensorSlice((0,), (16,))], "rank"),
    ],
)
def test_slices_that_make_no_whole_are_told(slices: list[TensorSlice], told: str) -> None:
    with pytest.raises(FormatError, match=told):
        check_cover(slices, (4, 4))
