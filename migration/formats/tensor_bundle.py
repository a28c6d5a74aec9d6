"""The index of a V2 bundle: which tensor lies where in which shard.

The bundle's `.index` file is a sorted string table. Source of the format:
tensorflow/core/util/tensor_bundle/tensor_bundle.h and tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from migration.errors import FormatError
from migration.formats.bundle_entries import BundleEntry, BundleHeader
from migration.formats.located import located
from migration.formats.sstable import BytesSource, Table, build_table
from migration.formats.tensor_bytes import check_tensor, decode_tensor, encode_tensor
from migration.formats.tensor_slices import (
    SLICE_KEY_PREFIX,
    IncompleteSlicesError,
    TensorSlice,
    check_cover,
    parse_slice_key,
    slice_key,
)

__all__ = [
    "BundleEntry",
    "BundleHeader",
    "BundleIndex",
    "TensorSlice",
    "check_tensor",
    "decode_tensor",
    "encode_tensor",
    "parse_shard_name",
    "parse_slice_key",
    "shard_name",
    "slice_key",
]

_HEADER_KEY = b""
_SHARD_NAME = re.compile(r"(.*)\.data-(\d{5,})-of-(\d{5,})", re.DOTALL)
SliceEntries = Mapping[tuple[str, TensorSlice], BundleEntry]


def shard_name(prefix: str, shard: int, num_shards: int) -> str:
    """The file name of one shard, e.g. "model.ckpt.data-00000-of-00001"."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def parse_shard_name(name: str) -> tuple[str, int, int] | None:
    """The prefix, the shard's number and the number of shards of such a name; None for any other."""
    match = _SHARD_NAME.fullmatch(name)
    if match is None:
        return None
    prefix, shard, num_shards = match[1], int(match[2]), int(match[3])
    sound = shard < num_shards and shard_name(prefix, shard, num_shards) == name
    return (prefix, shard, num_shards) if sound else None


def encode_key(key: str) -> bytes:
    """A key as it stands in the file; bytes that are no UTF-8 travel as surrogates. Raises FormatError."""
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise FormatError(f"{key!r} cannot be a tensor's key: it is not Unicode") from None


