"""New code for the network of `graphs.classifier`: builders make it anew, untrained, with an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tests.roundtrip.oracle import Array

INPUTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
WIDTHS = (4, 5, 3)


class Dense(tf.Module):
    """One layer, with the names that it had."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([rows, columns]))
        self.bias = tf.Variable(tf.zeros([columns]))


class Classifier(tf.Module):
    """The network under the names of the TensorFlow 1 graph."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(*WIDTHS[:2])
        self.dense_1 = Dense(*WIDTHS[1:])

    def __call__(self, inputs: Array) -> Any:
        hidden = tf.nn.relu(inputs @ self.dense.kernel + self.dense.bias)
        return hidden @ self.dense_1.kernel + self.dense_1.bias


def module_without_template() -> tuple[tf.train.Checkpoint, Any]:
    """A tf.Module and a compat.v1 optimizer at the places that a mirror of the names has."""
    model = Classifier()
    optimizer = tf.compat.v1.train.AdamOptimizer(0.01)
    optimizer.apply_gradients([(tf.zeros_like(each), each) for each in model.trainable_variables])
    step = tf.Variable(0, dtype=tf.int64)
    places = {"dense": model.dense, "dense_1": model.dense_1, "optimizer": optimizer, "global_step": step}
    return tf.train.Checkpoint(**places), model


def module() -> tuple[tf.train.Checkpoint, Any]:
    """The same, at places of its own."""
    model = Classifier()
    optimizer = tf.compat.v1.train.AdamOptimizer(0.01)
    optimizer.apply_gradients([(tf.zeros_like(each), each) for each in model.trainable_variables])
    step = tf.Variable(0, dtype=tf.int64, name="global_step")
    return tf.train.Checkpoint(network=model, adam=optimizer, global_step=step), model


def keras_3() -> tuple[tf.train.Checkpoint, Any]:
    """A Keras 3 model with a Keras 3 optimizer, both built."""
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(3)])
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    return tf.train.Checkpoint(model=model, optimizer=optimizer), model


def keras_3_compiled() -> tuple[tf.train.Checkpoint, Any]:
    """A compiled functional model, whose variables its optimizer holds as well."""
    import keras

    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, name="head")(keras.layers.Dense(5, "relu", name="body")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return tf.train.Checkpoint(model=model), model


def _tf_keras(optimizer: Any) -> tuple[tf.train.Checkpoint, Any]:
    import tf_keras

    model = tf_keras.Sequential(
        [tf_keras.layers.Dense(5, "relu", input_shape=(4,)), tf_keras.layers.Dense(3)]
    )
    optimizer.apply_gradients([(tf.zeros_like(each), each) for each in model.trainable_variables])
    return tf.train.Checkpoint(model=model, optimizer=optimizer), model


def tf_keras() -> tuple[tf.train.Checkpoint, Any]:
    """A tf_keras model with the optimizer of Keras 2.11 and later."""
    import tf_keras

    return _tf_keras(tf_keras.optimizers.Adam(0.01))


def tf_keras_legacy() -> tuple[tf.train.Checkpoint, Any]:
    """A tf_keras model with an optimizer of Keras before 2.11."""
    import tf_keras

    return _tf_keras(tf_keras.optimizers.legacy.Adam(0.01))


MODELS: dict[str, Callable[[], tuple[tf.train.Checkpoint, Any]]] = {
    "module without template": module_without_template,
    "module": module,
    "keras 3": keras_3,
    "keras 3 compiled": keras_3_compiled,
    "tf_keras": tf_keras,
    "tf_keras legacy": tf_keras_legacy,
}
WITHOUT_TEMPLATE = "module without template"
