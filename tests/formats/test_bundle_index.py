"""A bundle's index: it comes back, and every way in which it can be wrong is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError
from migration.formats.proto import bundle_pb2
from migration.formats.sstable import build_table
from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleHeader,
    BundleIndex,
    TensorSlice,
    parse_shard_name,
    shard_name,
    slice_key,
)
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

FIXED = [dtype for dtype in DType if dtype.itemsize is not None]
HEADER = BundleHeader(2)
UPPER, LOWER = TensorSlice((0, 0), (2, None)), TensorSlice((2, 0), (2, None))


def placed(
    dtype: DType, shape: tuple[int, ...], offset: int = 0, shard: int = 0, crc: int = 7
) -> BundleEntry:
    spec = TensorSpec(dtype, shape)
    return BundleEntry(spec, shard, offset, 100 if spec.nbytes is None else spec.nbytes, crc)


WHOLE = BundleEntry(TensorSpec(DType.FLOAT32, (4, 3)), 0, 0, 0, 0, (UPPER, LOWER))
PART = placed(DType.FLOAT32, (2, 3))
PARTED = BundleIndex(HEADER, {"emb": WHOLE}, {("emb", UPPER): PART, ("emb", LOWER): replace(PART, shard=1)})
SMALL = BundleIndex(
    HEADER,
    {"a/kernel": placed(DType.FLOAT32, (2, 3)), "emb": WHOLE, "step": placed(DType.INT64, (), 24)},
    PARTED.slice_entries,
)

KEYS = st.binary(min_size=1, max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ENTRIES = st.builds(
    placed,
    st.sampled_from(FIXED),
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.integers(0, 2**50),
    st.integers(0, 1),
    st.integers(0, 2**32 - 1),
)


@given(st.dictionaries(KEYS.filter(lambda key: key[0] != "\0"), ENTRIES, max_size=20))
def test_an_index_comes_back(entries: dict[str, BundleEntry]) -> None:
    index = BundleIndex(HEADER, entries, {})
    found = BundleIndex.from_bytes(index.to_bytes(), "m.index")
    assert found == index
    assert [key.encode("utf-8", "surrogateescape") for key in found.entries] == sorted(
        key.encode("utf-8", "surrogateescape") for key in entries
    )


def test_partitioned_tensors_come_back() -> None:
    assert BundleIndex.from_bytes(SMALL.to_bytes(), "m.index") == SMALL


@given(
    st.integers(1, 2**31 - 1), st.integers(0, 9), st.integers(0, 1), st.lists(st.integers(2, 9)).map(tuple)
)
def test_a_header_comes_back(shards: int, producer: int, consumer: int, bad: tuple[int, ...]) -> None:
    header = BundleHeader(shards, producer, consumer, bad)
    assert BundleHeader.from_bytes(header.to_bytes()) == header


def test_the_header_is_tensorflows() -> None:
    assert BundleHeader(1).to_bytes() == bytes.fromhex("0801 1a02 0801")


def header_bytes(**fields: object) -> bytes:
    return bundle_pb2.BundleHeader(**fields).SerializeToString()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (header_bytes(num_shards=1, endianness=1), "big-endian"),
        (header_bytes(num_shards=1, endianness=2), "corrupt"),
        (header_bytes(num_shards=0), "0 shards"),
        (header_bytes(num_shards=-1), "-1 shards"),
        (header_bytes(num_shards=1, version={"min_consumer": 2}), "newer than this tool"),
        (header_bytes(num_shards=1, version={"bad_consumers": [1]}), "newer than this tool"),
        (b"\xff", "not readable"),
    ],
)
def test_a_header_that_cannot_be_used_is_told(raw: bytes, told: str) -> None:
    with pytest.raises(FormatError, match=rf"^m\.index: .*{told}"):
        BundleIndex.from_bytes(build_table([(b"", raw)]), "m.index")


@pytest.mark.parametrize("items", [[], [(b"a", b"")], [(b"\0", b"")]])
def test_a_table_without_a_header_is_told(items: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(FormatError, match="no header"):
        BundleIndex.from_bytes(build_table(items), "m.index")


def entry_bytes(**fields: object) -> bytes:
    fields = {"dtype": 1, "shape": {"dim": [{"size": 2}]}, "size": 8, **fields}
    return bundle_pb2.BundleEntry(**fields).SerializeToString()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (entry_bytes(size=7), r"7 bytes, but float32\[2\] takes 8"),
        (entry_bytes(size=9), "takes 8"),
        (entry_bytes(size=-8), "size -8"),
        (entry_bytes(offset=-1), "offset -1"),
        (entry_bytes(shard_id=-1), "shard -1"),
        (entry_bytes(shard_id=2), "shard 2 of 2"),
        (entry_bytes(dtype=0), "dtype number 0"),
        (entry_bytes(dtype=99), "dtype number 99"),
        (entry_bytes(shape={"unknown_rank": True}), "not fully known"),
        (entry_bytes(shape={"dim": [{"size": -1}]}), "not fully known"),
        (entry_bytes(shape={"dim": [{"size": 2**62}] * 2}), "larger than any memory"),
        (entry_bytes(shape={"dim": [{"size": 2**62}] * 2 + [{"size": 0}]}, size=0), "larger than any memory"),
        (entry_bytes(shape={"dim": [{"size": 2**62}] * 9000}, size=0), "9000 dimensions"),
        (entry_bytes(dtype=7, shape={"dim": [{"size": 100}]}, size=103), "takes 104 at least"),
        (
            entry_bytes(dtype=7, shape={"dim": [{"size": 0}, {"size": 2**62}]}, size=4),
            "larger than any memory",
        ),
        (entry_bytes(slices=[{"extent": [{"start": 1}]}]), "from 1 of length None"),
        (b"\x08", "not readable"),
        (b"\x12\x02\x12\x7f", "not readable"),
    ],
)
def test_an_impossible_entry_is_told_with_its_key(raw: bytes, told: str) -> None:
    with pytest.raises(FormatError, match=rf"^m\.index: tensor 'the/key'.*{told}"):
        BundleIndex.from_bytes(build_table([(b"", HEADER.to_bytes()), (b"the/key", raw)]), "m.index")


def test_a_reference_type_is_its_base() -> None:
    assert BundleEntry.from_bytes(entry_bytes(dtype=101)).spec == TensorSpec(DType.FLOAT32, (2,))


def test_an_index_may_hold_some_slices_of_a_tensor_only() -> None:
    index = BundleIndex(HEADER, {"emb": replace(WHOLE, slices=(UPPER,))}, {("emb", UPPER): PART})
    assert BundleIndex.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize(
    ("entries", "slice_entries", "told"),
    [
        ({}, PARTED.slice_entries, "belongs to no entry"),
        ({"emb": PART}, PARTED.slice_entries, "belongs to no entry"),
        ({"emb": replace(WHOLE, slices=(UPPER, LOWER))}, {("emb", UPPER): PART}, "2,2:- is absent"),
        ({"emb": replace(WHOLE, slices=(UPPER, UPPER))}, {("emb", UPPER): PART}, "overlap"),
        (
            {"emb": WHOLE},
            {("emb", UPPER): placed(DType.INT32, (2, 3)), ("emb", LOWER): PART},
            r"0,2:- is int32\[2, 3\]",
        ),
        (
            {"emb": WHOLE},
            {("emb", UPPER): PART, ("emb", LOWER): placed(DType.FLOAT32, (3, 2))},
            r"2,2:- is float32\[3, 2\]",
        ),
        (
            {"emb": WHOLE},
            {**PARTED.slice_entries, ("other", UPPER): PART},
            "'other' belongs to no entry",
        ),
        (
            {"emb": replace(WHOLE, slices=(UPPER, TensorSlice((2, 0), (3, None))))},
            PARTED.slice_entries,
            "outside shape",
        ),
    ],
)
def test_slices_that_do_not_fit_their_tensor_are_told(
    entries: dict[str, BundleEntry], slice_entries: dict[tuple[str, TensorSlice], BundleEntry], told: str
) -> None:
    items = [(b"", HEADER.to_bytes())]
    items += [
        (slice_key(key.encode(), part), entry.to_bytes()) for (key, part), entry in slice_entries.items()
    ]
    items += [(key.encode(), entry.to_bytes()) for key, entry in entries.items()]
    with pytest.raises(FormatError, match=rf"^m\.index: .*{told}"):
        BundleIndex.from_bytes(build_table(sorted(items)), "m.index")
    with pytest.raises(FormatError, match=told):
        BundleIndex(HEADER, entries, slice_entries).to_bytes()


@pytest.mark.parametrize("key", ["", "\0", "\0w"])
def test_a_key_that_is_the_headers_or_a_slices_is_not_written(key: str) -> None:
    with pytest.raises(FormatError, match="cannot be a tensor's key"):
        BundleIndex(HEADER, {key: placed(DType.INT8, ())}, {}).to_bytes()


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({0: 31, 1: 24}, "shard 0 of 2: 31 bytes, the index needs 32 .*'step'"),
        ({0: 32, 1: 23}, "shard 1 of 2: 23 bytes, the index needs 24 .*'emb'"),
        ({0: 32}, "shard 1 of 2: absent"),
        ({1: 0}, "shard 0 of 2: absent.*shard 1 of 2: 0 bytes"),
    ],
)
def test_a_short_or_missing_shard_is_told(sizes: dict[int, int], told: str) -> None:
    assert SMALL.shards() == (0, 1)
    SMALL.check_shards({0: 32, 1: 24})
    with pytest.raises(FormatError, match=told):
        SMALL.check_shards(sizes)


def test_truncation_at_any_byte_is_told() -> None:
    raw = SMALL.to_bytes()
    for cut in range(len(raw)):
        with pytest.raises(FormatError, match=r"^m\.index: "):
            BundleIndex.from_bytes(raw[:cut], "m.index")


def test_any_flipped_bit_is_told() -> None:
    raw = SMALL.to_bytes()
    for position in range(len(raw)):
        for bit in range(8):
            broken = bytearray(raw)
            broken[position] ^= 1 << bit
            with pytest.raises(FormatError, match=r"^m\.index: "):
                BundleIndex.from_bytes(bytes(broken), "m.index")


@given(st.dictionaries(st.binary(max_size=9), st.binary(max_size=40), max_size=4), st.booleans())
def test_garbage_in_a_sound_table_is_told(items: dict[bytes, bytes], with_header: bool) -> None:
    if with_header:
        items = {**items, b"": HEADER.to_bytes()}
    raw = build_table(sorted(items.items()))
    try:
        found = BundleIndex.from_bytes(raw, "m.index")
    except FormatError:
        with pytest.raises(FormatError, match=r"^m\.index: "):
            BundleIndex.from_bytes(raw, "m.index")
        return
    assert len(found.entries) + len(found.slice_entries) == len(items) - 1


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_or_told(raw: bytes) -> None:
    try:
        entry = BundleEntry.from_bytes(raw, "k")
    except FormatError:
        return
    assert BundleEntry.from_bytes(entry.to_bytes(), "k") == entry


@given(st.text(), st.integers(0, 200_000), st.integers(1, 200_000))
def test_shard_names_come_back(prefix: str, shard: int, count: int) -> None:
    assert parse_shard_name(shard_name(prefix, shard, count)) == (
        (prefix, shard, count) if shard < count else None
    )


@pytest.mark.parametrize(
    "name",
    [
        "m.index",
        "m.data-0-of-1",
        "m.data-00000-of-00001.tmp",
        "m.data-000000-of-00001",
        "m.data-00001-of-00001",
    ],
)
def test_other_names_are_no_shards(name: str) -> None:
    assert parse_shard_name(name) is None
