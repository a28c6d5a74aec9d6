"""Checkpoints without their graph: what the numbers tell, what stays undecided, what the report may claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration import Checkpoint, Options, UnmappedError, execute, make_plan
from tests.optimizers.programs import Graph, Target, batches, difference
from tests.optimizers.test_cases import migrate, template_of, told

v1 = tf.compat.v1
legacy = tf_keras.optimizers.legacy
Make = Callable[[], tf.train.Checkpoint]


class Adversaries:
    """A generator and a critic, each with an Adam of its own; the critic trains `often` times a step."""

    def __init__(self, often: int) -> None:
        self.often = often
        with tf.Graph().as_default() as self.graph:
            self.a = v1.get_variable("generator/w", initializer=np.ones((2, 3), np.float32))
            self.b = v1.get_variable("critic/w", initializer=np.full((2, 3), 2.0, np.float32))
            step = v1.train.get_or_create_global_step()
            one, two = v1.train.AdamOptimizer(beta1=0.5), v1.train.AdamOptimizer(beta1=0.5, beta2=0.9)
            self.one = one.minimize(tf.reduce_sum(self.a**4), var_list=[self.a], global_step=step)
            self.two = two.minimize(tf.reduce_sum(self.b**4), var_list=[self.b])
            self.saver = v1.train.Saver()
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.session.run(self.one)
            for _ in range(self.often):
                self.session.run(self.two)

    def save(self, prefix: Path) -> str:
        with self.graph.as_default():
            return str(self.saver.save(self.session, str(prefix), write_meta_graph=False))


def adversaries(library: Any) -> tf.train.Checkpoint:
    a, b = (tf.Variable(np.zeros((2, 3), np.float32), name=name) for name in ("generator/w", "critic/w"))
    one, two = library.Adam(beta_1=0.5, epsilon=1e-8), library.Adam(beta_1=0.5, beta_2=0.9, epsilon=1e-8)
    for optimizer, variable in ((one, a), (two, b)):
        optimizer.apply_gradients([(tf.zeros((2, 3)), variable)])
    return tf.train.Checkpoint(a=a, b=b, one=one, two=two)


def test_powers_that_tell_different_counts_decide_nothing(tmp_path: Path) -> None:
    """The step variable is right for one of the two at most."""
    program = Adversaries(often=2)
    program.run(7)
    prefix = program.save(tmp_path / "model")
    template = adversaries(tf_keras.optimizers).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    undecided = [step.target for step in plan.steps if step.candidates]
    assert {target.partition("/")[0] for target in undecided} == {"one", "two"}
    assert told(plan, "7 updates", "14 updates", "--step")
    with pytest.raises(UnmappedError):
        migrate(plan, prefix, template, tmp_path / "refused")


@pytest.mark.parametrize("library", [tf_keras.optimizers, legacy], ids=["tf_keras", "legacy"])
def test_powers_that_agree_on_the_count_come_back_with_their_own_betas(library: Any, tmp_path: Path) -> None:
    program = Adversaries(often=1)
    program.run(7)
    prefix = program.save(tmp_path / "model")
    template = adversaries(library).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert not [step for step in plan.steps if step.candidates]
    target = adversaries(library)
    target.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    assert int(target.one.iterations) == int(target.two.iterations) == 7
    for _ in range(4):
        target.one.apply_gradients([(4 * target.a**3, target.a)])
        target.two.apply_gradients([(4 * target.b**3, target.b)])
    trained_on = target.write(str(tmp_path / "on"))
    execute(make_plan(trained_on, prefix, to="name"), Checkpoint.open(trained_on), str(tmp_path / "back"))
    back = Checkpoint.open(str(tmp_path / "back"))
    for name, beta in (("beta2_power", 0.999), ("beta2_power_1", 0.9)):
        np.testing.assert_allclose(back.read(name), beta**12, rtol=1e-5)


def counted_twice(step: Any) -> Any:
    class Twice:
        def minimize(self, loss: Any, global_step: Any) -> Any:
            train = v1.train.AdamOptimizer(0.001, beta1=0.5).minimize(loss, global_step=global_step)
            with tf.control_dependencies([train]):
                return tf.group(train, global_step.assign_add(1))

    return Twice()


def test_a_step_that_counts_otherwise_is_no_count_of_updates(tmp_path: Path) -> None:
    """With betas that are not the default ones, the powers still tell the updates."""
    program = Graph(counted_twice)
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"), meta=False)

    def make() -> Any:
        return tf_keras.optimizers.Adam(beta_1=0.5, epsilon=1e-8)

    template = str(Target("tf_keras", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert told(plan, "global_step says 14", "7 updates")
    target = Target("tf_keras", make)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5

    trained_on = str(target.checkpoint.write(str(tmp_path / "on")))
    (left,) = make_plan(trained_on, prefix, to="name").unfilled  # 12 updates are not the step
    assert left.key == "global_step"
    back = make_plan(trained_on, prefix, to="name", options=Options(step=24))
    assert not back.unfilled
    (step,) = (step for step in back.steps if step.target == "global_step")
    assert step.reason == "--step"


def test_settings_that_nothing_tells_are_not_claimed(tmp_path: Path) -> None:
    program = Graph(lambda step: v1.train.RMSPropOptimizer(0.001, 0.8, epsilon=1e-6))
    prefix = program.save(str(tmp_path / "model"), meta=False)
    plan = make_plan(prefix, template_of("keras3", "RMSProp", tmp_path))
    assert told(plan, "the source's own", "TF1's default: 1e-10", "nothing here tells")
    assert not told(plan, "epsilon=1e-10")


# Legacy optimizers with a schedule keep no learning rate ------------------------------------------------


def decayed(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda step: make(v1.train.exponential_decay(0.02, step, 5, 0.7))


def schedule() -> Any:
    return tf_keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.7)


@pytest.mark.parametrize("meta", [True, False], ids=["graph", "names"])
def test_a_legacy_adam_with_a_schedule_goes_on(meta: bool, tmp_path: Path) -> None:
    program = Graph(decayed(v1.train.AdamOptimizer))
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"), meta)

    def make() -> Any:
        return legacy.Adam(schedule(), epsilon=1e-8)

    template = str(Target("tf_keras_legacy", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    target = Target("tf_keras_legacy", make)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    assert int(target.optimizer.iterations) == 7
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def test_a_legacy_velocity_with_a_schedule_needs_a_rate(tmp_path: Path) -> None:
    program = Graph(decayed(lambda rate: v1.train.MomentumOptimizer(rate, 0.9)))
    program.run(batches(2))
    prefix = program.save(str(tmp_path / "model"))

    def make() -> Any:
        return legacy.SGD(schedule(), momentum=0.9)

    template = str(Target("tf_keras_legacy", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert len(plan.unfilled) == 3
    assert all("--learning_rate" in left.reason for left in plan.unfilled)
    assert not [left for left in plan.unused if "has no momentum" in left.reason]
    plan = make_plan(prefix, template, options=Options(learning_rate=0.02))
    assert not plan.unfilled
    assert not plan.unused


# Gradient descent leaves nothing but its step -----------------------------------------------------------


@pytest.mark.parametrize("meta", [True, False], ids=["graph", "names"])
def test_momentum_that_the_source_did_not_have_is_told(meta: bool, tmp_path: Path) -> None:
    prefix = Graph(lambda step: v1.train.GradientDescentOptimizer(0.1)).save(str(tmp_path / "model"), meta)
    plan = make_plan(prefix, template_of("keras3", "Momentum", tmp_path))
    if meta:
        assert told(plan, "momentum=0")
        assert told(plan, "learning_rate=0.1", "a constant of the graph")
    else:
        assert told(plan, "learning_rate stays the template's")


def test_powers_are_not_computed_by_an_optimizer_that_has_none(tmp_path: Path) -> None:
    prefix = Graph(lambda step: v1.train.AdamOptimizer(0.1)).save(str(tmp_path / "model"))
    plan = make_plan(prefix, template_of("keras3", "GradientDescent", tmp_path))
    reasons = {left.key: left.reason for left in plan.drops}
    assert "the source's optimizer is Adam" in reasons["beta1_power"]
