"""What fresh eyes found in the ground, against TensorFlow: slices it cannot assemble, saveables, trees."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import legacy_ckpt
from migration import Checkpoint, Template, examine, execute, make_plan
from migration.planning.assembling import ASSEMBLED
from migration.tensors import DType
from migration.verify import verify
from tests.installed import of_tensorflow

# complex64 and so on are left out where TensorFlow casts no constant to them; string is made by hand.
KINDS = [dtype for dtype in DType if dtype not in (DType.VARIANT, DType.RESOURCE) and dtype.name[0] != "Q"]


def _in_slices(prefix: pathlib.Path, dtype: DType) -> dict[str, Any]:
    """A tensor of three rows in two slices, and one in one piece; returns their values."""
    kind = tf.as_dtype(dtype.value)
    values = np.array([[1, 0], [0, 1], [1, 1]])
    rows = values.astype(str).astype(object) if dtype is DType.STRING else values.astype(kind.as_numpy_dtype)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=["w", "w", "plain"],
        shape_and_slices=["3 2 0,1:0,2", "3 2 1,2:0,2", ""],
        tensors=[tf.constant(rows[:1], kind), tf.constant(rows[1:], kind), tf.constant(rows, kind)],
    )
    return {"w": tf.constant(rows, kind), "plain": tf.constant(rows, kind)}


@pytest.mark.parametrize("dtype", of_tensorflow(KINDS), ids=str)
def test_a_partitioned_variable_of_any_dtype(tmp_path: pathlib.Path, dtype: DType) -> None:
    expected = _in_slices(tmp_path / "m", dtype)
    source = Checkpoint.open(tmp_path / "m")
    execute(make_plan(source), source, tmp_path / "objects")
    there = Checkpoint.open(tmp_path / "objects")
    assert verify(source, there).is_complete
    for key, value in expected.items():
        (read,) = tf.raw_ops.RestoreV2(
            prefix=str(tmp_path / "objects"),
            tensor_names=[f"{key}/.ATTRIBUTES/VARIABLE_VALUE"],
            shape_and_slices=[""],
            dtypes=[value.dtype],
        )
        assert (
            read.numpy().tobytes() == value.numpy().tobytes()
            or read.numpy().tolist() == value.numpy().tolist()
        )
    assert len(there.partitions) == (dtype in ASSEMBLED)
    execute(make_plan(there, to="name"), there, tmp_path / "back")
    assert Checkpoint.open(tmp_path / "back").digest == source.digest


class _WithSaveables(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.table.insert(tf.constant(["a"]), tf.constant([1], tf.int64))
        self.iterator = iter(tf.data.Dataset.range(9))
        self.w = tf.Variable([1.0, 2.0], name="w")


def test_tables_and_iterators_of_a_template(tmp_path: pathlib.Path) -> None:
    """Their keys only begin with what the graph says; nothing of them is lost, or dropped untold."""
    path = tf.train.Checkpoint(_WithSaveables()).save(str(tmp_path / "ckpt"))
    assert not examine(path).findings
    objects = Checkpoint.open(path)
    plan = make_plan(objects, to="name")
    assert {step.sources[0].key for step in plan.steps} | {left.key for left in plan.drops} == set(
        objects.keys
    )
    execute(plan, objects, tmp_path / "names")
    names = Checkpoint.open(tmp_path / "names")
    assert names.keys == ("w",)
    template = Template.of(path)
    execute(make_plan(names, template), names, tmp_path / "new-4", template=template.checkpoint)
    target = _WithSaveables()
    tf.train.Checkpoint(target).restore(str(tmp_path / "new-4")).assert_consumed()
    assert target.table.lookup(tf.constant(["a"])).numpy() == [1]


def test_a_tree_loses_nothing(tmp_path: pathlib.Path) -> None:
    names = ["a", "a/b", "a/value", "a/b/c", "a/value/value", "/a", "name", "variables/x", "a/name", "name_"]
    names += ["save_counter", "submodules", "with_name_scope/w", "x:0", "x"]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[np.float32(number) for number in range(len(names))],
    )
    tree = legacy_ckpt.load_variables(tmp_path / "m")
    assert sorted(each.numpy() for each in tree.variables) == list(range(len(names)))
    tf.train.Checkpoint(tree).write(str(tmp_path / "written"))
    assert len(tf.train.list_variables(str(tmp_path / "written"))) == len(names) + 1


@pytest.mark.parametrize("name", ["ProximalAdagradOptimizer", "AdagradDAOptimizer"])
def test_the_lesser_optimizers_of_v1(tmp_path: pathlib.Path, name: str) -> None:
    """Their slots are slots that the optimizer itself restores, and come back under their own names."""
    v1 = tf.compat.v1

    def step_of(optimizer: Any, step: Any) -> Any:
        return optimizer(0.1, step) if name == "AdagradDAOptimizer" else optimizer(0.1)

    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("net/w", initializer=np.ones((3, 2), np.float32), use_resource=True)
        step = v1.train.get_or_create_global_step()
        optimizer = step_of(getattr(v1.train, name), step)
        update = optimizer.minimize(tf.reduce_sum(w**2), global_step=step)
        session.run(v1.global_variables_initializer())
        session.run(update)
        prefix = v1.train.Saver().save(session, str(tmp_path / "m-1"))
        slots = {slot: session.run(optimizer.get_slot(w, slot)) for slot in optimizer.get_slot_names()}
    source = Checkpoint.open(prefix)
    execute(make_plan(source), source, tmp_path / "new-1", manifest=False)
    with tf.Graph().as_default(), v1.Session() as session:
        root = tf.Module()
        root.net = tf.Module()
        root.net.w = tf.Variable(np.zeros((3, 2), np.float32))
        root.global_step = tf.Variable(0, dtype=tf.int64)
        root.optimizer = step_of(getattr(v1.train, name), root.global_step)
        root.optimizer.minimize(tf.reduce_sum(root.net.w**2), var_list=[root.net.w])
        status = tf.train.Checkpoint(root).restore(str(tmp_path / "new-1")).assert_consumed()
        status.initialize_or_restore(session)
        for slot, value in slots.items():
            assert np.array_equal(session.run(root.optimizer.get_slot(root.net.w, slot)), value)
    there = Checkpoint.open(tmp_path / "new-1")
    assert {each.target for each in make_plan(there, to="name").steps} == set(source.keys)
