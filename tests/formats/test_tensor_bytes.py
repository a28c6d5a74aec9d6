"""A tensor's bytes: every dtype comes back, and no wrong value is ever returned."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError, InputError
from migration.formats.coding import encode_varint, mask, masked_crc32c, unmask
from migration.formats.string_tensors import decode_strings, encode_strings
from migration.formats.tensor_bundle import BundleEntry, check_tensor, decode_tensor, encode_tensor
from migration.formats.tensor_checksum import TensorChecksum, extend_lengths
from migration.tensors import DType, TensorSpec
from tests.installed import of_ml_dtypes

pytestmark = pytest.mark.quick

FIXED = [dtype for dtype in DType if dtype.itemsize is not None]
STRINGS = st.lists(st.one_of(st.binary(max_size=9), st.binary(min_size=126, max_size=400)), max_size=9)


def entry_of(array: np.ndarray, dtype: DType, raw: bytes, crc: int) -> BundleEntry:
    return BundleEntry(TensorSpec(dtype, array.shape), 0, 0, len(raw), crc)


def sample(dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """Values that the type can hold, all of them where it has few."""
    count = int(np.prod(shape))
    return np.resize(np.array([0, 1, 1, 0, 0, 1, 1]), count).astype(dtype.numpy).reshape(shape)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", of_ml_dtypes(FIXED), ids=str)
def test_every_dtype_comes_back(dtype: DType, shape: tuple[int, ...]) -> None:
    array = sample(dtype, shape)
    raw, crc = encode_tensor(array, dtype)
    found = decode_tensor(entry_of(array, dtype, raw, crc), raw, "w")
    assert found.dtype == dtype.numpy
    assert found.shape == shape
    assert found.tobytes() == array.tobytes() == raw


def test_numbers_are_a_view_and_bytes_are_little_endian() -> None:
    raw, crc = encode_tensor(np.array([1, 256], np.int32), DType.INT32)
    assert raw == bytes.fromhex("01000000 00010000")
    found = decode_tensor(BundleEntry(TensorSpec(DType.INT32, (2,)), 0, 0, 8, crc), raw, "w")
    assert np.shares_memory(found, np.frombuffer(raw, np.uint8))


def test_an_array_in_any_memory_order_is_written_by_rows() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert encode_tensor(np.asfortranarray(array), DType.FLOAT32) == encode_tensor(array, DType.FLOAT32)
    assert encode_tensor(array.T, DType.FLOAT32)[0] == array.T.copy().tobytes()


def test_nothing_is_cast_in_silence() -> None:
    with pytest.raises(InputError, match="float64 cannot be written as float32"):
        encode_tensor(np.zeros(2), DType.FLOAT32)
    with pytest.raises(InputError, match="cannot hold a int"):
        encode_tensor(np.array([1], object), DType.STRING)


@given(STRINGS)
def test_strings_come_back(elements: list[bytes]) -> None:
    raw, crc = encode_strings(elements)
    assert decode_strings(raw, len(elements), crc) == elements


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)], ids=str)
def test_string_tensors_are_object_arrays_of_bytes(shape: tuple[int, ...]) -> None:
    array = np.resize(np.array([b"a\0", "\u00e9", b"", b"x" * 200], object), shape)
    raw, crc = encode_tensor(array, DType.STRING)
    found = decode_tensor(entry_of(array, DType.STRING, raw, crc), raw, "w")
    assert found.shape == shape
    assert found.dtype == object
    expected = [e.encode() if isinstance(e, str) else e for e in array.ravel().tolist()]
    assert found.ravel().tolist() == expected


def test_a_string_tensors_bytes() -> None:
    """The layout of tensor_bundle.cc: lengths, their crc as 32-bit integers, the elements."""
    raw, crc = encode_strings([b"a", b"b" * 300])
    lengths = struct.pack("<II", 1, 300)
    stored = struct.pack("<I", masked_crc32c(lengths))
    assert raw == b"\x01\xac\x02" + stored + b"a" + b"b" * 300
    assert crc == masked_crc32c(lengths, stored, b"a" + b"b" * 300)


def test_a_length_over_four_gigabytes_counts_as_eight_bytes() -> None:
    lengths = [3, 2**32, 2**32 - 1]
    assert mask(extend_lengths(0, lengths)) == masked_crc32c(struct.pack("<IQI", *lengths))


CASES = {
    "float32": (DType.FLOAT32, np.arange(6, dtype=np.float32)),
    "string": (DType.STRING, np.array([b"one", b"", b"three" * 30], object)),
    "empty string tensor": (DType.STRING, np.empty(0, object)),
}


@pytest.mark.parametrize(("dtype", "array"), CASES.values(), ids=CASES)
def test_any_flipped_bit_and_any_cut_is_told(dtype: DType, array: np.ndarray) -> None:
    raw, crc = encode_tensor(array, dtype)
    entry = entry_of(array, dtype, raw, crc)
    for position in range(len(raw)):
        for bit in range(8):
            broken = bytearray(raw)
            broken[position] ^= 1 << bit
            with pytest.raises(FormatError, match=r"^w: "):
                decode_tensor(entry, bytes(broken), "w")
            with pytest.raises(FormatError, match=r"^w: "):
                check_tensor(entry, bytes(broken), "w")
        cut = BundleEntry(entry.spec, 0, 0, position, crc)
        for judged in (entry, cut):
            with pytest.raises(FormatError, match=r"^w: "):
                check_tensor(judged, raw[:position], "w")
    with pytest.raises(FormatError, match="checksum"):
        decode_tensor(entry_of(array, dtype, raw, crc ^ 1), raw, "w")


@given(st.binary(max_size=40), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_garbage_is_no_string_tensor(raw: bytes, count: int, crc: int) -> None:
    with pytest.raises(FormatError):
        decode_strings(raw, count, crc)


@pytest.mark.parametrize("count", [2**40, 10**6])
def test_a_count_that_the_bytes_cannot_hold_is_told(count: int) -> None:
    with pytest.raises(FormatError, match="do not end with its bytes"):
        decode_strings(b"\0" * 50, count, 0)


def variants(elements: list[bytes]) -> tuple[bytes, int]:
    raw, crced = b"", b""
    for element in elements:
        crced += struct.pack("<Q", len(element)) + element
        stored = struct.pack("<I", masked_crc32c(crced))
        crced += stored
        raw += encode_varint(len(element)) + element + stored
    return raw, masked_crc32c(crced)


def test_variants_are_checked_and_never_decoded() -> None:
    raw, crc = variants([b"abc", b"", b"d" * 200])
    entry = BundleEntry(TensorSpec(DType.VARIANT, (3,)), 0, 0, len(raw), crc)
    check_tensor(entry, raw, "w")
    with pytest.raises(FormatError, match=r"^w: variant tensors have no array form"):
        decode_tensor(entry, raw, "w")
    for position in range(len(raw)):
        broken = bytearray(raw)
        broken[position] ^= 1
        with pytest.raises(FormatError, match=r"^w: "):
            check_tensor(entry, bytes(broken), "w")
        with pytest.raises(FormatError, match=r"^w: "):
            check_tensor(BundleEntry(entry.spec, 0, 0, position, crc), raw[:position], "w")


def chunks(raw: bytes, bounds: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(bound, len(raw)) for bound in bounds), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


@given(
    STRINGS,
    st.lists(st.integers(0, 900), max_size=6),
    st.sampled_from([DType.STRING, DType.VARIANT, DType.UINT8]),
)
def test_a_checksum_does_not_depend_on_the_chunks(
    elements: list[bytes], bounds: list[int], dtype: DType
) -> None:
    makers = {DType.STRING: encode_strings, DType.VARIANT: variants}
    raw, crc = makers[dtype](elements) if dtype in makers else (b"".join(elements), None)
    checksum = TensorChecksum(dtype, len(elements))
    for chunk in chunks(raw, bounds):
        checksum.update(chunk)
    assert checksum.masked() == (masked_crc32c(raw) if crc is None else crc)
    if crc is not None:
        with pytest.raises(FormatError, match="more bytes"):
            checksum.update(b"x")


def test_more_dimensions_than_numpy_has_are_told() -> None:
    entry = BundleEntry(TensorSpec(DType.INT8, (1,) * 65), 0, 0, 1, masked_crc32c(b"x"))
    check_tensor(entry, b"x", "w")
    with pytest.raises(FormatError, match="65 dimensions"):
        decode_tensor(entry, b"x", "w")


def test_the_checksum_of_an_empty_string_tensor_is_tensorflows() -> None:
    # From a file that TensorFlow 2.21 wrote: the crc of no bytes at all.
    assert unmask(int.from_bytes(bytes.fromhex("d8ea82a2"), "little")) == 0
