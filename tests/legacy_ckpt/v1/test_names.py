"""`legacy_ckpt.v1` is `tf.compat.v1` but for the Saver; TensorFlow is untouched; what is gone is told."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tensorflow as tensorflow_itself

import legacy_ckpt
import legacy_ckpt.v1 as tf
from legacy_ckpt.v1.rebinding import rebound

stock = tensorflow_itself.compat.v1

OURS = {
    "Saver",
    "import_meta_graph",
    "export_meta_graph",
    "Scaffold",
    "MonitoredTrainingSession",
    "MonitoredSession",
    "Supervisor",
    "SingularMonitoredSession",
    "ChiefSessionCreator",
    "WorkerSessionCreator",
    "SessionManager",
    "latest_checkpoint",
    "get_checkpoint_state",
    "update_checkpoint_state",
    "checkpoint_exists",
    "get_checkpoint_mtimes",
    "remove_checkpoint",
    "checkpoints_iterator",
    "list_variables",
    "load_variable",
    "load_checkpoint",
    "init_from_checkpoint",
    "warm_start",
}


@pytest.mark.parametrize(
    "name", ["Graph", "placeholder", "get_variable", "AUTO_REUSE", "float32", "__version__"]
)
def test_a_name_is_tensorflows(name: str) -> None:
    assert getattr(tf, name) == getattr(stock, name)


@pytest.mark.parametrize("name", [name for name in dir(stock.train) if not name.startswith("_")])
def test_a_name_of_train_is_tensorflows_unless_it_is_ours(name: str) -> None:
    assert (getattr(tf.train, name) is not getattr(stock.train, name)) == (name in OURS)


def test_every_name_of_tensorflow_is_there() -> None:
    assert {name for name in dir(stock) if not name.startswith("__")} <= set(dir(tf))
    assert set(dir(stock.train)) <= set(dir(tf.train))
    assert tf.compat.v1 is tf
    assert tf.train.Saver is legacy_ckpt.Saver


@pytest.mark.parametrize("cls", ["Saver", "Scaffold", "MonitoredSession", "Supervisor", "SessionManager"])
def test_a_class_of_ours_is_accepted_as_tensorflows(cls: str) -> None:
    assert issubclass(getattr(tf.train, cls), getattr(stock.train, cls))


def test_layers_and_cells_come_from_tf_keras() -> None:
    with tf.Graph().as_default():
        outputs = tf.layers.dense(tf.zeros([2, 3]), 4, name="out")
        cell = tf.nn.rnn_cell.BasicLSTMCell(5)
        tf.nn.dynamic_rnn(cell, tf.zeros([2, 7, 3]), dtype=tf.float32)
        names = [each.op.name for each in tf.global_variables()]
    assert outputs.shape == (2, 4)
    assert names == ["out/kernel", "out/bias", "rnn/basic_lstm_cell/kernel", "rnn/basic_lstm_cell/bias"]
    assert "dense" in dir(tf.layers)
    assert "rnn_cell" in dir(tf.nn)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("contrib.slim", "tf_slim"),
        ("contrib.rnn", "tf.nn.rnn_cell"),
        ("contrib.anything", "only tf.contrib.framework's checkpoint functions"),
        ("contrib.framework.arg_scope", "tf_slim has the rest"),
        pytest.param(
            "estimator",
            "removed in TensorFlow 2.16",
            marks=pytest.mark.skipif(hasattr(stock, "estimator"), reason="this TensorFlow still has it"),
        ),
        ("examples", "tf.keras.datasets"),
        ("nonsense", "tf.compat.v1 of the installed TensorFlow does not have it"),
        ("train.nonsense", "legacy_ckpt.v1 has no tf.train.nonsense"),
        ("layers.nonsense", "legacy_ckpt.v1 has no tf.layers.nonsense"),
        ("nn.nonsense", "legacy_ckpt.v1 has no tf.nn.nonsense"),
        ("compat.nonsense", "legacy_ckpt.v1 has no tf.compat.nonsense"),
    ],
)
def test_what_is_gone_says_what_to_use(path: str, told: str) -> None:
    with pytest.raises(AttributeError) as caught:
        _reach(path)
    assert told in str(caught.value)


def _reach(path: str) -> object:
    found: object = tf
    for name in path.split("."):
        found = getattr(found, name)
    return found


def test_star_import_and_submodules() -> None:
    names: dict[str, object] = {}
    exec("from legacy_ckpt.v1 import *; from legacy_ckpt.v1.train import Saver as S", names)
    assert names["train"] is tf.train
    assert names["S"] is legacy_ckpt.Saver
    assert names["placeholder"] is stock.placeholder


def test_tensorflow_keeps_its_own_classes() -> None:
    assert stock.train.Saver is not legacy_ckpt.Saver
    assert type(stock.train.Saver).__module__ == "builtins"
    with tf.Graph().as_default():
        stock.get_variable("w", [2])
        scaffold = stock.train.Scaffold().finalize()
        assert type(scaffold.saver) is stock.train.Saver


def test_a_global_that_tensorflow_no_longer_uses_is_told() -> None:
    with pytest.raises(ImportError, match=r"does not use no_such_name"):
        rebound(stock.train.MonitoredTrainingSession, no_such_name=1)


def test_tf1_switches_to_version_1_behaviour_and_v1_does_not() -> None:
    code = (
        "import tensorflow as real\n"
        "import legacy_ckpt.v1\n"
        "assert real.executing_eagerly()\n"
        "import legacy_ckpt.tf1 as tf\n"
        "assert not real.executing_eagerly()\n"
        "assert tf.train is legacy_ckpt.v1.train\n"
        "assert 'placeholder' in dir(tf)\n"
        "print(type(tf.get_variable('w', [2])).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "RefVariable"


def test_every_public_name_of_the_package_is_there() -> None:
    assert sorted(legacy_ckpt.__all__) == list(legacy_ckpt.__all__)
    assert all(getattr(legacy_ckpt, name) is not None for name in legacy_ckpt.__all__)
    assert set(legacy_ckpt.__all__) <= set(dir(legacy_ckpt))
    assert "tf1" not in dir(legacy_ckpt)  # to look at it would switch TensorFlow
    with pytest.raises(AttributeError, match="'legacy_ckpt' has no attribute 'nothing'"):
        _ = legacy_ckpt.nothing
