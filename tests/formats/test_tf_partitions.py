"""TensorFlow as the oracle of partitioned variables and of several shards, both ways."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from migration.formats.tensor_bundle import BundleEntry, BundleHeader, BundleIndex, TensorSlice, encode_tensor
from migration.tensors import DType, TensorSpec
from tests.formats.bundle_files import Array, read_bundle, read_index

v1 = tf.compat.v1


def partitioned_graph(ref_variables: bool) -> dict[str, Array]:
    """Makes variables on three devices in the default graph, some in parts; their whole values by name."""
    wholes: dict[str, Array] = {
        "rows": np.arange(35, dtype=np.float32).reshape(7, 5),
        "columns": np.arange(24, dtype=np.float64).reshape(2, 12),
        "whole": np.arange(3, dtype=np.int32),
        "scalar": np.array(7, np.int64),
    }
    partitioners = {
        "rows": v1.fixed_size_partitioner(3, axis=0),
        "columns": v1.fixed_size_partitioner(5, axis=1),
    }
    devices = itertools.cycle(["/cpu:0", "/cpu:1", "/cpu:2"])
    variables_apart = v1.device(
        lambda op: next(devices) if op.type in ("VarHandleOp", "VariableV2") else op.device
    )
    with variables_apart, v1.variable_scope("scope", use_resource=not ref_variables):
        for name, value in wholes.items():
            v1.get_variable(
                name,
                shape=value.shape,
                dtype=value.dtype,
                initializer=lambda shape, dtype=None, partition_info=None, value=value: tf.constant(
                    value[
                        tuple(
                            slice(start, start + size)
                            for start, size in zip(
                                partition_info.var_offset if partition_info else [0] * value.ndim,
                                shape,
                                strict=True,
                            )
                        )
                    ]
                ),
                partitioner=partitioners.get(name),
            )
    return {f"scope/{name}": value for name, value in wholes.items()}


@pytest.mark.parametrize("ref_variables", [False, True], ids=["resource", "ref"])
@pytest.mark.parametrize("sharded", [False, True], ids=["one shard", "sharded"])
def test_partitioned_and_sharded_both_ways(ref_variables: bool, sharded: bool, tmp_path: Path) -> None:
    prefix = tmp_path / "model.ckpt"
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": 3})) as session:
        wholes = partitioned_graph(ref_variables)
        session.run(v1.global_variables_initializer())
        v1.train.Saver(sharded=sharded).save(session, str(prefix))
    index = read_index(prefix)
    assert (index.header.num_shards > 1) == sharded
    assert len(index.entries["scope/rows"].slices) == 3
    assert len(index.slice_entries) == 8
    found = read_bundle(prefix)
    assert {key: array.tolist() for key, array in found.items()} == {k: a.tolist() for k, a in wholes.items()}

    renamed = BundleIndex(
        index.header,
        {f"new/{key}": entry for key, entry in index.entries.items()},
        {(f"new/{key}", part): entry for (key, part), entry in index.slice_entries.items()},
    )
    Path(f"{prefix}.index").write_bytes(renamed.to_bytes())
    reader = tf.train.load_checkpoint(str(prefix))
    for key, array in wholes.items():
        np.testing.assert_array_equal(reader.get_tensor(f"new/{key}"), array)


def test_slices_that_we_cut_are_restored_whole_and_in_other_cuts(tmp_path: Path) -> None:
    prefix = tmp_path / "m"
    whole = np.arange(60, dtype=np.float32).reshape(6, 10)
    parts = [TensorSlice((0, 0), (4, None)), TensorSlice((4, 0), (2, 3)), TensorSlice((4, 3), (2, 7))]
    shard, slices = bytearray(), {}
    for part in parts:
        piece = whole[part.index(whole.shape)]
        raw, crc = encode_tensor(piece, DType.FLOAT32)
        slices["emb", part] = BundleEntry(
            TensorSpec(DType.FLOAT32, piece.shape), 0, len(shard), len(raw), crc
        )
        shard += raw
    entry = BundleEntry(TensorSpec(DType.FLOAT32, whole.shape), 0, 0, 0, 0, tuple(parts))
    Path(f"{prefix}.data-00000-of-00001").write_bytes(shard)
    Path(f"{prefix}.index").write_bytes(BundleIndex(BundleHeader(1), {"emb": entry}, slices).to_bytes())
    restored, lower = tf.raw_ops.RestoreV2(
        prefix=str(prefix),
        tensor_names=["emb", "emb"],
        shape_and_slices=["", "6 10 3,3:2,5"],
        dtypes=[tf.float32] * 2,
    )
    np.testing.assert_array_equal(restored, whole)
    np.testing.assert_array_equal(lower, whole[3:6, 2:7])
