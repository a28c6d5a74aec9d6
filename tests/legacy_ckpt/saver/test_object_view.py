"""One checkpoint for both APIs: what Saver.restore and tf.train.Checkpoint.restore read is the same bytes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt.saver import Saver, TrackablePartitions
from migration.checkpoint import Checkpoint, Style
from tests.installed_keras import KERAS_3

from .side_by_side import STOCK

tf1 = tf.compat.v1


def graph_saves(folder: Path, sharded: bool = False, saves: int = 1, keep: int = 5) -> tuple[list[str], Any]:
    """Saves of a graph with an optimizer, with a tf.train.Checkpoint as the view; and the values saved."""
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        w = tf1.get_variable("net/w", initializer=[[1.0, 2.0], [3.0, 4.0]], use_resource=True)
        optimizer = tf1.train.AdamOptimizer(0.1)
        train = optimizer.minimize(tf.reduce_sum(w * w))
        view = tf.train.Checkpoint(net=tf.train.Checkpoint(w=w), optimizer=optimizer)
        saver = Saver(object_view=view, sharded=sharded, max_to_keep=keep)
        nodes = len(graph.get_operations())
        sess.run(tf1.global_variables_initializer())
        sess.run(train)
        nodes = len(graph.get_operations())
        graph.finalize()
        with tf.Graph().as_default():  # the default graph is somebody else's
            paths = [saver.save(sess, str(folder / "m"), global_step=step) for step in range(saves)]
        assert len(graph.get_operations()) == nodes, "object_view adds no op"
        return paths, sess.run({v.op.name: v for v in tf1.global_variables()})


@pytest.mark.parametrize("sharded", [False, True])
def test_both_apis_read_it(sharded: bool, tmp_path: Path) -> None:
    (path,), values = graph_saves(tmp_path, sharded)
    for api in (STOCK.Saver, Saver):
        with tf.Graph().as_default(), tf1.Session() as sess:
            for name, value in values.items():
                tf1.get_variable(name, value.shape, value.dtype)
            api().restore(sess, path)
            again = sess.run({v.op.name: v for v in tf1.global_variables()})
            assert all(np.array_equal(again[name], value) for name, value in values.items())
    w = tf.Variable(tf.zeros([2, 2]), name="another_name")
    optimizer = tf1.train.AdamOptimizer(0.1)
    optimizer.apply_gradients([(tf.zeros([2, 2]), w)])
    checkpoint = tf.train.Checkpoint(net=tf.train.Checkpoint(w=w), optimizer=optimizer)
    checkpoint.restore(path).assert_consumed()
    assert np.array_equal(w.numpy(), values["net/w"])
    assert np.array_equal(optimizer.get_slot(w, "m").numpy(), values["net/w/Adam"])
    assert checkpoint.save_counter.numpy() == 1


def test_no_tensor_is_written_twice(tmp_path: Path) -> None:
    (path,), _ = graph_saves(tmp_path)
    opened = Checkpoint.open(path)
    assert opened.style is Style.BOTH
    assert opened.ranges("net/w") == opened.ranges("net/w/.ATTRIBUTES/VARIABLE_VALUE")
    opened.check_shards()
    for key in opened.keys:
        opened.read(key)  # every checksum


def test_retention_counts_and_deletes_whole_checkpoints(tmp_path: Path) -> None:
    paths, _ = graph_saves(tmp_path, saves=4, keep=2)
    assert {path.name for path in tmp_path.glob("m-*.index")} == {"m-2.index", "m-3.index"}
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(("m-0", "m-1"))]
    assert tf.train.load_variable(paths[-1], "save_counter/.ATTRIBUTES/VARIABLE_VALUE") == 4


def test_without_state_and_in_eager_mode(tmp_path: Path) -> None:
    variable = tf.Variable([1.0, 2.0], name="v")
    view = tf.train.Checkpoint(part=variable)
    path = Saver({"old_name": variable}, object_view=view).save(None, str(tmp_path / "m"), write_state=False)
    variable.assign([0.0, 0.0])
    report = Saver({"old_name": variable}).restore(None, path, partial=True)
    assert (report.restored, report.unexpected) == (("old_name",), ())
    with pytest.raises(tf.errors.NotFoundError, match="name- and object-based"):
        Saver({"nothing": variable}).restore(None, path)
    variable.assign([0.0, 0.0])
    view.restore(path).assert_consumed()
    assert variable.numpy().tolist() == [1.0, 2.0]
    assert tf.train.load_variable(path, "old_name").tolist() == [1.0, 2.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_keras_model(compiled: bool, tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.build((None, 3))
    if compiled:
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *(model.optimizer.variables if compiled else [])]
    if compiled and not KERAS_3:
        variables.append(model.optimizer.learning_rate)  # tracked, and not among the variables
    names = {getattr(each, "path", each.name): each for each in variables}  # Keras 2 has no path
    before = model.get_weights()
    path = Saver(names, object_view=tf.train.Checkpoint(model=model)).save(None, str(tmp_path / "m"))
    model.set_weights([weight + 1 for weight in before])
    tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_a_mapping(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("a/w", initializer=[1.0])
        tf1.get_variable("a/b", initializer=[2.0])
        sess.run(tf1.global_variables_initializer())
        path = Saver(object_view={"net/w": "a/w", "net/b": "a/b"}).save(sess, str(tmp_path / "m"))
    net = tf.train.Checkpoint(w=tf.Variable([0.0]), b=tf.Variable([0.0]))
    tf.train.Checkpoint(net=net).restore(path).assert_consumed()
    assert (net.w.numpy(), net.b.numpy()) == ([1.0], [2.0])


def test_a_plan(tmp_path: Path) -> None:
    planner = pytest.importorskip("migration.planning.planner")
    target = tf.train.Checkpoint(w=tf.Variable([0.0, 0.0], name="w"))
    template = target.save(str(tmp_path / "template"))
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("old/w", initializer=[1.0, 2.0])
        sess.run(tf1.global_variables_initializer())
        first = Saver().save(sess, str(tmp_path / "first"))
        from migration.planning.targets import Template

        plan = planner.make_plan(Checkpoint.open(first), Template.of(template), mapping={"old/w": "w"})
        path = Saver(object_view=plan).save(sess, str(tmp_path / "m"))
    target.restore(path).assert_consumed()
    assert target.w.numpy().tolist() == [1.0, 2.0]
    assert tf.train.load_variable(path, "old/w").tolist() == [1.0, 2.0]


def partitions() -> Any:
    return tf1.get_variable(
        "p", initializer=np.arange(8, dtype=np.float32).reshape(4, 2), partitioner=lambda **_: [2, 1]
    )


def test_partitioned_variables(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        table = tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2), use_resource=True)
        sess.run(tf1.global_variables_initializer())
        expected = sess.run(tf.convert_to_tensor(table))
        parts = tf.train.Checkpoint(whole=TrackablePartitions(table), parts=list(table))
        path = Saver([table], object_view=parts).save(sess, str(tmp_path / "m"))
    whole = tf.Variable(tf.zeros([4, 2]))
    pair = [tf.Variable(tf.zeros([2, 2])) for _ in range(2)]
    tf.train.Checkpoint(whole=whole, parts=pair).restore(path).assert_consumed()
    assert np.array_equal(whole.numpy(), expected)
    assert np.array_equal(np.concatenate([part.numpy() for part in pair]), expected)


DTYPES = {
    "half": tf.float16,
    "bfloat16": tf.bfloat16,
    "string": tf.string,
    "uint16": tf.uint16,
    "float32": tf.float32,
}


@pytest.mark.parametrize("resource", [True, False], ids=["resource", "ref"])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_in_parts_or_whole(dtype: Any, parts: int, resource: bool, tmp_path: Path) -> None:
    """TensorFlow puts no half, uint16 or string together from slices ("Dtype half not supported")."""
    rows = np.arange(8).reshape(4, 2)
    rows = rows.astype(str).astype(object) if dtype == tf.string else rows.astype(dtype.as_numpy_dtype)

    def initial(shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        start = partition_info.var_offset[0] if partition_info else 0
        return tf.constant(rows[start : start + shape[0]], dtype)

    cut = tf1.fixed_size_partitioner(parts) if parts > 1 else None
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("p", [4, 2], dtype, initial, partitioner=cut, use_resource=resource)
        sess.run(tf1.global_variables_initializer())
        path = Saver(object_view={"table": "p"}).save(sess, str(tmp_path / "m"))
    empty = tf.constant([[""] * 2] * 4) if dtype == tf.string else tf.zeros([4, 2], dtype)
    table = tf.Variable(empty)
    tf.train.Checkpoint(table=table).restore(path).assert_consumed()
    wanted = tf.constant(rows, dtype).numpy()
    assert np.array_equal(table.numpy(), wanted)
    for api in (STOCK.Saver, Saver):
        with tf.Graph().as_default(), tf1.Session() as sess:
            again = tf1.get_variable("p", [4, 2], dtype, initial, partitioner=cut, use_resource=resource)
            api().restore(sess, path)
            value = sess.run(again.as_tensor() if parts > 1 else tf.convert_to_tensor(again))
            assert np.array_equal(value, wanted)


def test_a_trackable_over_a_partitioned_variable(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session().as_default() as sess:
        table = tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2), use_resource=True)
        with pytest.raises(ValueError, match="PartitionedVariable"):
            tf.train.Checkpoint(table=table)
        sess.run(tf1.global_variables_initializer())
        expected = sess.run(tf.convert_to_tensor(table))
        path = tf.train.Checkpoint(table=TrackablePartitions(table)).save(str(tmp_path / "m"))
    whole = tf.Variable(tf.zeros([4, 2]))
    tf.train.Checkpoint(table=whole).restore(path).assert_consumed()
    assert np.array_equal(whole.numpy(), expected)
    whole_path = tf.train.Checkpoint(table=whole).save(str(tmp_path / "whole"))
    for source in (path, whole_path):
        with tf.Graph().as_default(), tf1.Session().as_default() as sess:
            table = tf1.get_variable(
                "p", [4, 2], partitioner=tf1.fixed_size_partitioner(4), use_resource=True
            )
            tf.train.Checkpoint(table=TrackablePartitions(table)).restore(
                source
            ).assert_consumed().run_restore_ops()
            assert np.array_equal(sess.run(tf.convert_to_tensor(table)), expected)


def test_what_cannot_be_viewed_is_refused(tmp_path: Path) -> None:
    variable, other = tf.Variable([1.0], name="v"), tf.Variable([1.0], name="w")
    with pytest.raises(ValueError, match="needs write_version V2"):
        Saver([variable], write_version=tf1.train.SaverDef.V1, object_view=tf.train.Checkpoint(v=variable))
    with pytest.raises(TypeError, match="object_view is a tf"):
        Saver([variable], object_view=7)
    with pytest.raises(ValueError, match="1 variables that this Saver does not save: w/"):
        Saver([variable], object_view=tf.train.Checkpoint(w=other)).save(None, str(tmp_path / "m"))
    assert not list(tmp_path.iterdir()), "nothing is written"
    with pytest.raises(ValueError, match="1 names that this Saver does not save: nothing"):
        Saver([variable], object_view={"a": "nothing"}).save(None, str(tmp_path / "m"))
    with pytest.warns(UserWarning, match="does not reach 1 variables of this Saver: w"):
        Saver([variable, other], object_view=tf.train.Checkpoint(v=variable)).save(None, str(tmp_path / "m"))
    with pytest.raises(TypeError, match="PartitionedVariable is needed"):
        TrackablePartitions(variable)


def test_it_costs_an_index_not_a_second_save(tmp_path: Path) -> None:
    variables = [tf.Variable(np.zeros(1_000_000, np.float32), name=f"v{i}") for i in range(50)]
    view = tf.train.Checkpoint(all=variables)
    Saver(variables, object_view=view).save(None, str(tmp_path / "m"))
    size = (tmp_path / "m.data-00000-of-00001").stat().st_size
    assert size - 200_000_000 < 20_000
    added = Saver(variables, object_view=view)._object_view
    started = time.perf_counter()
    added.add_to(Saver(variables), str(tmp_path / "m"))
    assert time.perf_counter() - started < 0.5
