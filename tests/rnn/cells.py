"""TensorFlow 1 models with recurrent cells, trained and saved in a graph, and the same as Keras layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tf_keras.src.layers.rnn import legacy_cells as v1cells

v1 = tf.compat.v1
BATCH, TIME, INPUTS = 3, 4, 5
RATE = 0.01
EPSILON = 1e-8  # TensorFlow 1's Adam; Keras's default is 1e-7

Build = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A source graph (inputs -> output sequence), and the Keras layers (of either Keras) that equal it."""

    name: str
    graph: Build
    layers: Callable[[Any], list[Any]]
    control_flow_v1: bool = False
    keys: Callable[[str], str] = str  # the checkpoint key of a variable's name


def batches(count: int, width: int) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Inputs [BATCH, TIME, INPUTS] and wanted outputs [BATCH, TIME, width]."""
    generator = np.random.default_rng(11)
    return [
        (
            generator.normal(size=(BATCH, TIME, INPUTS)).astype(np.float32),
            generator.normal(size=(BATCH, TIME, width)).astype(np.float32),
        )
        for _ in range(count)
    ]


@contextmanager
def _control_flow(old: bool) -> Iterator[None]:
    if old:
        v1.disable_control_flow_v2()
    try:
        yield
    finally:
        if old:
            v1.enable_control_flow_v2()


class Source:
    """The case's graph in a session, with an Adam optimizer; every variable starts from random values."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.graph = tf.Graph()
        with _control_flow(case.control_flow_v1), self.graph.as_default(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.inputs = v1.placeholder(tf.float32, [BATCH, TIME, INPUTS])
            self.outputs = case.graph(self.inputs)
            self.wanted = v1.placeholder(tf.float32, self.outputs.shape)
            loss = tf.reduce_mean(tf.square(self.outputs - self.wanted))
            optimizer = v1.train.AdamOptimizer(RATE, epsilon=EPSILON)
            self.step = optimizer.minimize(loss, v1.train.get_or_create_global_step())
            self.weights = v1.trainable_variables()
            generator = np.random.default_rng(5)
            start = [v1.assign(one, generator.normal(size=one.shape) * 0.5) for one in self.weights]
            self.saver = v1.train.Saver({case.keys(one.op.name): one for one in v1.global_variables()})
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())
            self.session.run(start)

    @property
    def width(self) -> int:
        """How many numbers come out at each time step."""
        return int(self.outputs.shape[-1])

    def train(self, batch: tuple[Any, Any]) -> None:
        """One step."""
        self.session.run(self.step, {self.inputs: batch[0], self.wanted: batch[1]})

    def run(self, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The output sequence."""
        return self.session.run(self.outputs, {self.inputs: inputs})

    def save(self, prefix: str) -> str:
        """Writes the checkpoint and its .meta."""
        with self.graph.as_default():
            return self.saver.save(self.session, prefix)

    def restore(self, prefix: str) -> None:
        """Takes up another checkpoint of the same names."""
        with self.graph.as_default():
            self.saver.restore(self.session, prefix)


def dynamic(make: Callable[[], Any], **variable_scope: Any) -> Build:
    """dynamic_rnn over a cell."""

    def build(inputs: Any) -> Any:
        with v1.variable_scope(v1.get_variable_scope(), **variable_scope):
            return v1.nn.dynamic_rnn(make(), inputs, dtype=tf.float32)[0]

    return build


def static(make: Callable[[], Any]) -> Build:
    """static_rnn over a cell."""

    def build(inputs: Any) -> Any:
        steps = tf.unstack(inputs, axis=1)
        return tf.stack(v1.nn.static_rnn(make(), steps, dtype=tf.float32)[0], axis=1)

    return build


def bidirectional(make: Callable[[], Any], layers: int) -> Build:
    """Layers of bidirectional_dynamic_rnn; several under the scopes of tf.contrib's stack."""

    def build(inputs: Any) -> Any:
        for number in range(layers):
            scope = f"stack_bidirectional_rnn/cell_{number}" if layers > 1 else v1.get_variable_scope()
            with v1.variable_scope(scope):
                both, _ = v1.nn.bidirectional_dynamic_rnn(make(), make(), inputs, dtype=tf.float32)
            inputs = tf.concat(both, axis=-1)
        return inputs

    return build


def block_lstm(units: int, forget_bias: float) -> Build:
    """What tf.contrib.rnn.LSTMBlockFusedCell calls: one op for all steps, the forget bias an attribute."""

    def build(inputs: Any) -> Any:
        with v1.variable_scope("lstm_fused_cell"):
            kernel = v1.get_variable("kernel", [INPUTS + units, 4 * units])
            bias = v1.get_variable("bias", [4 * units])
        state = tf.zeros([BATCH, units])
        empty = tf.zeros([units])
        found = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(TIME, tf.int64),
            x=tf.transpose(inputs, [1, 0, 2]),
            cs_prev=state,
            h_prev=state,
            w=kernel,
            wci=empty,
            wcf=empty,
            wco=empty,
            b=bias,
            forget_bias=forget_bias,
            cell_clip=-1.0,
        )
        return tf.transpose(found.h, [1, 0, 2])

    return build


