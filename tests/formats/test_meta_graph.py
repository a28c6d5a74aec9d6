"""Graphs that TensorFlow wrote, asked for variables, optimizer steps, constants and gates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tf_keras.src.layers.rnn.legacy_cells import BasicLSTMCell, MultiRNNCell

from migration.errors import FormatError
from migration.formats.meta_graph import MetaGraph
from migration.formats.proto import meta_graph_pb2
from migration.tensors import DType

v1 = tf.compat.v1


def graph_of(build: Callable[[], Any], *, resource: bool = True, control_flow_v2: bool = False) -> MetaGraph:
    """The graph that `build` builds, with a Saver of all that it made, as its `.meta` tells it."""
    (v1.enable_control_flow_v2 if control_flow_v2 else v1.disable_control_flow_v2)()
    try:
        with tf.Graph().as_default(), v1.variable_scope("", use_resource=resource):
            build()
            saver = v1.train.Saver().as_saver_def()
            raw = v1.train.export_meta_graph(saver_def=saver, strip_default_attrs=True).SerializeToString()
    finally:
        v1.enable_control_flow_v2()
    return MetaGraph.from_bytes(raw)


def variable(name: str, *shape: int, **settings: Any) -> Any:
    return v1.get_variable(name, shape, tf.float32, **settings)


def dense_loss() -> Any:
    return tf.reduce_sum(tf.matmul(v1.placeholder(tf.float32, (None, 3)), variable("w", 3, 2)) ** 2)


# Variables and their keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("resource", [True, False])
def test_variables_come_in_creation_order(resource: bool) -> None:
    def build() -> None:
        variable("z", 2, 3)
        v1.get_variable("a", (), tf.int64, trainable=False)
        variable("m/b", 4)

    graph = graph_of(build, resource=resource)
    assert list(graph.variables) == ["z", "a", "m/b"]
    found = graph.variables["a"]
    assert (found.shape, found.dtype, found.is_resource, found.trainable) == (
        (),
        DType.INT64,
        resource,
        False,
    )
    assert graph.variables["z"].trainable
    assert graph.tensorflow_version == tf.__version__


@pytest.mark.parametrize("resource", [True, False])
def test_partitioned_variables_share_a_key(resource: bool) -> None:
    graph = graph_of(
        lambda: variable("emb", 10, 4, partitioner=v1.fixed_size_partitioner(3)), resource=resource
    )
    parts = graph.saved["emb"]
    assert [part.variable for part in parts] == [f"emb/part_{n}" for n in range(3)]
    assert parts[1].slice_spec == "10 4 4,3:0,4"
    assert graph.keys["emb/part_2"] == "emb"
    part = graph.variables["emb/part_1"]
    assert (part.slice_of, part.slice_start, part.slice_total, part.shape) == ("emb", (4, 0), (10, 4), (3, 4))


def test_a_saver_may_give_keys_of_its_own() -> None:
    with tf.Graph().as_default():
        weight, bias = variable("w", 2), variable("b", 2)
        v1.train.Saver([weight])  # another saver, under the variable's own name
        saver = v1.train.Saver({"kernel": weight, "bias": bias})
        raw = v1.train.export_meta_graph(saver_def=saver.as_saver_def()).SerializeToString()
    graph = MetaGraph.from_bytes(raw)
    assert graph.keys == {"w": "kernel", "b": "bias"}


def test_a_saver_of_shards() -> None:
    with tf.Graph().as_default():
        with tf.device("/cpu:0"):
            variable("a", 2)
        with tf.device("/job:ps/task:1"):
            variable("b", 2)
        saver = v1.train.Saver(sharded=True)
        raw = v1.train.export_meta_graph(saver_def=saver.as_saver_def()).SerializeToString()
    assert MetaGraph.from_bytes(raw).keys == {"a": "a", "b": "b"}


# Optimizer steps -------------------------------------------------------------------------------------

OPTIMIZERS: dict[str, tuple[Callable[[], Any], str, dict[str, str], dict[str, float]]] = {
    "Adam": (
        lambda: v1.train.AdamOptimizer(0.01, beta1=0.8),
        "Adam",
        {"m": "w/Adam", "v": "w/Adam_1"},
        {"lr": 0.01, "beta1": 0.8, "beta2": 0.999, "epsilon": 1e-8},
    ),
    "Momentum": (
        lambda: v1.train.MomentumOptimizer(0.1, 0.7),
        "Momentum",
        {"accum": "w/Momentum"},
        {"lr": 0.1, "momentum": 0.7},
    ),
    "RMSProp": (
        lambda: v1.train.RMSPropOptimizer(0.1, decay=0.8, momentum=0.5),
        "RMSProp",
        {"ms": "w/RMSProp", "mom": "w/RMSProp_1"},
        {"lr": 0.1, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-10},
    ),
    "centered RMSProp": (
        lambda: v1.train.RMSPropOptimizer(0.1, centered=True),
        "CenteredRMSProp",
        {"ms": "w/RMSProp", "mg": "w/RMSProp_1", "mom": "w/RMSProp_2"},
        {"lr": 0.1, "rho": 0.9, "momentum": 0.0},
    ),
    "Adagrad": (lambda: v1.train.AdagradOptimizer(0.1), "Adagrad", {"accum": "w/Adagrad"}, {"lr": 0.1}),
    "Adadelta": (
        lambda: v1.train.AdadeltaOptimizer(0.1, rho=0.9),
        "Adadelta",
        {"accum": "w/Adadelta", "accum_update": "w/Adadelta_1"},
        {"lr": 0.1, "rho": 0.9, "epsilon": 1e-8},
    ),
    "Ftrl": (
        lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.2, beta=0.02),
        "Ftrl",
        {"accum": "w/Ftrl", "linear": "w/Ftrl_1"},
        {"lr": 0.1, "l1": 0.2, "l2": 0.1, "lr_power": -0.5},
    ),
    "GradientDescent": (lambda: v1.train.GradientDescentOptimizer(0.1), "GradientDescent", {}, {"lr": 0.1}),
}


@pytest.mark.parametrize("resource", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fused_steps(name: str, resource: bool) -> None:
    make, kind, slots, numbers = OPTIMIZERS[name]
    graph = graph_of(lambda: make().minimize(dense_loss()), resource=resource)
    (update,) = graph.updates
    assert (update.kind, update.variable, update.slots) == (kind, "w", slots)
    for role, value in numbers.items():
        assert update.numbers[role].constant == pytest.approx(value, rel=1e-6)


def test_nesterov_and_rates_that_are_no_constants() -> None:
    def build() -> None:
        loss, step = dense_loss(), v1.train.get_or_create_global_step()
        rate = v1.train.exponential_decay(0.1, step, 10, 0.9)
        v1.train.MomentumOptimizer(rate, 0.9, use_nesterov=True, name="one").minimize(loss, global_step=step)
        v1.train.MomentumOptimizer(variable("rate"), 0.9, name="two").minimize(loss)
        v1.train.MomentumOptimizer(v1.placeholder_with_default(0.1, ()), 0.9, name="three").minimize(loss)

    one, two, three = graph_of(build).updates
    assert (one.nesterov, one.scope, one.numbers["lr"].constant, one.numbers["lr"].variable) == (
        True,
        "one",
        None,
        None,
    )
    assert (two.nesterov, two.numbers["lr"].variable) == (False, "rate")
    assert (three.numbers["lr"].constant, three.numbers["lr"].variable) == (None, None)  # it can be fed


@pytest.mark.parametrize("resource", [True, False])
def test_adam_of_an_embedding_is_made_of_plain_ops(resource: bool) -> None:
    def build() -> None:
        table = variable("emb", 10, 4)
        loss = tf.reduce_sum(v1.nn.embedding_lookup(table, v1.placeholder(tf.int64, (None,))) ** 2)
        v1.train.AdamOptimizer(0.02, beta1=0.8, beta2=0.95, epsilon=1e-5).minimize(loss)

    (update,) = graph_of(build, resource=resource).updates
    assert (update.kind, update.variable, update.slots) == (
        "Adam",
        "emb",
        {"m": "emb/Adam", "v": "emb/Adam_1"},
    )
    assert {role: feed.constant for role, feed in update.numbers.items() if feed.constant is not None} == {
        "lr": pytest.approx(0.02),
        "beta1": pytest.approx(0.8),
        "beta2": pytest.approx(0.95),
        "epsilon": pytest.approx(1e-5),
    }
    assert update.numbers["beta1_power"].variable == "beta1_power"
    assert update.numbers["beta2_power"].variable == "beta2_power"


@pytest.mark.parametrize("resource", [True, False])
def test_a_lazy_adam_updates_rows(resource: bool) -> None:
    """The update rule of contrib's LazyAdam, written out: moments of the rows that were met, no others."""

    def build() -> None:
        table, m, v = (
            variable("emb", 10, 4),
            variable("emb/LazyAdam", 10, 4),
            variable("emb/LazyAdam_1", 10, 4),
        )
        power1, power2 = (
            v1.get_variable("beta1_power", initializer=0.9),
            v1.get_variable("beta2_power", initializer=0.999),
        )
        ids = v1.placeholder(tf.int64, (None,))
        gradient = v1.gradients(tf.reduce_sum(v1.nn.embedding_lookup(table, ids) ** 2), table)[0]
        rate = 0.01 * tf.sqrt(1 - power2) / (1 - power1)
        rows, grad = gradient.indices, gradient.values
        m_rows = 0.9 * tf.gather(m, rows) + (1 - 0.9) * grad
        v_rows = 0.999 * tf.gather(v, rows) + (1 - 0.999) * grad * grad
        v1.scatter_update(m, rows, m_rows)
        v1.scatter_update(v, rows, v_rows)
        v1.scatter_sub(table, rows, rate * m_rows / (tf.sqrt(v_rows) + 1e-8))

    (update,) = graph_of(build, resource=resource).updates
    assert (update.kind, update.variable) == ("Adam", "emb")
    assert update.slots == {"m": "emb/LazyAdam", "v": "emb/LazyAdam_1"}
    assert update.numbers["lr"].constant == pytest.approx(0.01)
    assert update.numbers["beta1"].constant == pytest.approx(0.9)


