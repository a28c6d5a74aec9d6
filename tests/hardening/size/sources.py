"""Sources of all sizes, made without holding them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ckpt_tools.benchmark_sources import crc_of_zeros, make_equal, make_many, write_index

from migration.formats.coding import extend_crc32c, mask, masked_crc32c
from migration.formats.string_tensors import encode_strings
from migration.formats.tensor_bundle import (
    BundleEntry,
    BundleHeader,
    BundleIndex,
    TensorSlice,
    shard_name,
)
from migration.tensors import DType, TensorSpec

COLUMNS = 8  # of the partitioned variable
BLOCK = 1 << 24
SMALL = ("small", np.arange(24, dtype=np.float32))  # the one tensor with bytes among sparse ones
SMALL_HOLE = "hole_of_16_MiB"


def many(folder: Path, keys: int) -> Path:
    """Very many small tensors."""
    return make_many(folder, keys)


def equal(folder: Path, size: int, tensors: int, shards: int = 1) -> Path:
    """Random numbers, all tensors of one size."""
    return make_equal(folder, size, tensors, False, shards)


def sparse(folder: Path, size: int, shards: int, tensors: int) -> Path:
    """Files of `size` bytes together that take next to no place: zeros but for the tensor `SMALL`."""
    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-7"
    elements = size // tensors // 4
    whole = TensorSpec(DType.FLOAT32, (elements // 1024, 1024))
    nbytes = whole.nbytes or 0
    crc, hole = crc_of_zeros(nbytes), TensorSpec(DType.UINT8, (1 << 24,))
    entries = {}
    for shard in range(shards):
        numbers = range(shard, tensors, shards)
        end = len(numbers) * nbytes
        for place, number in enumerate(numbers):
            entries[f"layer_{number}/kernel"] = BundleEntry(whole, shard, place * nbytes, nbytes, crc)
        with open(shard_name(str(prefix), shard, shards), "wb") as file:
            file.truncate(end)
            if shard == shards - 1:  # behind the holes: its offset does not fit 32 bits
                entries[SMALL_HOLE] = BundleEntry(hole, shard, end, 1 << 24, crc_of_zeros(1 << 24))
                end += 1 << 24
                raw = SMALL[1].tobytes()
                spec = TensorSpec(DType.FLOAT32, SMALL[1].shape)
                entries[SMALL[0]] = BundleEntry(spec, shard, end, len(raw), masked_crc32c(raw))
                file.seek(end)
                file.write(raw)
    write_index(prefix, entries, shards)
    return prefix


def partitioned(folder: Path, parts: int, rows: int) -> Path:
    """One variable, `table`, in many partitions of `rows` rows each; each element is its number."""
    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-7"
    spec = TensorSpec(DType.FLOAT32, (parts * rows, COLUMNS))
    part_spec = TensorSpec(DType.FLOAT32, (rows, COLUMNS))
    table = np.arange(spec.size, dtype=np.float32).reshape(spec.shape)
    slices = {}
    with open(shard_name(str(prefix), 0, 1), "wb") as file:
        for number in range(parts):
            raw = table[number * rows : (number + 1) * rows].tobytes()
            extent = TensorSlice((number * rows, 0), (rows, COLUMNS))
            place = number * len(raw)
            slices["table", extent] = BundleEntry(part_spec, 0, place, len(raw), masked_crc32c(raw))
            file.write(raw)
    entries = {"table": BundleEntry(spec, 0, 0, 0, 0, tuple(extent for _, extent in slices))}
    Path(f"{prefix}.index").write_bytes(BundleIndex(BundleHeader(1), entries, slices).to_bytes())
    return prefix


def one_tensor(folder: Path, size: int, seed: int) -> Path:
    """One large tensor `large` of random bytes as float32 [n, 1024], and a small one behind it."""
    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-7"
    rows = size // 4096
    crc = 0
    with open(shard_name(str(prefix), 0, 1), "wb") as file:
        for block in _random(rows * 4096, seed):
            crc = extend_crc32c(crc, block)
            file.write(block)
        small = SMALL[1].tobytes()
        file.write(small)
    small_spec = TensorSpec(DType.FLOAT32, SMALL[1].shape)
    entries = {
        "large": BundleEntry(TensorSpec(DType.FLOAT32, (rows, 1024)), 0, 0, rows * 4096, mask(crc)),
        SMALL[0]: BundleEntry(small_spec, 0, rows * 4096, len(small), masked_crc32c(small)),
    }
    write_index(prefix, entries, 1)
    return prefix


def _random(size: int, seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for start in range(0, size, BLOCK):
        yield random.bytes(min(BLOCK, size - start))


def strings(folder: Path, count: int, each: int, seed: int) -> Path:
    """One string tensor `words` of `count` elements of `each` random bytes."""
    folder.mkdir(parents=True)
    prefix = folder / "model.ckpt-7"
    random = np.random.default_rng(seed)
    payload, crc = encode_strings([random.bytes(each) for _ in range(count)])
    with open(shard_name(str(prefix), 0, 1), "wb") as file:
        file.write(payload)
    spec = TensorSpec(DType.STRING, (count,))
    write_index(prefix, {"words": BundleEntry(spec, 0, 0, len(payload), crc)}, 1)
    return prefix


def with_graph(folder: Path, size: int) -> Path:
    """A small checkpoint beside a .meta of about `size` bytes, most of it one constant."""
    from migration.formats.proto import meta_graph_pb2 as pb

    prefix = make_equal(folder, 4096, 1, False)
    message = pb.MetaGraph()
    node = message.graph_def.node.add(name="large", op="Const")
    node.attr["value"].tensor.tensor_content = bytes(size)
    Path(f"{prefix}.meta").write_bytes(message.SerializeToString())
    return prefix
