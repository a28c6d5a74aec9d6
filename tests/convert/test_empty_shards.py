"""TensorFlow reads what replaced a checkpoint under further names: empty shards do not disturb it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.planning.planner import make_plan
from tests.bundles import write_bundle

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def target(tmp_path: Path, data: Any) -> str:
    """A result that has replaced another, with one shard more than it needs."""
    arrays = {"kernel": KERNEL, "bias": np.arange(3, dtype=np.int64)}
    source = Checkpoint.open(write_bundle(tmp_path / "source", arrays, num_shards=2))
    prefix = str(tmp_path / "new" / "ckpt-1")
    for _ in range(2):
        receipt = execute(make_plan(source), source, prefix, data=data, keep_names=True, overwrite=True)
    assert Path(f"{prefix}.data-{receipt.shards - 1:05d}-of-{receipt.shards:05d}").stat().st_size == 0
    return prefix


@pytest.mark.parametrize("data", ["copy", "link"])
def test_load_checkpoint(target: str) -> None:
    reader = tf.train.load_checkpoint(target)
    assert reader.get_tensor("kernel").tolist() == KERNEL.tolist()
    assert reader.get_tensor("bias").tolist() == [0, 1, 2]


@pytest.mark.parametrize("data", ["copy", "link"])
def test_checkpoint_restores(target: str) -> None:
    root = tf.Module()
    root.kernel, root.bias = tf.Variable(tf.zeros([2, 3])), tf.Variable(tf.zeros([3], tf.int64))
    tf.train.Checkpoint(root).restore(target).assert_existing_objects_matched()
    assert root.kernel.numpy().tolist() == KERNEL.tolist()
    assert root.bias.numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("data", ["copy", "link"])
def test_saver_restores_and_removes(target: str) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        kernel = tf.compat.v1.get_variable("kernel", [2, 3])
        tf.compat.v1.train.Saver([kernel]).restore(session, target)
        assert session.run(kernel).tolist() == KERNEL.tolist()
    tf.compat.v1.train.remove_checkpoint(target)
    assert list(Path(target).parent.iterdir()) == []
