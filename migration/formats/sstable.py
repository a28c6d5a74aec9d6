"""The sorted string table: `.index` files of V2 bundles, and whole V1 files.

Layout: data blocks, a metaindex block, an index block, and a footer of 48 bytes. The format is LevelDB's
(its doc/table_format.md), which tensorflow/core/lib/io/table_format.txt repeats.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from migration.errors import FormatError
from migration.formats.located import located
from migration.formats.sstable_blocks import (
    FOOTER_SIZE,
    ByteSource,
    BytesSource,
    Footer,
    Handle,
    Item,
    decode_block,
    read_block,
)
from migration.formats.sstable_writer import build_table

__all__ = ["ByteSource", "BytesSource", "Item", "Table", "build_table"]


class Table:
    """A table, opened by its index block; data blocks are read when they are asked for."""

    def __init__(
        self, source: ByteSource, name: str, footer: Footer, handles: list[tuple[bytes, Handle]]
    ) -> None:
        self.name = name
        self._source = source
        self._metaindex = footer.metaindex
        self._separators = [separator for separator, _ in handles]
        self._handles = [handle for _, handle in handles]
        self._cached: tuple[int, list[Item]] = (-1, [])

    @classmethod
    def open(cls, source: ByteSource, name: str = "") -> Table:
        """The table in `source`, of which the footer and the index block are read.

        `name` stands in error texts. Raises FormatError where these are truncated, corrupt, or point
        outside the file.
        """
        with located(name):
            if source.size < FOOTER_SIZE:
                raise FormatError(f"its {source.size} bytes are too few for a table: it is truncated")
            footer = Footer.from_bytes(source.read(source.size - FOOTER_SIZE, FOOTER_SIZE), source.size)
            index = decode_block(read_block(source, footer.index))
            handles = list(_handles_of(index, footer.metaindex.offset))
        return cls(source, name, footer, handles)

    def items(self) -> Iterator[Item]:
        """Every key and value, in key order; each crc is checked. Raises FormatError."""
        with located(self.name):
            read_block(self._source, self._metaindex)  # nothing in it is used, but its crc must hold
        for number in range(len(self._handles)):
            yield from self._block(number)

    def items_from(self, key: bytes) -> Iterator[Item]:
        """The items whose keys are `key` or come after it; earlier blocks are not read."""
        first = bisect_left(self._separators, key)
        for number in range(first, len(self._handles)):
            for item in self._block(number):
                if item[0] >= key:
                    yield item

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None; one block is read at most. Raises FormatError."""
        number = bisect_left(self._separators, key)
        if number == len(self._handles):
            return None
        items = self._block(number)
        found = bisect_left(items, (key,))
        return items[found][1] if found < len(items) and items[found][0] == key else None

    def _block(self, number: int) -> list[Item]:
        """The items of a data block; the last one is kept, as neighbours tend to be asked for in turn."""
        kept, items = self._cached  # in one look: another thread may put its own block there
        if kept == number:
            return items
        with located(self.name):
            items = decode_block(read_block(self._source, self._handles[number]))
            self._check_place(items, number)
        if len(items) > 1:  # the one item of a block is a V1 file's tensor, and large
            self._cached = (number, items)
        return items

    def _check_place(self, items: list[Item], number: int) -> None:
        """Raises FormatError unless the block's keys lie between its neighbours' separators."""
        if not items:
            raise FormatError(f"its block {number} is empty: it is corrupt")
        too_early = number > 0 and items[0][0] <= self._separators[number - 1]
        if too_early or items[-1][0] > self._separators[number]:
            raise FormatError(f"the keys of its block {number} are duplicate or not sorted: it is corrupt")


def _handles_of(index: list[Item], limit: int) -> Iterator[tuple[bytes, Handle]]:
    """Separators and handles from the index block; blocks follow one another and end by `limit`."""
    end = 0
    for separator, raw in index:
        handle, _ = Handle.from_bytes(raw, 0)
        if handle.offset < end or handle.end > limit:
            raise FormatError("its index points outside its data blocks: it is corrupt")
        end = handle.end
        yield separator, handle