def cudnn_compatible_lstm(inputs: Any) -> Any:
    """The names of a unidirectional CudnnLSTM's canonical form; no forget bias."""
    with v1.variable_scope("cudnn_lstm"):
        cell = v1cells.MultiRNNCell(
            [v1cells.LSTMCell(6, forget_bias=0.0, name="cudnn_compatible_lstm_cell") for _ in range(2)]
        )
        return v1.nn.dynamic_rnn(cell, inputs, dtype=tf.float32)[0]


def old_names(name: str) -> str:
    """The keys that TensorFlow 1.0 and 1.1 gave."""
    return name.replace("/kernel", "/weights").replace("/bias", "/biases")


def oldest_names(name: str) -> str:
    """The keys that TensorFlow 0.x gave."""
    found = name.replace("rnn/basic_lstm_cell", "RNN/BasicLSTMCell/Linear")
    return found.replace("/kernel", "/Matrix").replace("/bias", "/Bias")


def stacked() -> Any:
    """Three kinds of cells in one MultiRNNCell."""
    return v1cells.MultiRNNCell(
        [v1cells.LSTMCell(6, forget_bias=0.5), v1cells.GRUCell(4), v1cells.BasicRNNCell(3)]
    )


def sequences(kind: str, units: int, **arguments: Any) -> Callable[[Any], list[Any]]:
    """One layer of that class."""
    return lambda layers: [getattr(layers, kind)(units, return_sequences=True, **arguments)]


def both_ways(units: int, count: int) -> Callable[[Any], list[Any]]:
    """Bidirectional LSTMs."""
    return lambda layers: [
        layers.Bidirectional(layers.LSTM(units, return_sequences=True)) for _ in range(count)
    ]


LSTM_6 = sequences("LSTM", 6)
CASES = [
    Case(name="BasicLSTMCell", graph=dynamic(lambda: v1cells.BasicLSTMCell(6)), layers=LSTM_6),
    Case(
        name="BasicLSTMCell in a loop of control flow v1",
        graph=dynamic(lambda: v1cells.BasicLSTMCell(6, forget_bias=2.0)),
        layers=LSTM_6,
        control_flow_v1=True,
    ),
    Case(
        name="BasicLSTMCell of TensorFlow 1.0",
        graph=dynamic(lambda: v1cells.BasicLSTMCell(6), use_resource=False),
        layers=LSTM_6,
        keys=old_names,
    ),
    Case(
        name="BasicLSTMCell of TensorFlow 0.x",
        graph=static(lambda: v1cells.BasicLSTMCell(6)),
        layers=LSTM_6,
        keys=oldest_names,
    ),
    Case(name="LSTMCell", graph=dynamic(lambda: v1cells.LSTMCell(6, forget_bias=0.3)), layers=LSTM_6),
    Case(name="LSTMBlockFusedCell", graph=block_lstm(6, 0.7), layers=LSTM_6),
    Case(
        name="GRUCell",
        graph=dynamic(lambda: v1cells.GRUCell(6)),
        layers=sequences("GRU", 6, reset_after=False),
    ),
    Case(
        name="BasicRNNCell", graph=dynamic(lambda: v1cells.BasicRNNCell(6)), layers=sequences("SimpleRNN", 6)
    ),
    Case(
        name="BasicRNNCell with as many units as inputs",
        graph=dynamic(lambda: v1cells.BasicRNNCell(INPUTS)),
        layers=sequences("SimpleRNN", INPUTS),
    ),
    Case(
        name="MultiRNNCell",
        graph=dynamic(stacked),
        layers=lambda layers: [
            layers.LSTM(6, return_sequences=True),
            layers.GRU(4, return_sequences=True, reset_after=False),
            layers.SimpleRNN(3, return_sequences=True),
        ],
    ),
    Case(
        name="MultiRNNCell onto RNN(StackedRNNCells)",
        graph=dynamic(stacked),
        layers=lambda layers: [
            layers.RNN(
                [layers.LSTMCell(6), layers.GRUCell(4, reset_after=False), layers.SimpleRNNCell(3)],
                return_sequences=True,
            )
        ],
    ),
    Case(
        name="MultiRNNCell of alike cells",
        graph=dynamic(lambda: v1cells.MultiRNNCell([v1cells.LSTMCell(INPUTS) for _ in range(2)])),
        layers=lambda layers: [layers.LSTM(INPUTS, return_sequences=True) for _ in range(2)],
    ),
    Case(
        name="bidirectional_dynamic_rnn",
        graph=bidirectional(lambda: v1cells.BasicLSTMCell(4), 1),
        layers=both_ways(4, 1),
    ),
    Case(
        name="stack_bidirectional_dynamic_rnn",
        graph=bidirectional(lambda: v1cells.LSTMCell(4), 2),
        layers=both_ways(4, 2),
    ),
    Case(
        name="cuDNN's canonical names",
        graph=cudnn_compatible_lstm,
        layers=lambda layers: [layers.LSTM(6, return_sequences=True) for _ in range(2)],
    ),
]
