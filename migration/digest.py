"""What tells two checkpoints with the same tensors from two others, without their data being read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint


def digest_of(checkpoint: Checkpoint, sizes: Sequence[int]) -> str:
    """A sha256 of keys, specs, partitions and checksums; of a V1 checkpoint, of the `sizes` of its files."""
    known, before = hashlib.sha256(), ""
    for key, spec in checkpoint.specs.items():
        name = f"\0{key!a}" if "\n" in key else key  # so that no name stands for two lines
        line = f"{before}{name}\0{spec}\0{_checksums(checkpoint, key, spec)}"
        known.update(line.encode("utf-8", "surrogateescape"))
        before = "\n"
    for size in sizes:
        known.update(f"{before}{size}".encode())
        before = "\n"
    return f"sha256:{known.hexdigest()}"


def _checksums(checkpoint: Checkpoint, key: str, spec: TensorSpec) -> str:
    """Each slice, all of its lengths said, and its checksum."""
    if checkpoint.format == "V1":
        return "[]"
    entry = checkpoint.index.entries[key]
    if not entry.slices:
        return f"[('None', {entry.crc32c})]"
    told = [
        (str(extent and extent.resolved(spec.shape)), part.crc32c) for extent, part in checkpoint.placed(key)
    ]
    return str(told)
