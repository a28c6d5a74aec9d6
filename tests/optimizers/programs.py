"""The programs of the resume matrix: one small model, trained by a TF1 graph or by one of four libraries.

Every program keeps its weights under the same names, draws the same batches, and tells its weights after
each step, so that what went on in one can be compared with what went on in another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from tests.installed_keras import KERAS_3

v1 = tf.compat.v1
Weights = dict[str, np.ndarray]
NAMES = ("dense/kernel", "dense/bias", "out/kernel")


def batches(count: int, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(8, 3)).astype(np.float32), rng.normal(size=(8, 2)).astype(np.float32))
        for _ in range(count)
    ]


def initial(seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    shapes = {"dense/kernel": (3, 4), "dense/bias": (4,), "out/kernel": (4, 2)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def loss_of(kernel: Any, bias: Any, out: Any, x: Any, y: Any) -> Any:
    return tf.reduce_mean(tf.square(tf.matmul(tf.tanh(tf.matmul(x, kernel) + bias), out) - y))


# TF1 -----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Graph:
    """A TF1 program: a graph with a model, an optimizer and a Saver, and a session that runs it."""

    optimizer: Callable[[Any], Any]
    resource: bool = True

    def __post_init__(self) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.x, self.y = v1.placeholder(tf.float32, (None, 3)), v1.placeholder(tf.float32, (None, 2))
            self.step = v1.train.get_or_create_global_step()
            self.variables = [
                v1.get_variable(name, initializer=value, use_resource=self.resource)
                for name, value in initial().items()
            ]
            loss = loss_of(*self.variables, self.x, self.y)
            self.train = self.optimizer(self.step).minimize(loss, global_step=self.step)
            self.saver = v1.train.Saver(save_relative_paths=True)
            self.start = v1.global_variables_initializer()
        self.session = v1.Session(graph=self.graph)
        self.session.run(self.start)

    def run(self, data: list[tuple[np.ndarray, np.ndarray]]) -> list[Weights]:
        trail = []
        for x, y in data:
            self.session.run(self.train, {self.x: x, self.y: y})
            trail.append(self.weights())
        return trail

    def weights(self) -> Weights:
        return dict(zip(NAMES, self.session.run(self.variables), strict=True))

    def save(self, prefix: str, meta: bool = True) -> str:
        with self.graph.as_default():  # outside of a graph a Saver takes itself to be eager
            return str(self.saver.save(self.session, prefix, write_meta_graph=meta, write_state=False))

    def restore(self, prefix: str) -> None:
        with self.graph.as_default():
            self.saver.restore(self.session, prefix)


# The targets ---------------------------------------------------------------------------------------


class Net(tf.Module):
    """The model as plain variables under the names that TF1 gave them."""

    def __init__(self) -> None:
        super().__init__()
        values = initial(seed=99)  # other values than the source's: what is not restored shows
        self.kernel = tf.Variable(values["dense/kernel"], name="dense/kernel")
        self.bias = tf.Variable(values["dense/bias"], name="dense/bias")
        self.out = tf.Variable(values["out/kernel"], name="out/kernel")

    @property
    def weights(self) -> list[Any]:
        return [self.kernel, self.bias, self.out]


class Target:
    """One of the four libraries: a model and an optimizer under tf.train.Checkpoint.

    "keras3" is the package `keras`; with TensorFlow 2.14 and 2.15 that is Keras 2.
    """

    def __init__(self, flavour: str, make: Callable[[], Any]) -> None:
        self.flavour = flavour
        self.optimizer = make()
        if flavour == "keras3":
            self.model: Any = keras.Sequential(
                [
                    keras.layers.Input((3,)),
                    keras.layers.Dense(4, activation="tanh", name="dense"),
                    keras.layers.Dense(2, use_bias=False, name="out"),
                ],
                name="net",
            )
        else:
            self.model = Net()
        self.build()
        # V1 optimizers count no steps of their own, so programs keep the step variable beside them.
        self.step = tf.Variable(0, dtype=tf.int64, name="global_step")
        counted = {"step": self.step} if flavour == "v1" else {}
        self.checkpoint = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer, **counted)

    def build(self) -> None:
        if self.flavour in ("tf_keras", "keras3"):
            self.optimizer.build(self.model.weights)
        else:
            self.optimizer.apply_gradients([(tf.zeros_like(one), one) for one in self.model.weights])

    def run(self, data: list[tuple[np.ndarray, np.ndarray]]) -> list[Weights]:
        trail = []
        for x, y in data:
            with tf.GradientTape() as tape:
                loss = loss_of(*(tf.convert_to_tensor(one) for one in self.values()), x, y)
            gradients = tape.gradient(loss, self.values())
            if self.flavour == "keras3" and KERAS_3:
                self.optimizer.apply(gradients, self.model.trainable_weights)
            else:
                self.optimizer.apply_gradients(list(zip(gradients, self.model.weights, strict=True)))
            self.step.assign_add(1)
            trail.append(self.weights())
        return trail

    def values(self) -> list[Any]:
        return [one.value if self.flavour == "keras3" and KERAS_3 else one for one in self.model.weights]

    def weights(self) -> Weights:
        return {name: np.asarray(one) for name, one in zip(NAMES, self.values(), strict=True)}


def difference(one: Weights, other: Weights) -> float:
    """The largest difference of any weight, relative to the largest value of its tensor."""
    return max(float(np.max(np.abs(one[name] - other[name])) / np.max(np.abs(other[name]))) for name in NAMES)


# The matrix ----------------------------------------------------------------------------------------

SOURCES: dict[str, Callable[[Any], Any]] = {
    "Adam": lambda step: v1.train.AdamOptimizer(0.01),
    "Momentum": lambda step: v1.train.MomentumOptimizer(0.05, 0.9),
    "Nesterov": lambda step: v1.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
    "RMSProp": lambda step: v1.train.RMSPropOptimizer(0.01, decay=0.8),
    "centered RMSProp": lambda step: v1.train.RMSPropOptimizer(0.01, decay=0.8, momentum=0.5, centered=True),
    "Adagrad": lambda step: v1.train.AdagradOptimizer(0.1),
    "Adadelta": lambda step: v1.train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-6),
    "Ftrl": lambda step: v1.train.FtrlOptimizer(
        0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.1
    ),
    "GradientDescent": lambda step: v1.train.GradientDescentOptimizer(0.1),
}


def _keras(library: Any, *, adagrad: float) -> dict[str, Callable[[], Any]]:
    """The optimizers of a Keras library with the settings that equal the sources'. Learning rates (and what
    else is a variable) are left at the defaults: the migration has to bring them."""
    return {
        "Adam": lambda: library.Adam(epsilon=1e-8),
        "Momentum": lambda: library.SGD(momentum=0.9),
        "Nesterov": lambda: library.SGD(momentum=0.9, nesterov=True),
        "RMSProp": lambda: library.RMSprop(rho=0.8, epsilon=1e-10),
        "centered RMSProp": lambda: library.RMSprop(rho=0.8, momentum=0.5, centered=True, epsilon=1e-10),
        "Adagrad": lambda: library.Adagrad(epsilon=adagrad),
        "Adadelta": lambda: library.Adadelta(rho=0.9, epsilon=1e-6),
        "Ftrl": lambda: library.Ftrl(l1_regularization_strength=0.01, l2_regularization_strength=0.1),
        "GradientDescent": lambda: library.SGD(),
    }


TARGETS: dict[str, dict[str, Callable[[], Any]]] = {
    "v1": {name: (lambda make=make: make(None)) for name, make in SOURCES.items()},
    "tf_keras_legacy": _keras(tf_keras.optimizers.legacy, adagrad=1e-30),
    "tf_keras": _keras(tf_keras.optimizers, adagrad=0.0),
    "keras3": _keras(keras.optimizers, adagrad=0.0),
}
