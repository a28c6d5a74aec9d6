"""Sources that are no plain TF1 program: Keras in a TF1 graph, BERT's optimizer, averages, wrappers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration import Checkpoint, Options, execute, make_plan
from tests.installed_keras import only_keras_3
from tests.optimizers.programs import NAMES, Graph, Target, Weights, batches, difference, initial, loss_of
from tests.optimizers.test_cases import migrate, told

v1 = tf.compat.v1
legacy = tf_keras.optimizers.legacy


class KerasGraph:
    """A Keras optimizer in a TF1 graph: a Saver writes `training/Adam/w/m`, `training/Adam/iter`."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.x, self.y = v1.placeholder(tf.float32, (None, 3)), v1.placeholder(tf.float32, (None, 2))
            self.variables = [
                v1.get_variable(name, initializer=value, use_resource=True)
                for name, value in initial().items()
            ]
            loss = loss_of(*self.variables, self.x, self.y)
            with v1.name_scope("training"):
                self.train = make().get_updates(loss, self.variables)
            self.saver = v1.train.Saver()
            self.start = v1.global_variables_initializer()
        self.session = v1.Session(graph=self.graph)
        self.session.run(self.start)

    def run(self, data: list[tuple[np.ndarray, np.ndarray]]) -> list[Weights]:
        trail = []
        for x, y in data:
            self.session.run(self.train, {self.x: x, self.y: y})
            trail.append(dict(zip(NAMES, self.session.run(self.variables), strict=True)))
        return trail

    def save(self, prefix: str, meta: bool) -> str:
        with self.graph.as_default():
            return str(self.saver.save(self.session, prefix, write_meta_graph=meta))


KERAS: dict[str, tuple[Callable[[], Any], str, Callable[[], Any]]] = {
    "Adam to Keras 3": (lambda: legacy.Adam(0.02), "keras3", lambda: keras.optimizers.Adam()),
    "Adam to legacy": (lambda: legacy.Adam(0.02, beta_1=0.8), "tf_keras_legacy", lambda: legacy.Adam()),
    "Adam to V1": (
        lambda: legacy.Adam(0.02, epsilon=1e-8),
        "v1",
        lambda: v1.train.AdamOptimizer(0.02),
    ),
    "SGD to Keras 3": (
        lambda: legacy.SGD(0.05, momentum=0.9),
        "keras3",
        lambda: keras.optimizers.SGD(momentum=0.9),
    ),
    "SGD to V1": (
        lambda: legacy.SGD(0.05, momentum=0.9, nesterov=True),
        "v1",
        lambda: v1.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True),
    ),
    "RMSprop to tf_keras": (
        lambda: legacy.RMSprop(0.01, momentum=0.5),
        "tf_keras",
        lambda: tf_keras.optimizers.RMSprop(momentum=0.5),
    ),
    "Ftrl to Keras 3": (lambda: legacy.Ftrl(0.1), "keras3", lambda: keras.optimizers.Ftrl()),
    "Adadelta to V1": (
        lambda: legacy.Adadelta(1.0),
        "v1",
        lambda: v1.train.AdadeltaOptimizer(1.0, epsilon=1e-7),
    ),
    "Adamax to Keras 3": (lambda: legacy.Adamax(0.02), "keras3", lambda: keras.optimizers.Adamax()),
}