@pytest.mark.parametrize("resource", [True, False])
def test_an_adam_with_weight_decay_and_no_correction(resource: bool) -> None:
    """The update rule of google-research/bert's optimizer, written out."""

    def build() -> None:
        loss, w = dense_loss(), v1.trainable_variables()[0]
        m, v = variable("w/adam_m", 3, 2, trainable=False), variable("w/adam_v", 3, 2, trainable=False)
        grad = v1.gradients(loss, w)[0]
        next_m = tf.multiply(0.9, m) + tf.multiply(1.0 - 0.9, grad)
        next_v = tf.multiply(0.999, v) + tf.multiply(1.0 - 0.999, tf.square(grad))
        update = next_m / (tf.sqrt(next_v) + 1e-6)
        update += 0.01 * w
        tf.group(w.assign(w - 2e-5 * update), m.assign(next_m), v.assign(next_v))

    (update,) = graph_of(build, resource=resource).updates
    assert (update.kind, update.slots) == ("AdamWeightDecay", {"m": "w/adam_m", "v": "w/adam_v"})
    assert update.numbers["lr"].constant == pytest.approx(2e-5)
    assert update.numbers["epsilon"].constant == pytest.approx(1e-6)
    assert update.numbers["beta2"].constant == pytest.approx(0.999)


