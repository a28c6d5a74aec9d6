"""The node of a failed restore: the one that the stock class tells; its stack is not printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from legacy_ckpt.saver import Saver

from .side_by_side import STOCK

tf1 = tf.compat.v1

FAULTS: dict[str, tuple[str, list[int], Any]] = {
    "missing": ("q", [2], tf.float32),
    "another shape": ("w", [3], tf.float32),
    "another dtype": ("w", [2], tf.float64),
}


def failed(api: Any, prefix: str, name: str, shape: list[int], dtype: Any) -> tf.errors.OpError:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("fits", [1])
        tf1.get_variable(name, shape, dtype, use_resource=False)
        with pytest.raises(tf.errors.OpError) as told:
            api(sharded=False).restore(sess, prefix)
    error: tf.errors.OpError = told.value
    return error


@pytest.mark.parametrize(("name", "shape", "dtype"), FAULTS.values(), ids=FAULTS)
def test_a_failed_restore_tells_the_node(name: str, shape: list[int], dtype: Any, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("w", [2])
        tf1.get_variable("fits", [1])
        sess.run(tf1.global_variables_initializer())
        prefix = STOCK.Saver().save(sess, str(tmp_path / "m"))
    stock, ours = (failed(api, prefix, name, shape, dtype) for api in (STOCK.Saver, Saver))
    assert type(ours) is type(stock)
    assert (ours.node_def.name, ours.node_def.op) == (stock.node_def.name, stock.node_def.op)
    assert ours.error_code == stock.error_code
    assert "Original stack trace" not in str(ours)


def test_a_damaged_shard_tells_the_node(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("w", [200])
        sess.run(tf1.global_variables_initializer())
        prefix = STOCK.Saver().save(sess, str(tmp_path / "m"))
    shard = Path(f"{prefix}.data-00000-of-00001")
    shard.write_bytes(b"\x01" * len(shard.read_bytes()))
    for api in (STOCK.Saver, Saver):
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("w", [200])
            with pytest.raises(tf.errors.DataLossError) as told:
                api().restore(sess, prefix)
            assert told.value.node_def.op == "RestoreV2"
