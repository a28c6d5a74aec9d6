"""The runs of bytes that a result stores, each once, before they have a place.

Pieces are told apart by their identity: two keys that want the same bytes share one. There can be
hundreds of thousands of stored ones, so those are the cheapest values that Python has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from migration.checkpoint import Checkpoint
from migration.formats.tensor_bundle import BundleEntry, TensorSlice
from migration.planning.plan import Step
from migration.tensors import TensorSpec

Identity = tuple[object, ...]


class Stored(NamedTuple):
    """Bytes that lie ready-made in a shard: the tensor or slice `entry`, or a `part` of it.

    `part` is the first byte within the entry, the number of bytes, and their own masked checksum.
    """

    side: Checkpoint
    key: str
    entry: BundleEntry
    part: tuple[int, int, int] | None = None

    @property
    def shard(self) -> int:
        """The number of the shard."""
        return self.entry.shard

    @property
    def offset(self) -> int:
        """The first byte in the shard."""
        return self.entry.offset + (self.part[0] if self.part else 0)

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.part[1] if self.part else self.entry.size

    @property
    def crc32c(self) -> int:
        """The masked checksum of just these bytes."""
        return self.part[2] if self.part else self.entry.crc32c

    @property
    def identity(self) -> Identity:
        """What makes two pieces the same bytes; under two checksums (one is wrong) both are checked."""
        return self.side.prefix, self.entry.shard, self.offset, self.size, self.crc32c


@dataclass(frozen=True, slots=True)
class Ready:
    """Bytes that are in memory: strings, graphs, constants. All small."""

    payload: bytes
    crc32c: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return len(self.payload)

    @property
    def identity(self) -> Identity:
        """What makes two pieces the same bytes."""
        return self.payload, self.crc32c


@dataclass(frozen=True, slots=True)
class Computed:
    """A tensor, or one slice of it, that `step` makes when it is written."""

    step: Step
    extent: TensorSlice | None
    size: int

    @property
    def identity(self) -> Identity:
        """What makes two pieces the same bytes."""
        return self.step.target, self.extent


Piece = Stored | Ready | Computed


class Output(NamedTuple):
    """One entry of the result's index: a tensor under its key, whole (`extent` None) or slice by slice."""

    key: str
    spec: TensorSpec
    pieces: tuple[tuple[TensorSlice | None, Piece], ...]
