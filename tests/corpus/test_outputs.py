"""Graphs of other people run on their checkpoints, and give what new code gives after a migration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt.outputs import run_graph
from migration import Checkpoint, InputError, execute, make_plan
from migration.testing import assert_same_outputs
from tests.corpus.catalog import NAME_BASED, ROWS

KERNEL_GONE = "tensorflow__tfx__taxi_sm"  # needs an op whose kernel TensorFlow removed: told, never run


@pytest.mark.parametrize("name", NAME_BASED)
def test_the_graph_has_the_variables_values(corpus: Path, name: str) -> None:
    """What the restored graph gives is what lies in the file, under the keys that the Saver gave."""
    source = Checkpoint.open(corpus / ROWS[name]["prefix"])
    if source.meta is None or name == KERNEL_GONE:
        assert source.location.graph_file is None or name == KERNEL_GONE
        return
    keys = {variable: key for variable, key in source.meta.keys.items() if variable in source.meta.variables}
    keys = keys or {variable: variable for variable in source.meta.variables}
    reads = {
        f"{variable}/Read/ReadVariableOp" if source.meta.variables[variable].is_resource else variable: key
        for variable, key in list(keys.items())[:10]
        if key in source
    }
    assert reads
    assert_same_outputs(source, {}, list(reads), lambda: [source.read(key) for key in reads.values()])


def test_a_kernel_that_is_gone_is_told(corpus: Path) -> None:
    source = Checkpoint.open(corpus / ROWS[KERNEL_GONE]["prefix"])
    assert source.location.graph_file is not None
    with pytest.raises(InputError, match="No OpKernel was registered to support Op 'BoostedTreesBucketize'"):
        run_graph(source.prefix, source.location.graph_file, {}, [])


def test_a_migrated_classifier_gives_the_same_answers(corpus: Path, tmp_path: Path) -> None:
    """SeldonIO's MNIST softmax, restored into variables of a tf.Module."""
    source = Checkpoint.open(corpus / ROWS["SeldonIO__seldon-core__deep_mnist"]["prefix"])
    execute(make_plan(source), source, tmp_path / "there")
    kernel, bias = tf.Variable(tf.zeros([784, 10])), tf.Variable(tf.zeros([10]))
    root = tf.train.Checkpoint(Variable_2=kernel, Variable_3=bias)
    root.restore(str(tmp_path / "there")).assert_existing_objects_matched().expect_partial()
    feeds = {"x_1": np.random.default_rng(0).random((16, 784), np.float32)}
    assert_same_outputs(source, feeds, "y_1", lambda x: tf.nn.softmax(x @ kernel + bias), atol=1e-6)
    kernel.assign(kernel * 1.1)
    with pytest.raises(AssertionError, match=r"y_1  float32\[16, 10\]: \d+ of 160 elements differ"):
        assert_same_outputs(source, feeds, "y_1", lambda x: tf.nn.softmax(x @ kernel + bias))
