"""A graph that TensorFlow built around cuDNN's ops: its opaque buffer becomes Keras layers.

No GPU is needed: the graph is built and saved, not run. What cuDNN computes is the layers' own formula on
the matrices that were packed into the buffer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from migration import Checkpoint, execute, make_plan
from migration.planning.targets import Template
from tests.planning.cells.scene import keras_gru, keras_lstm
from tests.planning.cells.test_buffers import INPUTS, UNITS, packed

v1 = tf.compat.v1


def saved(
    mode: str, layers: int, direction: str, buffer: np.ndarray[Any, Any], prefix: str, *, adam: bool = False
) -> str:
    """A checkpoint of the buffer with the graph that uses it, after one step of Adam or untrained.

    The gradient is the buffer itself.
    """
    gradient = buffer
    attributes = {"rnn_mode": mode, "direction": direction}
    directions = 2 if direction == "bidirectional" else 1
    # A session that places what it runs: the cuDNN ops have no kernel for the CPU.
    config = v1.ConfigProto(graph_options=v1.GraphOptions(place_pruned_graph=True))
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        tf.raw_ops.CudnnRNNParamsSize(
            num_layers=layers, num_units=UNITS, input_size=INPUTS, T=tf.float32, S=tf.int32, **attributes
        )
        params = v1.get_variable("cudnn_rnn/opaque_kernel", initializer=buffer)
        state = tf.zeros([layers * directions, 2, UNITS])
        tf.raw_ops.CudnnRNN(
            input=tf.zeros([6, 2, INPUTS]), input_h=state, input_c=state, params=params, **attributes
        )
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.01).apply_gradients([(gradient, params)], step) if adam else None
        session.run(v1.global_variables_initializer())
        if train is not None:
            session.run(train)
        return v1.train.Saver().save(session, prefix)


def reversed_in_time(formula: Any, weights: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A backward layer's outputs, in the order of its inputs."""
    return formula(weights, x[:, ::-1])[:, ::-1]


def expected(mode: str, parts: list[dict[str, Any]], directions: int, x: np.ndarray[Any, Any]) -> Any:
    """What cuDNN computes with the packed matrices."""
    formula, order = (keras_gru, [1, 0, 2]) if mode == "gru" else (keras_lstm, [0, 1, 2, 3])
    for number in range(0, len(parts), directions):
        halves = []
        for backward, part in enumerate(parts[number : number + directions]):
            biases = np.stack([part["bw"][order].ravel(), part["br"][order].ravel()])
            weights = {
                "kernel": np.concatenate([gate.T for gate in part["w"][order]], axis=1),
                "recurrent_kernel": np.concatenate([gate.T for gate in part["r"][order]], axis=1),
                "bias": biases if mode == "gru" else biases.sum(axis=0),
            }
            run = reversed_in_time(formula, weights, x) if backward else formula(weights, x)
            halves.append(run)
        x = np.concatenate(halves, axis=-1)
    return x


@pytest.mark.parametrize("direction", ["unidirectional", "bidirectional"])
@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_the_buffer_computes_the_same_as_layers(mode: str, direction: str, tmp_path: Path) -> None:
    directions = 2 if direction == "bidirectional" else 1
    buffer, parts = packed(mode, 2, directions)
    checkpoint = Checkpoint.open(saved(mode, 2, direction, buffer, str(tmp_path / "model.ckpt")))
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[mode]
    layers = [kind(UNITS, return_sequences=True) for _ in range(2)]
    if directions == 2:
        layers = [keras.layers.Bidirectional(layer) for layer in layers]
    model = keras.Sequential([keras.layers.Input((None, INPUTS)), *layers])
    root = tf.train.Checkpoint(model=model)
    template = Template.of(root)
    plan = make_plan(checkpoint, template)
    assert (plan.unused, plan.unfilled) == ((), ())
    execute(plan, checkpoint, str(tmp_path / "object"), template=template.checkpoint)
    root.restore(str(tmp_path / "object")).assert_consumed()
    x = np.random.default_rng(3).normal(size=(3, 5, INPUTS)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(model(x)), expected(mode, parts, directions, x), atol=1e-5)