@pytest.mark.parametrize("resource", [True, False])
def test_an_adam_whose_powers_are_computed(resource: bool) -> None:
    """The update rule of Keras before TensorFlow 1.13, written out: slots are called Variable, Variable_1."""

    def build() -> None:
        loss, w = dense_loss(), v1.trainable_variables()[0]
        rate, count = variable("Adam/lr", trainable=False), variable("Adam/iterations", trainable=False)
        beta1, beta2 = variable("Adam/beta_1", trainable=False), variable("Adam/beta_2", trainable=False)
        m, v = (
            variable(f"training/Adam/{name}", 3, 2, trainable=False) for name in ("Variable", "Variable_1")
        )
        grad, t = v1.gradients(loss, w)[0], count + 1
        rate_t = rate * (tf.sqrt(1.0 - tf.pow(beta2, t)) / (1.0 - tf.pow(beta1, t)))
        m_t = (beta1 * m) + (1.0 - beta1) * grad
        v_t = (beta2 * v) + (1.0 - beta2) * tf.square(grad)
        tf.group(w.assign(w - rate_t * m_t / (tf.sqrt(v_t) + 1e-7)), m.assign(m_t), v.assign(v_t))

    (update,) = graph_of(build, resource=resource).updates
    assert (update.kind, update.variable) == ("Adam", "w")
    assert update.slots == {"m": "training/Adam/Variable", "v": "training/Adam/Variable_1"}
    assert update.numbers["lr"].variable == "Adam/lr"
    assert (update.numbers["beta1_power"].constant, update.numbers["beta1_power"].variable) == (None, None)


