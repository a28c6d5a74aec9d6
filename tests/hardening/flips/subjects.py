"""Small checkpoints of every kind, to be damaged one bit at a time, and one that is larger."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.formats.proto import bundle_pb2
from migration.formats.sstable import BytesSource, Table, build_table
from migration.formats.tensor_slices import TensorSlice, slice_key
from migration.planning.planner import make_plan
from migration.tensors import DType
from tests.bundles import write_bundle

SAMPLE = Path(__file__).parents[2] / "sample"  # a real one of TensorFlow 1, with its .meta
Arrays = Mapping[str, np.ndarray[Any, Any]]

FEW: Arrays = {
    "a/kernel": np.array([[1.5, -2.0], [0.25, 3.0]], np.float32),
    "a/bias": np.array([1, -1], ml_dtypes.bfloat16),
    "flag": np.array([True, False, True]),
    "global_step": np.array(7, np.int64),
}
WORDS: Arrays = {"words": np.array([b"", b"one", b"\xff\0two"], object), "none": np.zeros((0, 3), np.float64)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A checkpoint in a directory of its own; `source` is the prefix of what it was made of, if anything."""

    name: str
    prefix: str
    source: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose every bit counts."""
        folder = Path(self.prefix.partition("-?")[0]).parent
        return tuple(sorted(str(path) for path in folder.iterdir() if not path.name.endswith(".meta")))


def every_kind(folder: Path) -> list[Subject]:
    """One of each kind, written into `folder`."""
    found = []
    for name, make in _KINDS.items():
        (folder / name).mkdir()
        source, prefix = make(folder / name)
        found.append(Subject(name=name, prefix=prefix, source=source))
    return found


def large(folder: Path, tensors: int, rows: int) -> str:
    """The prefix of a bundle of a few MB whose index has several blocks."""
    random = np.random.default_rng(7)
    arrays = {
        f"layer_{number:04d}/kernel": random.standard_normal((rows, 8)).astype(np.float32)
        for number in range(tensors)
    }
    prefix = write_bundle(folder / "large", arrays, num_shards=2)
    _rewrite_index(prefix, block_size=2048, compress=False)
    return prefix


def _one_shard(folder: Path) -> tuple[str | None, str]:
    return None, write_bundle(folder / "ckpt", FEW)


def _two_shards(folder: Path) -> tuple[str | None, str]:
    return None, write_bundle(folder / "ckpt", {**FEW, **WORDS}, num_shards=2)


def _in_parts(folder: Path) -> tuple[str | None, str]:
    arrays = {"emb": np.arange(15, dtype=np.float32).reshape(5, 3), "b": np.ones(2, np.int32)}
    return None, write_bundle(folder / "ckpt", arrays, parts={"emb": 3}, num_shards=2)


def _strings(folder: Path) -> tuple[str | None, str]:
    return None, write_bundle(folder / "ckpt", WORDS)


def _snappy(folder: Path) -> tuple[str | None, str]:
    arrays = {
        f"scope/with/a/long/name/variable_{number}": np.full(2, number, np.int16) for number in range(9)
    }
    prefix = write_bundle(folder / "ckpt", arrays)
    _rewrite_index(prefix, block_size=200, compress=True)
    return None, prefix


def _rewrite_index(prefix: str, block_size: int, compress: bool) -> None:
    path = Path(f"{prefix}.index")
    items = list(Table.open(BytesSource(path.read_bytes())).items())
    path.write_bytes(build_table(items, block_size=block_size, compress=compress))


def _object_based(folder: Path) -> tuple[str | None, str]:
    return _migrated(folder, manifest=False)


def _with_manifest(folder: Path) -> tuple[str | None, str]:
    return _migrated(folder)


def _keep_names(folder: Path) -> tuple[str | None, str]:
    return _migrated(folder, keep_names=True)


def _linked(folder: Path) -> tuple[str | None, str]:
    return _migrated(folder, data="link")


def _migrated(folder: Path, **how: Any) -> tuple[str | None, str]:
    """A result of the migration; its source stands in another directory, so that it is not damaged too
    (the shards of a linked one are, as they are the same)."""
    aside = folder.with_name(f"{folder.name} source")
    aside.mkdir()
    source = write_bundle(aside / "ckpt", FEW)
    opened = Checkpoint.open(source)
    execute(make_plan(opened), opened, str(folder / "ckpt"), **how)
    return source, str(folder / "ckpt")


def _v1(folder: Path) -> tuple[str | None, str]:
    (folder / "ckpt").write_bytes(v1_table({**FEW, **WORDS}))
    return None, str(folder / "ckpt")


def _v1_sharded(folder: Path) -> tuple[str | None, str]:
    names = list(FEW)
    for number, some in enumerate((names[:2], names[2:])):
        raw = v1_table({name: FEW[name] for name in some})
        (folder / f"ckpt-{number:05d}-of-00002").write_bytes(raw)
    return None, str(folder / "ckpt-?????-of-00002")


def v1_table(arrays: Arrays) -> bytes:
    """A V1 file of whole tensors."""
    head = bundle_pb2.SavedTensorSlices()
    head.meta.versions.producer = 1
    items = []
    for name, array in arrays.items():
        dtype, part = DType.from_numpy(array.dtype), TensorSlice.whole(array.ndim)
        meta = head.meta.tensor.add(name=name, type=dtype.value)
        meta.shape.SetInParent()
        for size in array.shape:
            meta.shape.dim.add(size=size)
        part.fill(meta.slice.add())
        message = bundle_pb2.SavedTensorSlices()
        message.data.name = name
        part.fill(message.data.slice)
        message.data.slice.SetInParent()
        if dtype is DType.STRING:
            message.data.data.string_val.extend(array.ravel().tolist())
        else:
            message.data.data.dtype = dtype.value
            message.data.data.tensor_shape.CopyFrom(meta.shape)
            message.data.data.tensor_content = array.tobytes()
        items.append((slice_key(name.encode(), part), message.SerializeToString()))
    return build_table(sorted([(b"", head.SerializeToString()), *items]), block_size=64)


def _sample(folder: Path) -> tuple[str | None, str]:
    for path in SAMPLE.glob("model.ckpt-100.*"):
        if not path.name.endswith(".meta"):
            shutil.copy(path, folder)
    return None, os.path.join(folder, "model.ckpt-100")


_KINDS: Mapping[str, Callable[[Path], tuple[str | None, str]]] = {
    "V2, one shard": _one_shard,
    "V2, two shards, strings": _two_shards,
    "V2, partitioned": _in_parts,
    "V2, strings alone": _strings,
    "V2, index compressed": _snappy,
    "V2, written by TensorFlow 1": _sample,
    "object-based": _object_based,
    "result with its manifest": _with_manifest,
    "result that keeps names": _keep_names,
    "result of link": _linked,
    "V1": _v1,
    "V1, two files": _v1_sharded,
}