@pytest.mark.parametrize("meta", [True, False], ids=["graph", "names"])
@pytest.mark.parametrize("name", KERAS)
def test_keras_state_that_was_saved_by_name_goes_on(name: str, meta: bool, tmp_path: Path) -> None:
    make, flavour, make_target = KERAS[name]
    program = KerasGraph(make)
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"), meta)
    template = str(Target(flavour, make_target).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert not plan.unused
    assert not plan.unfilled  # V1 optimizers count no steps: the program's own variable takes the count
    target = Target(flavour, make_target)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    data = batches(10, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def weight_decay(step: Any) -> Any:
    """The update rule of google-research/bert's AdamWeightDecayOptimizer, as an object with `minimize`."""

    class Optimizer:
        def minimize(self, loss: Any, global_step: Any) -> Any:
            updates = [global_step.assign_add(1)]
            variables = v1.trainable_variables()
            for grad, w in zip(v1.gradients(loss, variables), variables, strict=True):
                zeros, shape = v1.zeros_initializer(), w.shape
                m = v1.get_variable(f"{w.op.name}/adam_m", shape, trainable=False, initializer=zeros)
                v = v1.get_variable(f"{w.op.name}/adam_v", shape, trainable=False, initializer=zeros)
                next_m = 0.9 * m + (1.0 - 0.9) * grad
                next_v = 0.999 * v + (1.0 - 0.999) * tf.square(grad)
                update = next_m / (tf.sqrt(next_v) + 1e-6) + 0.01 * w
                updates += [w.assign(w - 0.01 * update), m.assign(next_m), v.assign(next_v)]
            return tf.group(*updates)

    return Optimizer()


@pytest.mark.parametrize("steps", [7, 40_000])
def test_weight_decay_goes_on_once_no_bias_is_left_to_correct(steps: int, tmp_path: Path) -> None:
    """AdamW corrects the bias that BERT's optimizer leaves; after 40,000 steps both are the same."""
    program = Graph(weight_decay)
    program.run(batches(7))
    with program.graph.as_default():
        program.step.load(steps, program.session)
    prefix = program.save(str(tmp_path / "model"))

    def make() -> Any:
        return keras.optimizers.AdamW(weight_decay=0.01, epsilon=1e-6)

    template = str(Target("keras3", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert told(plan, "corrects no bias")
    assert told(plan, "AdamW(", "epsilon=1e-6")
    assert not plan.unused
    target = Target("keras3", make)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    data = batches(5, seed=2)
    differences = [difference(*pair) for pair in zip(target.run(data), program.run(data), strict=True)]
    assert max(differences) < 1e-5 if steps == 40_000 else min(differences) > 1e-3


# Averages --------------------------------------------------------------------------------------------


class Averaged:
    """A program that keeps moving averages of its weights and of its loss."""

    def __init__(self, folder: Path, *, meta: bool = True) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("w", initializer=np.ones(3, np.float32))
            loss = tf.reduce_sum(w**2, name="loss")
            train = v1.train.AdamOptimizer(0.1).minimize(loss)
            average = v1.train.ExponentialMovingAverage(0.9)
            with tf.control_dependencies([train]):
                train = average.apply([w, loss])
            session.run(v1.global_variables_initializer())
            for _ in range(5):
                session.run(train)
            self.prefix = v1.train.Saver().save(session, str(folder / "model"), write_meta_graph=meta)


def keras_of(use_ema: bool) -> tf.train.Checkpoint:
    w = tf.Variable(np.zeros(3, np.float32), name="w")
    optimizer = tf_keras.optimizers.Adam(use_ema=use_ema)
    optimizer.build([w])
    return tf.train.Checkpoint(w=w, optimizer=optimizer)


@pytest.mark.parametrize("meta", [True, False])
def test_averages_go_into_a_keras_optimizer_that_keeps_them(meta: bool, tmp_path: Path) -> None:
    prefix = Averaged(tmp_path, meta=meta).prefix
    template = keras_of(True).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert {left.key for left in plan.unused} == {"loss/ExponentialMovingAverage"}
    plan = make_plan(prefix, template, mapping={}, options=Options(averages="keep"))
    target = keras_of(True)
    execute(
        plan_without(plan, "loss/ExponentialMovingAverage"),
        Checkpoint.open(prefix),
        str(tmp_path / "migrated"),
        template=Checkpoint.open(template),
    )
    target.restore(str(tmp_path / "migrated")).assert_consumed()
    expected = Checkpoint.open(prefix).read("w/ExponentialMovingAverage")
    np.testing.assert_array_equal(target.optimizer._model_variables_moving_average[0].numpy(), expected)


def plan_without(plan: Any, key: str) -> Any:
    """The plan with a left-over that a person decided to drop."""
    from dataclasses import replace

    left = next(left for left in plan.unused if left.key == key)
    return replace(
        plan, unused=tuple(one for one in plan.unused if one is not left), drops=(*plan.drops, left)
    )


@pytest.mark.parametrize(("choice", "taken"), [("drop", "w"), ("promote", "w/ExponentialMovingAverage")])
def test_averages_are_dropped_or_promoted(choice: Any, taken: str, tmp_path: Path) -> None:
    prefix = Averaged(tmp_path).prefix
    template = keras_of(False).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template, options=Options(averages=choice))
    assert not plan.unused
    target = keras_of(False)
    target.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    np.testing.assert_array_equal(target.w.numpy(), Checkpoint.open(prefix).read(taken))
    assert told(plan, "averages")


# Wrappers --------------------------------------------------------------------------------------------


@only_keras_3
def test_a_loss_scale_wrapper_goes_on(tmp_path: Path) -> None:
    program = Graph(lambda step: v1.train.AdamOptimizer(0.01))
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"))

    def make() -> Any:
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(epsilon=1e-8), initial_scale=1.0)

    template = str(Target("keras3", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    target = Target("keras3", make)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    assert int(target.optimizer.inner_optimizer.iterations) == 7
    data = batches(10, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5