# Steps, averages, gates ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [tf.int64, tf.int32, tf.float32])
def test_the_step_is_what_training_counts(dtype: tf.DType) -> None:
    def build() -> None:
        step = v1.get_variable("ranking/Variable", (), dtype, trainable=False)
        v1.get_variable("other", (), tf.int64, trainable=False)
        v1.train.GradientDescentOptimizer(0.1).minimize(dense_loss(), global_step=step)

    assert graph_of(build).global_step == "ranking/Variable"


def test_averages_of_variables_and_not_of_batches() -> None:
    def build() -> None:
        loss = dense_loss()
        v1.train.ExponentialMovingAverage(0.99, name="shadow").apply([v1.trainable_variables()[0], loss])
        moving = variable("moving_mean", 2, trainable=False)
        v1.assign_sub(moving, (moving - tf.reduce_mean(v1.placeholder(tf.float32, (None, 2)), 0)) * 0.1)

    assert graph_of(build).averages == {"w/shadow": "w"}


@pytest.mark.parametrize("control_flow_v2", [True, False], ids=["while in a function", "while in the graph"])
@pytest.mark.parametrize("resource", [True, False])
def test_forget_biases_and_steps_behind_control_flow(control_flow_v2: bool, resource: bool) -> None:
    def build() -> None:
        cell = MultiRNNCell([BasicLSTMCell(5, forget_bias=0.7), BasicLSTMCell(4, forget_bias=2.0)])
        outputs, _ = v1.nn.dynamic_rnn(cell, v1.placeholder(tf.float32, (None, 6, 3)), dtype=tf.float32)
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(outputs))

    graph = graph_of(build, resource=resource, control_flow_v2=control_flow_v2)
    stem = "rnn/multi_rnn_cell/cell_{}/basic_lstm_cell/kernel"
    assert graph.forget_biases == {stem.format(0): pytest.approx(0.7), stem.format(1): 2.0}
    assert len(graph.updates) == 4


def test_a_step_behind_a_condition_is_found() -> None:
    """Mixed precision applies gradients only where they are finite: the ops are in a branch."""

    def build() -> None:
        loss, optimizer = dense_loss(), v1.train.AdamOptimizer(0.3)
        gradients = optimizer.compute_gradients(loss)
        optimizer._create_slots([one for _, one in gradients])  # outside of the branch, as a warm start does
        finite = tf.math.is_finite(loss)
        tf.cond(finite, lambda: optimizer.apply_gradients(gradients), lambda: tf.no_op())

    (update,) = graph_of(build, control_flow_v2=True).updates
    assert (update.variable, update.slots) == ("w", {"m": "w/Adam", "v": "w/Adam_1"})
    assert update.numbers["lr"].constant == pytest.approx(0.3)


# What the file is ------------------------------------------------------------------------------------


def test_a_saved_model(tmp_path: Any) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", initializer=np.ones(2, np.float32))
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
    graph = MetaGraph.from_saved_model((tmp_path / "model" / "saved_model.pb").read_bytes())
    assert graph.keys == {"w": "w"}


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"no graph at all"])
def test_bytes_that_are_no_graph(raw: bytes) -> None:
    with pytest.raises(FormatError, match="copy it again"):
        _ = MetaGraph.from_bytes(raw).variables
    with pytest.raises(FormatError):
        _ = MetaGraph.from_saved_model(raw).variables
    with pytest.raises(FormatError, match="no graph"):
        _ = MetaGraph.from_saved_model(b"").variables


def test_every_prefix_of_a_graph_is_read_or_refused() -> None:
    graph = graph_of(lambda: v1.train.AdamOptimizer().minimize(dense_loss()))
    for cut in range(0, len(graph.raw), max(1, len(graph.raw) // 150)):
        part = MetaGraph.from_bytes(graph.raw[:cut])
        try:
            assert len(part.variables) <= 5
            assert len(part.updates) <= 1
            _ = (part.saved, part.averages, part.forget_biases, part.global_step)
        except FormatError:
            continue


def test_a_chain_longer_than_anything_real_is_given_up() -> None:
    message = meta_graph_pb2.MetaGraph()
    for number in range(2_000):
        message.graph_def.node.add(name=f"node_{number}", op="Identity", input=[f"node_{number - 1}"])
    message.graph_def.node[0].input[0] = "node_1999"  # and it ends in itself
    graph = MetaGraph.from_bytes(message.SerializeToString())
    assert graph.origin("node_1999") is None
    assert graph.constant("node_1999") is None
    assert not graph.updates