@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_the_buffers_slots_go_the_same_way(mode: str, tmp_path: Path) -> None:
    """Where two biases become one, so do their moments: the mean of both, which real ones have in common."""
    buffer, parts = packed(mode, 1, 1)
    prefix = saved(mode, 1, "unidirectional", buffer, str(tmp_path / "model.ckpt"), adam=True)
    checkpoint = Checkpoint.open(prefix)
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[mode]
    model = keras.Sequential([keras.layers.Input((None, INPUTS)), kind(UNITS)])
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    template = Template.of(root)
    execute(
        make_plan(checkpoint, template), checkpoint, str(tmp_path / "object"), template=template.checkpoint
    )
    root.restore(str(tmp_path / "object")).assert_consumed()
    order = [1, 0, 2] if mode == "gru" else [0, 1, 2, 3]
    kernel = np.concatenate([gate.T for gate in parts[0]["w"][order]], axis=1)
    both = np.stack([parts[0]["bw"][order].ravel(), parts[0]["br"][order].ravel()])
    moments = [np.asarray(moment) for moment in optimizer._momentums]
    np.testing.assert_allclose(moments[0], 0.1 * kernel, rtol=1e-5)
    np.testing.assert_allclose(moments[2], 0.1 * (both if mode == "gru" else both.mean(axis=0)), rtol=1e-5)


def test_the_buffers_slots_beside_canonical_weights(tmp_path: Path) -> None:
    """What CudnnLSTM's saveable and an Adam leave: weights cell by cell, moments as the buffer lies."""
    first, parts = packed("lstm", 2, 1)
    tensors: dict[str, Any] = {"global_step": np.int64(9), "beta1_power": np.float32(0.9**10)}
    tensors |= {"beta2_power": np.float32(0.999**10)}
    for layer, part in enumerate(parts):
        inputs = part["w"].shape[2]
        scope = f"cudnn_lstm/rnn/multi_rnn_cell/cell_{layer}/cudnn_compatible_lstm_cell"
        tensors[f"{scope}/kernel"] = np.ones([inputs + UNITS, 4 * UNITS], np.float32)
        tensors[f"{scope}/bias"] = np.ones([4 * UNITS], np.float32)
    tensors |= {"cudnn_lstm/opaque_kernel/Adam": first, "cudnn_lstm/opaque_kernel/Adam_1": first**2}
    prefix = str(tmp_path / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(tensor) for tensor in tensors.values()],
    )
    model = keras.Sequential(
        [
            keras.layers.Input((None, INPUTS)),
            *(keras.layers.LSTM(UNITS, return_sequences=True) for _ in range(2)),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    template = Template.of(root)
    source = Checkpoint.open(prefix)
    plan = make_plan(source, template)
    assert (plan.unused, plan.unfilled) == ((), ())
    assert any("half as far" in note for note in plan.notes)
    execute(plan, source, str(tmp_path / "object"), template=template.checkpoint)
    root.restore(str(tmp_path / "object")).assert_consumed()
    for layer, part in enumerate(parts):
        for kind, power in ((optimizer._momentums, 1), (optimizer._velocities, 2)):
            kernel, recurrent, bias = (np.asarray(slot) for slot in kind[3 * layer : 3 * layer + 3])
            np.testing.assert_allclose(
                kernel, np.concatenate([w.T for w in part["w"]], 1) ** power, rtol=1e-5
            )
            np.testing.assert_allclose(
                recurrent, np.concatenate([r.T for r in part["r"]], 1) ** power, rtol=1e-5
            )
            both = np.stack([part["bw"].ravel(), part["br"].ravel()]) ** power
            np.testing.assert_allclose(bias, both.mean(axis=0), rtol=1e-5, atol=1e-7)
