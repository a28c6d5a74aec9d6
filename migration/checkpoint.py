"""A checkpoint, opened: what is in it, under which names, and the values on demand.

Opening reads the index (of a V1 file, its metadata) and nothing else. Reading checks every checksum.

A `Checkpoint` may be used by several threads at once. What it tells is what was there when it was opened:
where its files have been replaced since, a read gives the old values or raises ReplacedError.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from migration.digest import digest_of
from migration.errors import CheckpointNotFoundError, FormatError, MissingKeyError
from migration.formats.object_graph import GRAPH_KEY, ObjectGraph
from migration.formats.sstable import Table
from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleIndex,
    TensorSlice,
    check_tensor,
    decode_tensor,
    shard_name,
)
from migration.formats.tensor_slices import IncompleteSlicesError, check_cover
from migration.location import STATE_FILE, Location, foreign_kind, locate
from migration.once import once
from migration.snapshot import ShardFiles, Snapshot, settled
from migration.stored_file import StoredFile
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.meta_graph import MetaGraph
    from migration.formats.saved_slices import SavedSlices

MANIFEST_KEY = "_CKPT_MIGRATION_MANIFEST"  # what a migration remembers of its source, in the result
_OBJECT_MARKS = ("/.ATTRIBUTES/", "/.OPTIMIZER_SLOT/")


class Style(enum.Enum):
    """How a checkpoint names its tensors: by variable names, by an object graph's keys, or by both."""

    NAME = "name-based"
    OBJECT = "object-based"
    BOTH = "name- and object-based"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Where the bytes of a tensor, or of one of its slices, lie in a file, and their masked crc32c."""

    path: str
    offset: int
    size: int
    crc32c: int
    extent: TensorSlice | None  # the slice of the tensor that it is; None for all of it


class Checkpoint:
    """A V2 bundle or a V1 checkpoint, open for reading, by any number of threads.

    Files are opened at the first read and shared. A process keeps a part of the descriptors that it may
    have at the most, however many checkpoints it reads.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._lock = threading.RLock()
        self._snapshot = Snapshot(location.prefix)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, latest_filename: str = STATE_FILE) -> Checkpoint:
        """The checkpoint that `path` points at.

        `path` is a prefix; one of its files (.index, .data-..., .meta); a V1 file, its prefix or its
        glob; a directory with a state file named `latest_filename` (its latest; a path that is no
        longer true is looked for beside the state file); a SavedModel directory or its variables/.
        `location.remarks` tell where something else than the very path was opened.

        Raises CheckpointNotFoundError, naming the nearest that exist, or FormatError.
        """

        def opened() -> Checkpoint:
            checkpoint = cls(locate(path, latest_filename))
            _ = checkpoint.specs
            return checkpoint

        return settled(opened)

    def __repr__(self) -> str:
        return f"<Checkpoint {self.prefix!r} {self.format}, {len(self.specs)} tensors>"

    @property
    def prefix(self) -> str:
        """What TensorFlow would be given to read it."""
        return self.location.prefix

    @property
    def format(self) -> Literal["V1", "V2"]:
        """The file format."""
        return self.location.format

    # What is in it ---------------------------------------------------------------------------------

    @once
    def index(self) -> BundleIndex:
        """The index of a V2 bundle. Raises FormatError for a V1 checkpoint, which has none."""
        if self.format != "V2":
            raise FormatError(f"{self.prefix} is a V1 checkpoint and has no index")
        file = self._snapshot.keep(StoredFile(self.location.files[0]))
        try:
            return BundleIndex.from_table(Table.open(file, file.path))
        except FormatError:
            _check_kind(file.path)
            raise
        finally:
            file.close()

    @once
    def _saved(self) -> SavedSlices:
        from migration.formats.saved_slices import SavedSlices

        files = [self._snapshot.keep(StoredFile(path)) for path in self.location.files]
        saved = SavedSlices.open(files, [file.path for file in files])
        self._snapshot.check()  # all were open at one moment, then
        return saved

    @once
    def _shards(self) -> ShardFiles:
        count = self.index.header.num_shards
        return ShardFiles(self._snapshot, self.location.files[0], count, self.shard_path)

    @cached_property
    def all_specs(self) -> Mapping[str, TensorSpec]:
        """The spec of every entry, bookkeeping ones included, in the order of their keys."""
        if self.format == "V1":
            return MappingProxyType(dict(sorted(self._saved.specs.items())))
        return MappingProxyType({key: entry.spec for key, entry in sorted(self.index.entries.items())})

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """The spec of every tensor, in the order of the keys; without the object graph and the manifest."""
        hidden = (GRAPH_KEY, MANIFEST_KEY)
        return MappingProxyType({key: spec for key, spec in self.all_specs.items() if key not in hidden})

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `specs`."""
        return tuple(self.specs)

    @cached_property
    def partitions(self) -> Mapping[str, tuple[TensorSlice, ...]]:
        """The slices of every tensor that is stored in parts, lengths resolved, in order of their starts."""
        slices = (
            self._saved.slices
            if self.format == "V1"
            else {key: entry.slices for key, entry in self.index.entries.items() if entry.slices}
        )
        found = {key: _ordered(parts, self.specs[key]) for key, parts in slices.items() if key in self.specs}
        return MappingProxyType(
            {key: parts for key, parts in found.items() if not _is_whole(parts, self.specs[key])}
        )

    @cached_property
    def incomplete(self) -> Mapping[str, str]:
        """Why a tensor cannot be read, for those of which the file holds some slices only."""
        found: dict[str, str] = {}
        for key, parts in self.partitions.items():
            try:
                check_cover(parts, self.specs[key].shape)
            except IncompleteSlicesError as error:
                found[key] = str(error)
        return MappingProxyType(found)

    def spec(self, key: str) -> TensorSpec:
        """The tensor's dtype and shape. Raises MissingKeyError, naming the nearest keys."""
        return self.all_specs[self._known(key)]

    def __contains__(self, key: object) -> bool:
        return key in self.specs

    def _known(self, key: str) -> str:
        if key not in self.all_specs:
            from migration.suggest import nearest

            near = nearest(key, list(self.specs))
            told = f"; the nearest: {', '.join(near)}" if near else ""
            raise MissingKeyError(f"{self.prefix} holds no tensor {key!r}{told}")
        return key

    # How it is named -------------------------------------------------------------------------------

    @cached_property
    def graph(self) -> ObjectGraph | None:
        """The object graph; None where the checkpoint is name-based only."""
        if GRAPH_KEY not in self.all_specs:
            return None
        return ObjectGraph.from_bytes(self._bookkeeping(GRAPH_KEY), f"the object graph of {self.prefix}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The keys that are variable names: all of them, unless an object graph claims them for itself."""
        if self.graph is None:
            return self.keys
        claimed = {attribute.checkpoint_key for _, attribute in self.graph.attributes()}
        return tuple(
            key
            for key in self.keys
            if key not in claimed and not any(mark in f"/{key}" for mark in _OBJECT_MARKS)
        )

    @cached_property
    def style(self) -> Style:
        """Whether names, objects or both lead to the tensors."""
        if self.graph is None:
            return Style.NAME
        return Style.BOTH if self.names else Style.OBJECT

    @cached_property
    def meta(self) -> MetaGraph | None:
        """What the graph beside the checkpoint (.meta or saved_model.pb) tells; None where there is none.

        What is asked of it raises FormatError where the file is there and is no graph.
        """
        path = self.location.graph_file
        if path is None:
            return None
        from migration.formats.meta_graph import MetaGraph

        file = StoredFile(path)
        raw = file.read(0, file.size)
        file.close()
        read = MetaGraph.from_saved_model if path.endswith(".pb") else MetaGraph.from_bytes
        return read(raw, path)

    @cached_property
    def manifest_bytes(self) -> bytes | None:
        """The serialized manifest of the migration that wrote the checkpoint; None where there is none."""
        return self._bookkeeping(MANIFEST_KEY) if MANIFEST_KEY in self.all_specs else None

    def _bookkeeping(self, key: str) -> bytes:
        """What stands under a key that is no tensor's: one string. Raises FormatError for anything else."""
        spec = self.all_specs[key]
        if spec != TensorSpec(DType.STRING, ()):
            raise FormatError(
                f"{self.prefix}: {key} is {spec}, not a string: something else wrote it, or it is "
                "corrupt: copy the file again"
            )
        return bytes(self.read(key).item())

    @cached_property
    def digest(self) -> str:
        """A sha256 of all keys, specs, partitions and checksums: equal digests, equal tensors.

        A V1 checkpoint keeps no checksum a tensor: there, of the sizes of its files instead.
        """
        _ = self.specs  # of V1 files, this has looked at them
        sizes = [self._snapshot.size(path) for path in self.location.files] if self.format == "V1" else []
        return digest_of(self, sizes)

    # Its bytes -------------------------------------------------------------------------------------

    def shard_path(self, shard: int) -> str:
        """The file of that shard of a V2 bundle."""
        return shard_name(self.prefix, shard, self.index.header.num_shards)

    def check_shards(self) -> None:
        """Raises FormatError where a shard is absent, or shorter than the index needs; reads no data."""
        if self.format == "V1":
            return
        sizes = self._shards.sizes(self.index.shards())
        try:
            self.index.check_shards(sizes)
        except FormatError as error:
            for shard in sizes:
                _check_kind(self.shard_path(shard))
            raise FormatError(f"{self.prefix}: {error}") from None

    def shard_file(self, shard: int) -> StoredFile:
        """The open file of that shard.

        Raises FormatError where it is absent or cannot be read, ReplacedError where the checkpoint was
        replaced since it was opened.
        """
        try:
            return self._shards.file(shard)
        except CheckpointNotFoundError:
            raise FormatError(
                f"{self.shard_path(shard)}: absent, but the index of {self.prefix} needs it: "
                "copy the file again"
            ) from None

    def check_unchanged(self) -> None:
        """Raises ReplacedError where the index, a shard that was used or a V1 file is another by now.

        Told by device, inode, size and time of change, as first seen; nothing is read.
        """
        self._snapshot.check()

    def placed(self, key: str) -> tuple[tuple[TensorSlice | None, BundleEntry], ...]:
        """The entries that hold the tensor's bytes: one for the whole (None), or one a slice."""
        entry = self.index.entries[self._known(key)]
        if not entry.slices:
            return ((None, entry),)
        return tuple((extent, self.index.slice_entries[key, extent]) for extent in entry.slices)

    def ranges(self, key: str) -> tuple[ByteRange, ...]:
        """Where the tensor's bytes lie, a range for each slice; of V2 bundles only."""
        return tuple(
            ByteRange(self.shard_path(entry.shard), entry.offset, entry.size, entry.crc32c, extent)
            for extent, entry in self.placed(key)
        )

    def read(self, key: str) -> np.ndarray[Any, np.dtype[Any]]:
        """The tensor as an array of its own: numbers in numpy's or ml_dtypes' type, strings as bytes objects.

        Raises MissingKeyError, FormatError where bytes are missing or a checksum is wrong, or ReplacedError
        where the checkpoint was replaced since it was opened.
        """
        if self._known(key) in self.incomplete:
            raise FormatError(f"tensor {key!r} of {self.prefix} is not all there: {self.incomplete[key]}")
        with self._snapshot.reading():
            return self._saved.read(key) if self.format == "V1" else self._read_bundle(key)

    def _read_bundle(self, key: str) -> np.ndarray[Any, np.dtype[Any]]:
        import numpy as np

        placed = self.placed(key)
        if placed[0][0] is None:
            return self._decode(key, placed[0][1])
        spec = self.all_specs[key]
        whole = np.empty(spec.shape, spec.dtype.numpy)
        for extent, entry in placed:
            assert extent is not None
            whole[extent.index(spec.shape)] = self._decode(key, entry)
        return whole

    def _decode(self, key: str, entry: BundleEntry) -> np.ndarray[Any, np.dtype[Any]]:
        file = self.shard_file(entry.shard)
        file.reach(entry.offset, entry.size)  # before any memory is asked for
        raw = bytearray(entry.size)
        file.read_into(entry.offset, memoryview(raw))
        return decode_tensor(entry, memoryview(raw), f"tensor {key!r} of {self.prefix}")

    def read_bytes(self, key: str) -> tuple[tuple[TensorSlice | None, bytes], ...]:
        """The tensor's bytes as they lie in the shards, checked, by slice; of V2 bundles only."""
        found = []
        with self._snapshot.reading():
            for extent, entry in self.placed(key):
                raw = self.shard_file(entry.shard).read(entry.offset, entry.size)
                check_tensor(entry, raw, f"tensor {key!r} of {self.prefix}")
                found.append((extent, raw))
        return tuple(found)

    def close(self) -> None:
        """Close the files that were opened; a later read opens them again.

        Threads that read at this moment are not disturbed.
        """
        self._snapshot.close()


def _check_kind(path: str) -> None:
    """Raises FormatError where a file that cannot be used is of another kind, such as a Git LFS pointer."""
    kind = foreign_kind(path)
    if kind is not None:
        raise FormatError(f"{path}: {kind}")


def _ordered(parts: tuple[TensorSlice, ...], spec: TensorSpec) -> tuple[TensorSlice, ...]:
    return tuple(sorted((part.resolved(spec.shape) for part in parts), key=lambda part: part.starts))


def _is_whole(parts: tuple[TensorSlice, ...], spec: TensorSpec) -> bool:
    return len(parts) == 1 and parts[0].shape(spec.shape) == spec.shape
