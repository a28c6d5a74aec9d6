"""Checkpoints to measure with: real bytes, sparse files that stand for what no disk holds, many tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from migration.formats.coding import extend_crc32c, mask, masked_crc32c

if TYPE_CHECKING:
    from migration.formats.tensor_bundle import BundleEntry

_BITS = range(32)
Operator = tuple[int, ...]  # what becomes of each bit of a crc's register


def crc_of_zeros(count: int) -> int:
    """The masked crc32c of that many zero bytes, in a time that grows with the number's digits only.

    Zero bytes change a crc's register linearly, so the change of twice as many is the change done twice.
    Source of the idea: crc32_combine of zlib.
    """
    start = ~0 & 0xFFFFFFFF
    one = tuple(_after_zero(1 << bit) ^ _after_zero(0) for bit in _BITS)
    register = start
    while count:
        if count & 1:
            register = _applied(one, register)
        one = tuple(_applied(one, column) for column in one)
        count >>= 1
    return mask(register ^ start)


def _after_zero(register: int) -> int:
    """The register after one zero byte; a crc is its register with all bits turned."""
    return extend_crc32c(register ^ 0xFFFFFFFF, b"\0") ^ 0xFFFFFFFF


def _applied(operator: Operator, register: int) -> int:
    out = 0
    for bit in _BITS:
        if register >> bit & 1:
            out ^= operator[bit]
    return out


def make_equal(folder: Path, size: int, tensors: int, sparse: bool, shards: int = 1) -> Path:
    """A name-based checkpoint of equal float32 tensors, dealt out over the shards: random, or zeros."""
    import numpy as np

    from migration.formats.tensor_bundle import BundleEntry, shard_name
    from migration.tensors import DType, TensorSpec

    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-1000"
    rows = max(size // tensors // 4096, 1)
    spec = TensorSpec(DType.FLOAT32, (rows, 1024))
    nbytes = rows * 4096
    random = np.random.default_rng(0)
    zeros = crc_of_zeros(nbytes)
    entries = {}
    for shard in range(shards):
        numbers = range(shard, tensors, shards)
        with open(shard_name(str(prefix), shard, shards), "wb") as file:
            for place, number in enumerate(numbers):
                crc = zeros
                if not sparse:
                    payload = random.standard_normal((rows, 1024), np.float32).tobytes()
                    crc = masked_crc32c(payload)
                    file.write(payload)
                entries[f"layer_{number}/kernel"] = BundleEntry(spec, shard, place * nbytes, nbytes, crc)
            file.truncate(len(numbers) * nbytes)
    write_index(prefix, entries, shards)
    return prefix


def make_many(folder: Path, keys: int) -> Path:
    """A checkpoint of very many small tensors."""
    from migration.formats.tensor_bundle import BundleEntry, shard_name
    from migration.tensors import DType, TensorSpec

    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-1"
    spec = TensorSpec(DType.FLOAT32, (4,))
    payload = bytes(16)
    crc = masked_crc32c(payload)
    Path(shard_name(str(prefix), 0, 1)).write_bytes(payload * keys)
    write_index(
        prefix,
        {
            f"model/stack_{number // 1000}/layer_{number}/kernel": BundleEntry(spec, 0, number * 16, 16, crc)
            for number in range(keys)
        },
        1,
    )
    return prefix


def write_index(prefix: Path, entries: Mapping[str, BundleEntry], shards: int) -> None:
    """The index file of these entries."""
    from migration.formats.tensor_bundle import BundleHeader, BundleIndex

    ordered = dict(sorted(entries.items()))
    Path(f"{prefix}.index").write_bytes(BundleIndex(BundleHeader(shards), ordered).to_bytes())
