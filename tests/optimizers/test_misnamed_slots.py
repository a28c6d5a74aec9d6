"""Training goes on with partitioned variables whose slots an optimizer made inside a variable scope.

TensorFlow saves those slots under crippled names, one for every part (`planning/optimizers/misnamed`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from migration import Checkpoint, execute, make_plan
from migration.testing import assert_round_trip
from tests.optimizers.programs import SOURCES, TARGETS, Graph, Target, batches, difference, initial, loss_of

v1 = tf.compat.v1
BEFORE, AFTER, AGAIN = 4, 5, 4


class Scoped(Graph):
    """The program with a kernel in three parts, and its optimizer inside a variable scope."""

    def __post_init__(self) -> None:
        self.graph = tf.Graph()
        values = initial()
        with self.graph.as_default():
            self.x, self.y = v1.placeholder(tf.float32, (None, 3)), v1.placeholder(tf.float32, (None, 2))
            self.step = v1.train.get_or_create_global_step()
            cut = {"dense/kernel": v1.fixed_size_partitioner(3), "out/kernel": v1.fixed_size_partitioner(2)}
            self.variables = [
                v1.get_variable(
                    name,
                    shape=value.shape,
                    initializer=v1.random_normal_initializer(seed=1),
                    partitioner=cut.get(name),
                    use_resource=self.resource,
                )
                for name, value in values.items()
            ]
            self.variables = [tf.convert_to_tensor(one) for one in self.variables]
            loss = loss_of(*self.variables, self.x, self.y)
            with v1.variable_scope("train"):
                self.train = self.optimizer(self.step).minimize(loss, global_step=self.step)
            self.saver = v1.train.Saver(save_relative_paths=True)
            self.start = v1.global_variables_initializer()
        self.session = v1.Session(graph=self.graph)
        self.session.run(self.start)


NAMES = ("Adam", "Momentum", "RMSProp", "centered RMSProp", "Adagrad")


@pytest.mark.parametrize("meta", [True, False], ids=["graph", "names"])
@pytest.mark.parametrize("flavour", ["v1", "tf_keras", "keras3"])
@pytest.mark.parametrize("name", NAMES)
def test_training_goes_on_and_comes_back(name: str, flavour: str, meta: bool, tmp_path: Path) -> None:
    program = Scoped(SOURCES[name])
    program.run(batches(BEFORE))
    prefix = program.save(str(tmp_path / "model.ckpt"), meta=meta)
    data = batches(AFTER + AGAIN, seed=2)
    expected = program.run(data)
    assert len(Checkpoint.open(prefix).incomplete) >= 5

    make = TARGETS[flavour][name]
    template = Target(flavour, make).checkpoint.write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert not plan.unused, plan.unused
    if name == "Momentum" and flavour != "v1" and not meta:
        # accum becomes velocity by the learning rate, which no graph tells: the template's, and that is said
        assert any("learning_rate" in note for note in plan.notes)
        return
    assert not plan.unfilled, plan.unfilled
    execute(plan, Checkpoint.open(prefix), str(tmp_path / "migrated"), template=Checkpoint.open(template))
    target = Target(flavour, make)
    target.checkpoint.restore(str(tmp_path / "migrated")).assert_consumed()
    if meta:  # else the learning rate is the template's own
        for step, weights in enumerate(target.run(data[:AFTER])):
            assert difference(weights, expected[step]) < 1e-5, (step, plan.notes)
    trained_on = target.checkpoint.write(str(tmp_path / "trained-on"))
    back = make_plan(trained_on, prefix, to="name")
    assert not back.unfilled, back.unfilled
    execute(back, Checkpoint.open(trained_on), str(tmp_path / "back"))
    assert Checkpoint.open(tmp_path / "back").partitions == Checkpoint.open(prefix).partitions
    program.restore(str(tmp_path / "back"))
    for step, weights in enumerate(program.run(data[AFTER:] if meta else data)):
        assert difference(weights, expected[AFTER + step if meta else step]) < 1e-5, (step, back.notes)


def test_the_names_alone_come_back_to_the_byte(tmp_path: Path) -> None:
    program = Scoped(SOURCES["Adam"])
    program.run(batches(BEFORE))
    assert_round_trip(program.save(str(tmp_path / "model.ckpt")))
