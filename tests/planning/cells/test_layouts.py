"""Every cell's formula in numpy against the Keras layer's, on the tensors that the view makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migration.planning.cells.layouts import fused_lstm
from migration.planning.options import Options
from migration.planning.steps import Source, Step
from migration.planning.transforms import Add, apply_step
from tests.planning.cells.scene import (
    computed,
    filled,
    keras_gru,
    keras_lstm,
    keras_rnn,
    layer,
    shapes_of,
    sigmoid,
    stored,
    view_of,
)

pytestmark = pytest.mark.quick

INPUTS, UNITS = 3, 5
Arrays = dict[str, np.ndarray[Any, Any]]


def rng() -> np.random.Generator:
    return np.random.default_rng(4)


def sequence() -> np.ndarray[Any, Any]:
    return rng().normal(size=(4, 6, INPUTS))


def drawn(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    generator = rng()
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def tf1_lstm(kernel: Any, bias: Any, forget_bias: float, x: Any) -> Any:
    h = c = np.zeros((x.shape[0], UNITS))
    outputs = []
    for step in range(x.shape[1]):
        i, j, f, o = np.split(np.concatenate([x[:, step], h], 1) @ kernel + bias, 4, axis=1)
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("forget_bias", [0.0, 1.0, 2.5])
def test_lstm(forget_bias: float) -> None:
    arrays = drawn({"rnn/lstm_cell/kernel": (INPUTS + UNITS, 4 * UNITS), "rnn/lstm_cell/bias": (4 * UNITS,)})
    view = view_of(
        shapes_of(arrays), layer("lstm/cell", "LSTM", INPUTS, UNITS), options=Options(forget_bias=forget_bias)
    )
    expected = tf1_lstm(arrays["rnn/lstm_cell/kernel"], arrays["rnn/lstm_cell/bias"], forget_bias, sequence())
    np.testing.assert_allclose(keras_lstm(filled(view, "lstm/cell", arrays), sequence()), expected, atol=1e-6)


def test_forget_bias_of_zero_leaves_no_step() -> None:
    shapes = {"lstm_cell/kernel": (8, 20), "lstm_cell/bias": (20,)}
    view = view_of(shapes, layer("l", "LSTM", 3, 5), options=Options(forget_bias=0.0))
    bias = next(one for one in view.candidates if one.name == "lstm_cell/bias")
    assert not any(isinstance(transform, Add) for transform in bias.transforms)


@pytest.mark.parametrize("old", [False, True])
def test_gru(old: bool) -> None:
    kernel, bias = ("w_ru", "b_ru") if old else ("gates/kernel", "gates/bias")
    candidate, offset = ("w_c", "b_c") if old else ("candidate/kernel", "candidate/bias")
    arrays = drawn(
        {
            f"rnn/gru_cell/{kernel}": (INPUTS + UNITS, 2 * UNITS),
            f"rnn/gru_cell/{bias}": (2 * UNITS,),
            f"rnn/gru_cell/{candidate}": (INPUTS + UNITS, UNITS),
            f"rnn/gru_cell/{offset}": (UNITS,),
        }
    )
    view = view_of(shapes_of(arrays), layer("gru/cell", "GRU", INPUTS, UNITS))
    gates, gates_bias, new, new_bias = arrays.values()
    x = sequence()
    h = np.zeros((x.shape[0], UNITS))
    outputs = []
    for step in range(x.shape[1]):
        r, u = np.split(sigmoid(np.concatenate([x[:, step], h], 1) @ gates + gates_bias), 2, axis=1)
        h = u * h + (1 - u) * np.tanh(np.concatenate([x[:, step], r * h], 1) @ new + new_bias)
        outputs.append(h)
    expected = np.stack(outputs, axis=1)
    np.testing.assert_allclose(keras_gru(filled(view, "gru/cell", arrays), x), expected, atol=1e-6)


def test_cudnn_compatible_gru() -> None:
    scope = "cudnn_gru/rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell"
    arrays = drawn(
        {
            f"{scope}/gates/kernel": (INPUTS + UNITS, 2 * UNITS),
            f"{scope}/gates/bias": (2 * UNITS,),
            f"{scope}/candidate/input_projection/kernel": (INPUTS, UNITS),
            f"{scope}/candidate/hidden_projection/kernel": (UNITS, UNITS),
            f"{scope}/candidate/input_projection/bias": (UNITS,),
            f"{scope}/candidate/hidden_projection/bias": (UNITS,),
        }
    )
    view = view_of(shapes_of(arrays), layer("gru/cell", "GRU", INPUTS, UNITS, biases=2))
    gates, gates_bias, new_x, new_h, bias_x, bias_h = arrays.values()
    x = sequence()
    h = np.zeros((x.shape[0], UNITS))
    outputs = []
    for step in range(x.shape[1]):
        r, u = np.split(sigmoid(np.concatenate([x[:, step], h], 1) @ gates + gates_bias), 2, axis=1)
        h = (1 - u) * np.tanh(x[:, step] @ new_x + bias_x + r * (h @ new_h + bias_h)) + u * h
        outputs.append(h)
    np.testing.assert_allclose(
        keras_gru(filled(view, "gru/cell", arrays), x), np.stack(outputs, axis=1), atol=1e-6
    )
    assert any("twice as far" in note for note in view.notes)


@pytest.mark.parametrize("inputs", [INPUTS, UNITS])
def test_rnn(inputs: int) -> None:
    scope = "RNN/BasicRNNCell"
    arrays = drawn({f"{scope}/Linear/Matrix": (inputs + UNITS, UNITS), f"{scope}/Linear/Bias": (UNITS,)})
    view = view_of(shapes_of(arrays), layer("rnn/cell", "RNN", inputs, UNITS))
    kernel, bias = arrays.values()
    x = rng().normal(size=(4, 6, inputs))
    h = np.zeros((4, UNITS))
    outputs = []
    for step in range(6):
        h = np.tanh(np.concatenate([x[:, step], h], 1) @ kernel + bias)
        outputs.append(h)
    np.testing.assert_allclose(
        keras_rnn(filled(view, "rnn/cell", arrays), x), np.stack(outputs, axis=1), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_keras_cudnn_layers(kind: str) -> None:
    """Against the conversion that Keras's own HDF5 loader does: gate by gate, column-major input kernels."""
    gates = {"LSTM": 4, "GRU": 3}[kind]
    scope = f"cu_dnn{kind.lower()}"
    arrays = drawn(
        {
            f"{scope}/kernel": (INPUTS, gates * UNITS),
            f"{scope}/recurrent_kernel": (UNITS, gates * UNITS),
            f"{scope}/bias": (2 * gates * UNITS,),
        }
    )
    biases = 1 if kind == "LSTM" else 2
    view = view_of(shapes_of(arrays), layer("l/cell", kind, INPUTS, UNITS, biases=biases))
    made = filled(view, "l/cell", arrays)
    kernel, recurrent, bias = arrays.values()
    for gate in range(gates):
        block = np.s_[:, gate * UNITS : (gate + 1) * UNITS]
        expected = kernel[block].T.reshape((INPUTS, UNITS), order="F")
        np.testing.assert_array_equal(made["kernel"][block], expected)
        np.testing.assert_array_equal(made["recurrent_kernel"][block], recurrent[block].T)
    halves = bias.reshape(2, -1)
    np.testing.assert_array_equal(made["bias"], halves if kind == "GRU" else halves.sum(axis=0))


def test_a_slot_takes_the_gates_order_and_not_the_forget_bias() -> None:
    """What the optimizer layout does with a weight's step: the slot's keys, Add left out."""
    parts = {one.name.rpartition("/")[2]: one for one in stored({"c/kernel": (8, 20), "c/bias": (20,)})}
    bias = fused_lstm("c", parts, 3, 5, 1.0, "a test")["bias"]
    moment = rng().normal(size=20).astype(np.float32)
    own = tuple(one for one in bias.transforms if not isinstance(one, Add))
    assert own != bias.transforms
    slot = Step(target="m", spec=bias.spec, sources=(Source(key="c/bias/Adam"),), transforms=own)
    i, j, f, o = np.split(moment, 4)
    np.testing.assert_array_equal(apply_step(slot, [moment]), np.concatenate([i, f, j, o]))
    weight = computed(bias, {"c/bias": moment})
    np.testing.assert_array_equal(weight, np.concatenate([i, f + np.float32(1), j, o]))
