"""The sorted string table: what is built is read, and what is broken is told."""

from __future__ import annotations

import struct
from bisect import bisect_left

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError
from migration.formats.coding import encode_varint, masked_crc32c
from migration.formats.sstable import ByteSource, BytesSource, Table, build_table
from migration.formats.sstable_blocks import FOOTER_SIZE, SNAPPY, UNCOMPRESSED, Footer, Handle

pytestmark = pytest.mark.quick

ITEMS = st.dictionaries(st.binary(max_size=20), st.binary(max_size=200), max_size=60).map(
    lambda found: sorted(found.items())
)
SMALL = [(b"%03d/kernel" % number, b"value %d" % number * 3) for number in range(40)]


class CountingSource(BytesSource):
    """Knows which ranges were read."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        self.reads.append((offset, size))
        return super().read(offset, size)


def read_all(raw: bytes) -> list[tuple[bytes, bytes]]:
    return list(Table.open(BytesSource(raw), "t.index").items())


def assemble(
    blocks: list[bytes], index: list[tuple[bytes, Handle]] | None, kind: int = UNCOMPRESSED
) -> bytes:
    """A table of the given data block contents, every crc right."""
    out = b""

    def put(content: bytes, tag: int) -> Handle:
        nonlocal out
        handle = Handle(len(out), len(content))
        trailer = bytes((tag,))
        out += content + trailer + struct.pack("<I", masked_crc32c(content, trailer))
        return handle

    handles = [put(block, kind) for block in blocks]
    if index is None:
        index = [(b"\xff" * (number + 1), handle) for number, handle in enumerate(handles)]
    metaindex = put(block_of([]), UNCOMPRESSED)
    last = put(block_of([(key, handle.to_bytes()) for key, handle in index]), UNCOMPRESSED)
    return out + Footer(metaindex, last).to_bytes()


def block_of(items: list[tuple[bytes, bytes]]) -> bytes:
    entries = b"".join(b"\0" + encode_varint(len(k)) + encode_varint(len(v)) + k + v for k, v in items)
    return entries + struct.pack("<II", 0, 1)


@given(ITEMS, st.integers(1, 400), st.integers(1, 20), st.booleans())
def test_what_is_built_is_read(
    items: list[tuple[bytes, bytes]], block_size: int, interval: int, compress: bool
) -> None:
    raw = build_table(items, block_size=block_size, restart_interval=interval, compress=compress)
    assert read_all(raw) == items


@given(ITEMS, st.integers(1, 400), st.binary(max_size=20))
def test_get_and_items_from_agree_with_the_items(
    items: list[tuple[bytes, bytes]], block_size: int, key: bytes
) -> None:
    table = Table.open(BytesSource(build_table(items, block_size=block_size)))
    for wanted in [key, *(found for found, _ in items)]:
        assert table.get(wanted) == dict(items).get(wanted)
        assert list(table.items_from(wanted)) == items[bisect_left(items, (wanted,)) :]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 16383, 16384, 300_000])
def test_long_keys_and_values(size: int) -> None:
    items = [(b"a" * size, b"v" * size), (b"b" * (size + 1), b"w" * size), (b"b" * (size + 2), b"")]
    assert read_all(build_table(items, block_size=1000)) == items


def test_twelve_thousand_keys_all_come_back() -> None:
    items = [(b"scope_%05d/kernel" % number, bytes(24)) for number in range(12_000)]
    raw = build_table(items)
    assert len(raw) > 262_144  # more than one block
    assert read_all(raw) == items


@pytest.mark.parametrize("count", range(28, 36))
def test_a_block_that_ends_at_a_boundary_loses_nothing(count: int) -> None:
    items = [(b"%04d" % number, b"x" * 25) for number in range(count)]  # 32 bytes an entry
    for block_size in (32 * 16 - 1, 32 * 16, 32 * 16 + 1):
        assert read_all(build_table(items, block_size=block_size, restart_interval=1)) == items


def test_opening_reads_the_index_only_and_get_reads_one_block() -> None:
    raw = build_table(SMALL, block_size=100)
    source = CountingSource(raw)
    table = Table.open(source)
    assert sum(size for _, size in source.reads) < len(raw) / 2
    assert min(offset for offset, _ in source.reads) > len(raw) / 2
    source.reads.clear()
    assert table.get(SMALL[20][0]) == SMALL[20][1]
    assert len(source.reads) == 1
    assert table.get(b"zzz") is None
    assert len(source.reads) == 1


@pytest.mark.parametrize("keys", [(b"a", b"a"), (b"b", b"a"), (b"a", b"")])
def test_building_refuses_keys_that_do_not_rise(keys: tuple[bytes, bytes]) -> None:
    with pytest.raises(FormatError, match="rise strictly"):
        build_table((key, b"") for key in keys)


def test_compression_is_used_where_it_pays() -> None:
    items = [(b"k%04d" % number, b"same words again" * 4) for number in range(500)]
    plain, small = build_table(items), build_table(items, compress=True)
    assert len(small) < len(plain) / 2
    assert read_all(small) == read_all(plain)


@pytest.mark.parametrize("compress", [False, True])
def test_truncation_at_any_byte_is_told(compress: bool) -> None:
    raw = build_table(SMALL, block_size=300, compress=compress)
    for cut in range(len(raw)):
        with pytest.raises(FormatError, match=r"^t\.index: "):
            read_all(raw[:cut])


@pytest.mark.parametrize("compress", [False, True])
def test_any_flipped_bit_is_told(compress: bool) -> None:
    raw = build_table(SMALL, block_size=300, compress=compress)
    for position in range(len(raw)):
        for bit in range(8):
            broken = bytearray(raw)
            broken[position] ^= 1 << bit
            with pytest.raises(FormatError, match=r"^t\.index: "):
                read_all(bytes(broken))


@given(st.binary(max_size=200))
def test_garbage_is_told(raw: bytes) -> None:
    with pytest.raises(FormatError):
        read_all(raw)


@given(st.binary(max_size=120), st.sampled_from([UNCOMPRESSED, SNAPPY]))
def test_garbage_in_a_block_with_a_right_crc_is_told_or_read(content: bytes, kind: int) -> None:
    try:
        items = read_all(assemble([content], None, kind))
    except FormatError:
        return
    assert [key for key, _ in items] == sorted({key for key, _ in items})


def snappy_of(claimed: int) -> bytes:
    return encode_varint(claimed) + b"\x00a"


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (block_of([(b"b", b""), (b"a", b"")]), UNCOMPRESSED, "not sorted"),
        (block_of([(b"a", b"1"), (b"a", b"2")]), UNCOMPRESSED, "duplicate"),
        (block_of([]), UNCOMPRESSED, "is empty"),
        (b"\x05\x00\x00" + struct.pack("<II", 0, 1), UNCOMPRESSED, "reaches past its block"),
        (b"\x00\x01\x7fa" + struct.pack("<II", 0, 1), UNCOMPRESSED, "reaches past its block"),
        (b"\x00\x01" + b"\xff" * 9 + b"\x01a" + struct.pack("<II", 0, 1), UNCOMPRESSED, "past its block"),
        (struct.pack("<I", 0xFFFFFFFF), UNCOMPRESSED, "more restart points than bytes"),
        (b"ab", UNCOMPRESSED, "too short"),
        (block_of([(b"a", b"")]), 2, "unknown compression 2"),
        (snappy_of(0xFFFFFFFF), SNAPPY, "claims 4294967295"),
        (snappy_of(2), SNAPPY, "does not decompress"),
        (b"", SNAPPY, "end inside a number"),
    ],
)
def test_a_wrong_block_with_a_right_crc_is_told(content: bytes, kind: int, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_all(assemble([content], None, kind))


def test_keys_that_borrow_without_end_are_told() -> None:
    """Each key is one byte longer than the last: 100 kB of them would be 500 MB."""
    block = b"".join(encode_varint(number) + b"\x01\x00a" for number in range(30_000))
    with pytest.raises(FormatError, match="past its block"):
        read_all(assemble([block + struct.pack("<II", 0, 1)], None))


@pytest.mark.parametrize("interval", [1, 64])
def test_the_guard_lets_long_shared_keys_pass(interval: int) -> None:
    items = [(b"a/long/scope" * 300 + b"%05d" % number, b"") for number in range(500)]
    assert read_all(build_table(items, restart_interval=interval)) == items


@pytest.mark.parametrize("interval", [0, 65])
def test_other_intervals_are_refused(interval: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 64"):
        build_table([], restart_interval=interval)


def test_the_snappy_guard_lets_the_densest_block_pass() -> None:
    content = block_of([(b"a", b"\0" * 500_000)])
    raw = assemble([bytes(cramjam.snappy.compress_raw(content))], None, SNAPPY)
    assert len(raw) < len(content) / 15
    assert read_all(raw) == [(b"a", b"\0" * 500_000)]


TWO = [block_of([(b"a", b"1")]), block_of([(b"b", b"2")])]
FIRST, SECOND = Handle(0, len(TWO[0])), Handle(len(TWO[0]) + 5, len(TWO[1]))


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ([(b"a", SECOND), (b"b", FIRST)], "outside its data blocks"),
        ([(b"a", FIRST), (b"b", FIRST)], "outside its data blocks"),
        ([(b"a", FIRST), (b"b", Handle(2**62, 10))], "outside its data blocks"),
        ([(b"a", Handle(0, 2**63))], "outside its data blocks"),
        ([(b"b", FIRST), (b"c", SECOND)], "duplicate or not sorted"),
        ([(b"0", FIRST), (b"b", SECOND)], "duplicate or not sorted"),
        ([(b"a", FIRST), (b"a", SECOND)], "duplicate"),
    ],
)
def test_an_index_that_does_not_fit_its_blocks_is_told(index: list[tuple[bytes, Handle]], told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_all(assemble(TWO, index))


@pytest.mark.parametrize("cut", range(FOOTER_SIZE))
def test_a_file_shorter_than_a_footer_is_told(cut: int) -> None:
    with pytest.raises(FormatError, match="truncated"):
        read_all(build_table([])[-FOOTER_SIZE:][:cut])


def test_a_source_that_shrinks_while_it_is_read_is_told() -> None:
    class Shrinking(BytesSource):
        def read(self, offset: int, size: int) -> bytes:
            return super().read(offset, size)[: size if offset > self.size / 2 else size // 2]

    source: ByteSource = Shrinking(build_table(SMALL))
    with pytest.raises(FormatError, match="ends inside a block"):
        list(Table.open(source).items())
