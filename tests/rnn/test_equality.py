"""Recurrent cells of TensorFlow 1 against Keras layers after the migration: outputs, training, and back.

Every case: three steps in a TF1 graph with Adam, saved by its Saver, migrated onto a Keras model that was
never trained; then the output sequences are equal, and stay so through five steps on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration import Checkpoint, Options, execute, make_plan
from migration.planning.steps import Confidence
from migration.planning.targets import Template
from migration.planning.transforms import Add
from tests.rnn.cells import BATCH, CASES, EPSILON, INPUTS, RATE, TIME, Case, Source, batches

STEPS_BEFORE, STEPS_AFTER = 3, 5
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
KERAS = {"tf_keras": tf_keras, "keras 3": keras}
BY_NAME = {case.name: case for case in CASES}


class Target:
    """The case's layers with an Adam, of one Keras, under a tf.train.Checkpoint."""

    def __init__(self, case: Case, library: Any, optimizer: Any = None) -> None:
        self.model = library.Sequential([library.layers.Input((TIME, INPUTS)), *case.layers(library.layers)])
        self.optimizer = optimizer or library.optimizers.Adam(RATE, epsilon=EPSILON)
        if hasattr(self.optimizer, "build"):
            self.optimizer.build(self.model.trainable_variables)
        else:  # older optimizers make their slots with the first step, here one that moves nothing
            zeros = [tf.zeros_like(weight) for weight in self.model.trainable_variables]
            self.optimizer.apply_gradients(zip(zeros, self.model.trainable_variables, strict=True))
        self.root = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer)

    def train(self, inputs: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> None:
        """One step."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.model(inputs) - wanted))
        weights = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))

    def run(self, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The output sequence."""
        return np.asarray(self.model(inputs))


def migrated(source: Checkpoint, target: Target, prefix: Path) -> Any:
    """Migrates onto the target, restores it, and returns the plan."""
    template = Template.of(target.root)
    plan = make_plan(source, template)
    assert [step.target for step in plan.steps if step.confidence is not Confidence.CERTAIN] == []
    assert plan.unused == ()
    assert plan.unfilled == ()
    execute(plan, source, str(prefix), template=template.checkpoint)
    target.root.restore(str(prefix)).assert_consumed()
    return plan


@pytest.fixture(scope="module", params=[case.name for case in CASES])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A trained source, its checkpoint, and what it gives after each of the steps that follow."""
    case = BY_NAME[request.param]
    source = Source(case)
    data = batches(STEPS_BEFORE + STEPS_AFTER, source.width)
    for batch in data[:STEPS_BEFORE]:
        source.train(batch)
    prefix = source.save(str(tmp_path_factory.mktemp("source") / "model.ckpt"))
    probe = batches(1, 1)[0][0]
    outputs = [source.run(probe)]
    for batch in data[STEPS_BEFORE:]:
        source.train(batch)
        outputs.append(source.run(probe))
    yield case, source, prefix, data[STEPS_BEFORE:], probe, outputs
    source.session.close()


@pytest.mark.parametrize("library", list(KERAS))
def test_outputs_and_training_are_equal(trained: Any, library: str, tmp_path: Path) -> None:
    case, _, prefix, data, probe, outputs = trained
    assert outputs[0].shape == (BATCH, TIME, outputs[0].shape[-1])
    target = Target(case, KERAS[library])
    plan = migrated(Checkpoint.open(prefix), target, tmp_path / "object")
    check_forget_bias(plan)
    np.testing.assert_allclose(target.run(probe), outputs[0], **CLOSE)
    assert not np.allclose(outputs[0], outputs[1], **CLOSE)
    for batch, expected in zip(data, outputs[1:], strict=True):
        target.train(*batch)
        np.testing.assert_allclose(target.run(probe), expected, **CLOSE)


@pytest.mark.parametrize(
    "optimizer", [tf_keras.optimizers.legacy.Adam, tf.compat.v1.train.AdamOptimizer], ids=["legacy", "v1"]
)
def test_older_adams_take_up_the_slots(optimizer: Any, tmp_path: Path) -> None:
    source = Source(BY_NAME["MultiRNNCell"])
    data = batches(STEPS_BEFORE + STEPS_AFTER, source.width)
    probe = batches(1, 1)[0][0]
    for batch in data[:STEPS_BEFORE]:
        source.train(batch)
    start = source.save(str(tmp_path / "start.ckpt"))
    target = Target(source.case, tf_keras, optimizer(RATE, epsilon=EPSILON))
    migrated(Checkpoint.open(start), target, tmp_path / "object")
    for batch in data[STEPS_BEFORE:]:
        source.train(batch)
        target.train(*batch)
        np.testing.assert_allclose(target.run(probe), source.run(probe), **CLOSE)
    source.session.close()


@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "MultiRNNCell", "bidirectional_dynamic_rnn"])
def test_the_way_back(name: str, tmp_path: Path) -> None:
    """Five steps in Keras, back to the old names, and TF1 goes on where TF1 alone would have come to."""
    source = Source(BY_NAME[name])
    data = batches(STEPS_AFTER + 2, source.width)
    probe = batches(1, 1)[0][0]
    source.train(data[0])
    start = source.save(str(tmp_path / "start.ckpt"))
    for batch in data[1:]:
        source.train(batch)
    expected = source.run(probe)
    target = Target(source.case, tf_keras)
    migrated(Checkpoint.open(start), target, tmp_path / "object")
    for batch in data[1:-1]:
        target.train(*batch)
    trained_on = Checkpoint.open(target.root.save(str(tmp_path / "trained")))
    back = make_plan(trained_on, start, to="name")
    execute(back, trained_on, str(tmp_path / "names"))
    source.restore(str(tmp_path / "names"))
    source.train(data[-1])
    np.testing.assert_allclose(source.run(probe), expected, **CLOSE)
    source.session.close()


def check_forget_bias(plan: Any) -> None:
    """It is added to the weights of cells, and to no slot."""
    adding = [step for step in plan.steps if any(isinstance(one, Add) for one in _transforms(step))]
    slots = [step for step in plan.steps if any("Adam" in source.key for source in step.sources)]
    assert len(slots) == 2 * sum(step.origin == "cell" for step in plan.steps)
    assert not any(step in adding for step in slots)
    assert all(step.origin == "cell" and step.full_name.endswith("/bias") for step in adding)
    assert bool(adding) == any(note.startswith("forget_bias") and " 0 " not in note for note in plan.notes)


def _transforms(step: Any) -> list[Any]:
    return [*step.transforms, *(one for source in step.sources for one in source.transforms)]


def test_slots_are_the_sources_in_the_new_order(tmp_path: Path) -> None:
    """The moments of a fused LSTM kernel and bias, by hand: rows in two, j and f exchanged, nothing added."""
    case = BY_NAME["BasicLSTMCell"]
    source = Source(case)
    for batch in batches(2, source.width):
        source.train(batch)
    checkpoint = Checkpoint.open(source.save(str(tmp_path / "model.ckpt")))
    source.session.close()
    target = Target(case, tf_keras)
    migrated(checkpoint, target, tmp_path / "object")
    for old, new in (("Adam", "_momentums"), ("Adam_1", "_velocities")):
        kernel, bias = (checkpoint.read(f"rnn/basic_lstm_cell/{part}/{old}") for part in ("kernel", "bias"))
        i, j, f, o = np.split(kernel, 4, axis=1)
        whole = np.concatenate([i, f, j, o], axis=1)
        slots = [np.asarray(slot) for slot in getattr(target.optimizer, new)]
        np.testing.assert_array_equal(slots[0], whole[:INPUTS])
        np.testing.assert_array_equal(slots[1], whole[INPUTS:])
        i, j, f, o = np.split(bias, 4)
        np.testing.assert_array_equal(slots[2], np.concatenate([i, f, j, o]))


def test_the_flag_is_for_a_checkpoint_without_its_graph(tmp_path: Path) -> None:
    case = BY_NAME["LSTMCell"]  # forget_bias=0.3
    source = Source(case)
    prefix = source.save(str(tmp_path / "model.ckpt"))
    Path(prefix + ".meta").unlink()
    probe = batches(1, 1)[0][0]
    expected = source.run(probe)
    source.session.close()
    checkpoint = Checkpoint.open(prefix)
    for value, right in ((0.3, True), (None, False)):
        target = Target(case, keras)
        template = Template.of(target.root)
        plan = make_plan(checkpoint, template, options=Options(forget_bias=value, step=0, learning_rate=RATE))
        told = "--forget_bias" if right else "TensorFlow 1's default"
        assert any(told in note for note in plan.notes)
        out = str(tmp_path / f"object-{value}")
        execute(plan, checkpoint, out, template=template.checkpoint)
        target.root.restore(out)
        assert np.allclose(target.run(probe), expected, **CLOSE) == right


def test_a_gru_of_another_formula_is_refused(tmp_path: Path) -> None:
    """reset_after=True, Keras's default, cannot be what GRUCell computes: told, and left undone."""
    case = BY_NAME["GRUCell"]
    source = Source(case)
    prefix = source.save(str(tmp_path / "model.ckpt"))
    source.session.close()
    other = Case(name="", graph=case.graph, layers=lambda layers: [layers.GRU(6, return_sequences=True)])
    plan = make_plan(prefix, Target(other, keras).root)
    assert any("reset_after=False" in note for note in plan.notes)
    assert any("gates/kernel" in left.key for left in plan.unused)
    assert any(left.full_name.endswith("gru_cell/kernel") for left in plan.unfilled)


def test_no_part_of_a_cell_goes_where_the_whole_cannot(tmp_path: Path) -> None:
    """The layer has other inputs: the old bias has its bias's shape, and would be wrong there."""
    case = BY_NAME["BasicLSTMCell"]
    source = Source(case)
    prefix = source.save(str(tmp_path / "model.ckpt"))
    source.session.close()
    model = keras.Sequential([keras.layers.Input((TIME, INPUTS + 1)), keras.layers.LSTM(6)])
    plan = make_plan(prefix, tf.train.Checkpoint(model=model))
    assert {step.origin for step in plan.steps} <= {"save counter"}
    assert {"rnn/basic_lstm_cell/kernel", "rnn/basic_lstm_cell/bias"} <= {left.key for left in plan.unused}
