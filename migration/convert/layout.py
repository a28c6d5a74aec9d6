"""Where each piece will lie, known before the first byte is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration.convert.pieces import Computed, Output, Piece, Stored
from migration.formats.tensor_bundle import BundleEntry, BundleHeader, BundleIndex, TensorSlice
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

Identity = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The result's shards: `linked` are the source's, by number; all the rest goes into the last one.

    `places` gives the offset of each piece of the new shard; pieces of linked shards keep theirs.
    """

    outputs: tuple[Output, ...]
    linked: tuple[int, ...]
    places: Mapping[Identity, int]
    new: tuple[Piece, ...]
    new_size: int

    @property
    def num_shards(self) -> int:
        """All shards of the result; the new one is left out where nothing would be in it."""
        return len(self.linked) + (1 if self.new or not self.linked else 0)

    @property
    def new_shard(self) -> int:
        """The number of the shard that is written."""
        return len(self.linked)


def lay_out(outputs: Iterable[Output], link_from: Checkpoint | None) -> Layout:
    """Places for all pieces. With `link_from`, that checkpoint's bytes stay in its shards.

    Copied bytes lie in the order in which the source has them, so that they are read in one sweep.
    """
    outputs = tuple(outputs)
    fresh: dict[Identity, Piece] = {}
    shards: set[int] = set()
    for output in outputs:
        for _, piece in output.pieces:
            if isinstance(piece, Stored) and piece.side is link_from:
                shards.add(piece.shard)
            else:
                fresh.setdefault(piece.identity, piece)
    new = sorted(fresh.values(), key=_order)
    places, end = {}, 0
    for piece in new:
        places[piece.identity] = end
        end += piece.size
    return Layout(outputs, tuple(sorted(shards)), places, tuple(new), end)


def _order(piece: Piece) -> tuple[int, str, int, int]:
    if isinstance(piece, Stored):
        return 0, piece.side.prefix, piece.shard, piece.offset
    return (1, piece.step.target, 0, 0) if isinstance(piece, Computed) else (2, "", 0, 0)


def index_of(layout: Layout, crcs: Mapping[Identity, int]) -> BundleIndex:
    """The result's index; `crcs` are the checksums of the computed pieces, by identity."""
    entries: dict[str, BundleEntry] = {}
    slice_entries: dict[tuple[str, TensorSlice], BundleEntry] = {}
    numbers = {shard: number for number, shard in enumerate(layout.linked)}
    for output in layout.outputs:
        extents = tuple(extent for extent, _ in output.pieces if extent is not None)
        for extent, piece in output.pieces:
            entry = _entry(layout, numbers, _spec(output, extent), piece, crcs)
            if extent is None:
                entries[output.key] = entry
            else:
                slice_entries[output.key, extent] = entry
        if extents:
            entries[output.key] = BundleEntry(output.spec, 0, 0, 0, 0, extents)
    return BundleIndex(BundleHeader(layout.num_shards), entries, slice_entries)


def _spec(output: Output, extent: TensorSlice | None) -> TensorSpec:
    return output.spec if extent is None else TensorSpec(output.spec.dtype, extent.shape(output.spec.shape))


def _entry(
    layout: Layout, numbers: Mapping[int, int], spec: TensorSpec, piece: Piece, crcs: Mapping[Identity, int]
) -> BundleEntry:
    crc = crcs[piece.identity] if isinstance(piece, Computed) else piece.crc32c
    offset = layout.places.get(piece.identity)
    if offset is not None:
        return BundleEntry(spec, layout.new_shard, offset, piece.size, crc)
    assert isinstance(piece, Stored)
    return BundleEntry(spec, numbers[piece.shard], piece.offset, piece.size, crc)
