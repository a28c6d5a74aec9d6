"""Varints, masked crcs and OrderedCode: every value comes back, order is kept, garbage is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError
from migration.formats.coding import (
    decode_ordered_number,
    decode_ordered_signed,
    decode_ordered_string,
    decode_varint,
    encode_ordered_number,
    encode_ordered_signed,
    encode_ordered_string,
    encode_varint,
    mask,
    masked_crc32c,
    unmask,
)

pytestmark = pytest.mark.quick

UINT64 = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 64).map(lambda bits: (1 << bits) - 1))
INT64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.tuples(st.integers(0, 63), st.booleans()).map(lambda t: -(1 << t[0]) if t[1] else (1 << t[0]) - 1),
)
ESCAPABLE = st.one_of(st.binary(), st.text("\x00\x01\xff\xfea").map(lambda s: s.encode("latin1")))


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ffffffffffffffffff01")],
)
def test_varint_bytes_are_those_of_the_protobuf_documentation(value: int, raw: str) -> None:
    assert encode_varint(value) == bytes.fromhex(raw)


@given(UINT64, st.binary(max_size=3), st.binary(max_size=3))
def test_varint_comes_back_from_any_place(value: int, before: bytes, after: bytes) -> None:
    raw = encode_varint(value)
    assert decode_varint(before + raw + after, len(before)) == (value, len(before + raw))
    assert decode_varint(memoryview(raw), 0) == (value, len(raw))


@given(UINT64)
def test_varint_cut_anywhere_is_told(value: int) -> None:
    raw = encode_varint(value)
    for cut in range(len(raw)):
        with pytest.raises(FormatError, match="end inside a number"):
            decode_varint(raw[:cut], 0)


@pytest.mark.parametrize("raw", ["ff" * 10, "ff" * 9 + "02", "80" * 10 + "01"])
def test_varint_of_more_than_64_bits_is_told(raw: str) -> None:
    with pytest.raises(FormatError, match="more than 64 bits"):
        decode_varint(bytes.fromhex(raw), 0)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_varint_refuses_what_does_not_fit(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_varint(value)
    with pytest.raises(ValueError, match="does not fit"):
        encode_ordered_number(value)


def test_crc32c_is_castagnolis() -> None:
    # The check value of RFC 3720, appendix B.4: 32 bytes of zeros.
    assert unmask(masked_crc32c(bytes(32))) == 0x8A9136AA


@given(st.binary(), st.binary())
def test_crc_of_parts_is_the_crc_of_the_whole(left: bytes, right: bytes) -> None:
    assert masked_crc32c(left, memoryview(right)) == masked_crc32c(left + right)


@given(st.integers(0, 2**32 - 1))
def test_mask_has_an_inverse(crc: int) -> None:
    assert unmask(mask(crc)) == crc
    assert 0 <= mask(crc) < 2**32


# From the slice key in a file that TensorFlow wrote: name "emb/table", 2 dimensions, 0..4 and 0..2.
@pytest.mark.parametrize(
    ("value", "raw"), [(0, "80"), (1, "81"), (2, "82"), (-1, "7f"), (63, "bf"), (64, "c040")]
)
def test_ordered_signed_bytes(value: int, raw: str) -> None:
    assert encode_ordered_signed(value).hex() == raw


@given(UINT64, st.binary(max_size=3))
def test_ordered_number_comes_back(value: int, after: bytes) -> None:
    raw = encode_ordered_number(value)
    assert decode_ordered_number(raw + after, 0) == (value, len(raw))


@given(INT64, st.binary(max_size=3))
def test_ordered_signed_comes_back(value: int, after: bytes) -> None:
    raw = encode_ordered_signed(value)
    assert decode_ordered_signed(raw + after, 0) == (value, len(raw))


@given(ESCAPABLE, st.binary(max_size=3))
def test_ordered_string_comes_back(value: bytes, after: bytes) -> None:
    raw = encode_ordered_string(value)
    assert decode_ordered_string(raw + after, 0) == (value, len(raw))


@given(UINT64, UINT64)
def test_ordered_numbers_sort_as_numbers(left: int, right: int) -> None:
    assert (left < right) == (encode_ordered_number(left) < encode_ordered_number(right))


@given(INT64, INT64)
def test_ordered_signed_numbers_sort_as_numbers(left: int, right: int) -> None:
    assert (left < right) == (encode_ordered_signed(left) < encode_ordered_signed(right))


@given(ESCAPABLE, ESCAPABLE)
def test_ordered_strings_sort_as_strings(left: bytes, right: bytes) -> None:
    assert (left < right) == (encode_ordered_string(left) < encode_ordered_string(right))


CODES: dict[
    str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes, int], tuple[Any, int]]]
] = {
    "number": (UINT64, encode_ordered_number, decode_ordered_number),
    "signed": (INT64, encode_ordered_signed, decode_ordered_signed),
    "string": (ESCAPABLE, encode_ordered_string, decode_ordered_string),
}


@pytest.mark.parametrize("code", CODES)
@given(values=st.data())
def test_ordered_code_cut_anywhere_is_told(code: str, values: st.DataObject) -> None:
    strategy, encode, decode = CODES[code]
    raw = encode(values.draw(strategy))
    for cut in range(len(raw)):
        with pytest.raises(FormatError):
            decode(raw[:cut], 0)


@pytest.mark.parametrize("code", CODES)
@given(raw=st.binary(max_size=14))
def test_ordered_code_has_one_spelling_of_each_value(code: str, raw: bytes) -> None:
    """Any bytes either are told, or are just what encoding the value gives."""
    _, encode, decode = CODES[code]
    try:
        value, end = decode(raw, 0)
    except FormatError:
        return
    assert encode(value) == raw[:end]
