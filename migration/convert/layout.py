"""Where each piece will lie, known before the first byte is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migration.checkpoint import Checkpoint
from migration.convert.pieces import Computed, Identity, Output, Piece, Stored
from migration.formats.tensor_bundle import BundleEntry, BundleHeader, BundleIndex, TensorSlice
from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True)
class Layout:
    """The result's shards: those of `link_from` that it goes on using, and a new one for all the rest.

    `linked` are their numbers in the source, in order. `places` gives the offset of each piece of the
    new shard.
    """

    outputs: tuple[Output, ...]
    link_from: Checkpoint | None
    linked: tuple[int, ...]
    places: Mapping[Identity, int]
    new: tuple[Piece, ...]
    new_size: int

    @property
    def num_shards(self) -> int:
        """The shards that the result needs; the new one is left out where nothing would be in it."""
        return len(self.linked) + (1 if self.new or not self.linked else 0)


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
                shards.add(piece.entry.shard)
            else:
                fresh.setdefault(piece.identity, piece)
    new = sorted(fresh.values(), key=_order)
    places, end = {}, 0
    for piece in new:
        places[piece.identity] = end
        end += piece.size
    return Layout(outputs, link_from, tuple(sorted(shards)), places, tuple(new), end)


def _order(piece: Piece) -> tuple[int, str, int, int]:
    if isinstance(piece, Stored):
        return 0, piece.side.prefix, piece.shard, piece.offset
    return (1, piece.step.target, 0, 0) if isinstance(piece, Computed) else (2, "", 0, 0)


def index_of(layout: Layout, crcs: Mapping[Identity, int], num_shards: int) -> BundleIndex:
    """The result's index; `crcs` are the checksums of the computed pieces, by identity.

    `num_shards` may be more than the layout needs: the further ones are empty.
    """
    entries: dict[str, BundleEntry] = {}
    slice_entries: dict[tuple[str, TensorSlice], BundleEntry] = {}
    place = _Placing(layout, crcs)
    for output in layout.outputs:
        ((extent, piece), *more) = output.pieces
        if extent is None and not more:
            entries[output.key] = place(output.spec, piece)
            continue
        entries[output.key] = BundleEntry(
            output.spec, 0, 0, 0, 0, tuple(extent for extent, _ in output.pieces if extent is not None)
        )
        for extent, piece in output.pieces:
            assert extent is not None
            spec = TensorSpec(output.spec.dtype, extent.shape(output.spec.shape))
            slice_entries[output.key, extent] = place(spec, piece)
    return BundleIndex(BundleHeader(num_shards), entries, slice_entries)


class _Placing:
    """Makes the entry of a piece at its place."""

    def __init__(self, layout: Layout, crcs: Mapping[Identity, int]) -> None:
        self._layout = layout
        self._crcs = crcs
        self._numbers = {shard: number for number, shard in enumerate(layout.linked)}

    def __call__(self, spec: TensorSpec, piece: Piece) -> BundleEntry:
        if isinstance(piece, Stored) and piece.side is self._layout.link_from:
            entry = piece.entry
            number = self._numbers[entry.shard]
            if number == entry.shard and piece.part is None and spec == entry.spec:
                return entry  # the commonest by far: nothing about it changes
            return BundleEntry(spec, number, piece.offset, piece.size, piece.crc32c)
        identity = piece.identity
        crc = self._crcs[identity] if isinstance(piece, Computed) else piece.crc32c
        return BundleEntry(spec, len(self._layout.linked), self._layout.places[identity], piece.size, crc)
