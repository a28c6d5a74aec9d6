"""The net that all workflows train: 6 numbers in, one of 3 classes out; in TensorFlow 1 and in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

import legacy_ckpt.v1 as tf

LEARNING_RATE = 0.05


def examples(count: int = 48) -> tuple[Any, Any]:
    """Inputs, float32 [count, 6], and classes, int32 [count]; the same at every call."""
    random = np.random.default_rng(1)
    inputs = random.normal(size=(count, 6)).astype(np.float32)
    classes = np.argmax(inputs @ random.normal(size=(6, 3)), axis=1).astype(np.int32)
    return inputs, classes


def build() -> dict[str, Any]:
    """The net in TensorFlow 1: placeholders, variables, loss, Adam, a step."""
    inputs = tf.placeholder(tf.float32, [None, 6], name="inputs")
    classes = tf.placeholder(tf.int32, [None], name="classes")
    hidden = tf.nn.tanh(_dense(inputs, "hidden", 6, 8))
    logits = _dense(hidden, "logits", 8, 3)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits))
    step = tf.train.get_or_create_global_step()
    train = tf.train.AdamOptimizer(LEARNING_RATE).minimize(loss, global_step=step)
    return {"inputs": inputs, "classes": classes, "logits": logits, "loss": loss, "train": train}


def _dense(inputs: Any, name: str, size: int, units: int) -> Any:
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [size, units], initializer=tf.glorot_uniform_initializer(seed=2))
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(inputs, kernel) + bias


def keras_model() -> Any:
    """The same net in Keras 3, compiled, its optimizer built; TensorFlow 1's Adam has epsilon 1e-8."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input([6]), layers.Dense(8, activation="tanh", name="hidden"), layers.Dense(3, name="logits")]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8), loss=loss)
    model.optimizer.build(model.trainable_variables)
    return model
