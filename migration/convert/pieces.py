"""The runs of bytes that a result stores, each once, before they have a place.

Pieces are told apart by their identity: two keys that want the same bytes share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.formats.tensor_bundle import BundleEntry, TensorSlice
from migration.planning.plan import Step
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that lie ready-made in a shard: `size` of them at `offset`, part of the tensor or slice `entry`.

    `crc32c` is the masked checksum of just these; for a part of an entry, found by `partial_crcs`.
    """

    side: Checkpoint
    shard: int
    offset: int
    size: int
    crc32c: int
    key: str
    entry: BundleEntry

    @property
    def identity(self) -> tuple[str, int, int, int]:
        """What makes two pieces the same bytes."""
        return self.side.prefix, self.shard, self.offset, self.size


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
    def identity(self) -> tuple[bytes, int]:
        """What makes two pieces the same bytes."""
        return self.payload, self.crc32c


@dataclass(frozen=True, slots=True)
class Computed:
    """A tensor, or one slice of it, that `step` makes when it is written."""

    step: Step
    extent: TensorSlice | None
    size: int

    @property
    def identity(self) -> tuple[str, TensorSlice | None]:
        """What makes two pieces the same bytes."""
        return self.step.target, self.extent


Piece = Stored | Ready | Computed


@dataclass(frozen=True, slots=True)
class Output:
    """One entry of the result's index: a tensor under its key, whole (`extent` None) or one slice of it."""

    key: str
    spec: TensorSpec
    pieces: tuple[tuple[TensorSlice | None, Piece], ...]