def decode_key(raw: bytes) -> str:
    """The inverse of `encode_key`, for any bytes."""
    return raw.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class BundleIndex:
    """A bundle's index: its header, an entry for each tensor, and one for each slice of those in parts."""

    header: BundleHeader
    entries: Mapping[str, BundleEntry]
    slice_entries: SliceEntries = field(default_factory=dict)

    @classmethod
    def from_bytes(cls, raw: bytes, name: str = "") -> BundleIndex:
        """The index of a whole `.index` file; `name` stands in error texts. Raises FormatError."""
        return cls.from_table(Table.open(BytesSource(raw), name))

    @classmethod
    def from_table(cls, table: Table) -> BundleIndex:
        """The index that an opened table holds.

        Raises FormatError unless the header comes first, every entry is possible in itself, and slices and
        their tensors agree.
        """
        items = table.items()
        with located(table.name):
            index = cls(_read_header(items), {}, {})._filled(items)
            index.check()
        return index

    def _filled(self, items: Iterator[tuple[bytes, bytes]]) -> BundleIndex:
        entries: dict[str, BundleEntry] = {}
        slice_entries: dict[tuple[str, TensorSlice], BundleEntry] = {}
        for key, value in items:
            if key.startswith(SLICE_KEY_PREFIX):
                name, extent = parse_slice_key(key)
                told = f"{decode_key(name)} [{extent}]"
                slice_entries[decode_key(name), extent] = BundleEntry.from_bytes(value, told)
            else:
                told = decode_key(key)
                entries[told] = BundleEntry.from_bytes(value, told)
        return BundleIndex(self.header, entries, slice_entries)

    def check(self) -> None:
        """Raises FormatError for an entry in no shard, and for slices and tensors that do not agree."""
        num_shards = self.header.num_shards
        for key, entry in self.placed():
            if entry.shard >= num_shards:
                raise FormatError(
                    f"tensor {key!r} lies in shard {entry.shard} of {num_shards}: it is corrupt"
                )
        owned: set[tuple[str, TensorSlice]] = set()
        for key, entry in self.entries.items():
            if entry.slices:
                self._check_slices(key, entry)
                owned.update((key, extent) for extent in entry.slices)
        stray = next((name for name in self.slice_entries if name not in owned), None)
        if stray is not None:
            raise FormatError(f"a slice of tensor {stray[0]!r} belongs to no entry: the index is corrupt")

    def _check_slices(self, key: str, entry: BundleEntry) -> None:
        """Raises FormatError unless all slices of the tensor are there and fit; they may be a part."""
        with located(f"tensor {key!r}"):
            with contextlib.suppress(IncompleteSlicesError):
                check_cover(entry.slices, entry.spec.shape)
            for extent in entry.slices:
                self._check_slice(extent, entry, self.slice_entries.get((key, extent)))

    def _check_slice(self, extent: TensorSlice, whole: BundleEntry, part: BundleEntry | None) -> None:
        if part is None:
            raise FormatError(f"its slice {extent} is absent")
        shape = extent.shape(whole.spec.shape)
        if part.slices or part.spec.shape != shape or part.spec.dtype is not whole.spec.dtype:
            raise FormatError(
                f"its slice {extent} is {part.spec}, and {whole.spec} needs shape {list(shape)}"
            )

    def placed(self) -> Iterator[tuple[str, BundleEntry]]:
        """Every entry that has bytes in a shard, slices too, with the key of its tensor."""
        for key, entry in self.entries.items():
            if not entry.slices:
                yield key, entry
        for (key, _), entry in self.slice_entries.items():
            yield key, entry

    def shards(self) -> tuple[int, ...]:
        """The numbers of the shards that hold a tensor, rising; an index may tell of more than it uses."""
        return tuple(sorted({entry.shard for _, entry in self.placed()}))

    def check_shards(self, sizes: Mapping[int, int]) -> None:
        """Raises FormatError where an entry lies outside its shard.

        `sizes` gives the bytes of each shard that exists, by its number; those of `shards()` are enough.
        """
        needs: dict[int, tuple[int, str]] = {}
        for key, entry in self.placed():
            end = entry.offset + entry.size
            if end > needs.get(entry.shard, (-1, ""))[0]:
                needs[entry.shard] = (end, key)
        told = [
            f"shard {shard} of {self.header.num_shards}: "
            + (f"{sizes[shard]} bytes" if shard in sizes else "absent")
            + f", the index needs {end} (for tensor {key!r}): copy the file again"
            for shard, (end, key) in sorted(needs.items())
            if sizes.get(shard, -1) < end
        ]
        if told:
            raise FormatError("; ".join(told))

    def to_bytes(self) -> bytes:
        """A whole `.index` file. Raises FormatError if the index is not sound."""
        self.check()
        odd = next((key for key in self.entries if not key or key[0] == "\0"), None)
        if odd is not None:
            raise FormatError(
                f"{odd!r} cannot be a tensor's key: it would be read as the header's or a slice's"
            )
        items = [(_HEADER_KEY, self.header.to_bytes())]
        items += ((encode_key(key), entry.to_bytes()) for key, entry in self.entries.items())
        items += (
            (slice_key(encode_key(key), extent), entry.to_bytes())
            for (key, extent), entry in self.slice_entries.items()
        )
        return build_table(sorted(items))


def _read_header(items: Iterator[tuple[bytes, bytes]]) -> BundleHeader:
    key, value = next(items, (None, b""))
    if key != _HEADER_KEY:
        raise FormatError("it has no header: this is a V1 checkpoint, or no checkpoint at all")
    return BundleHeader.from_bytes(value)
