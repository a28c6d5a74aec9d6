"""Where a Saver works: graphs, eager code, strategies, sessions with hooks; and what it can save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.data.experimental.ops import iterator_ops
from tensorflow.python.ops import gen_lookup_ops
from tensorflow.python.training import saver as saver_module

from legacy_ckpt.saver import Saver

from .side_by_side import STOCK

tf1 = tf.compat.v1


@pytest.mark.parametrize("use_resource", [True, False], ids=["resource", "ref"])
@pytest.mark.parametrize("sharded", [True, False])
@pytest.mark.parametrize("version", [tf1.train.SaverDef.V1, tf1.train.SaverDef.V2], ids=["V1", "V2"])
@pytest.mark.parametrize("writer", [STOCK.Saver, Saver], ids=["stock", "ours"])
def test_graph_variables_of_both_kinds(
    use_resource: bool, sharded: bool, version: int, writer: Any, tmp_path: Path
) -> None:
    """Whole and partitioned; each class reads what the other wrote."""
    reader = STOCK.Saver if writer is Saver else Saver

    def build(parts: int) -> None:
        tf1.get_variable("w", [3, 2], use_resource=use_resource)
        tf1.get_variable(
            "p", [4, 2], partitioner=tf1.fixed_size_partitioner(parts), use_resource=use_resource
        )

    with tf.Graph().as_default(), tf1.Session() as sess:
        build(2)
        saver = writer(sharded=sharded, write_version=version)
        sess.run(tf1.global_variables_initializer())
        path = saver.save(sess, str(tmp_path / "m"))
        w, *p = sess.run(tf1.global_variables())
    with tf.Graph().as_default(), tf1.Session() as sess:
        build(4)
        reader(sharded=sharded).restore(sess, path)
        again, *parts = sess.run(tf1.global_variables())
    assert np.array_equal(again, w)
    assert np.array_equal(np.concatenate(parts), np.concatenate(p))


class Table:
    """A lookup table whose keys and values are saved by a SaveableObject of its own."""

    class Saveable(saver_module.BaseSaverBuilder.SaveableObject):  # type: ignore[misc,name-defined]
        def __init__(self, table: Table, name: str) -> None:
            keys, values = gen_lookup_ops.lookup_table_export_v2(table.handle, tf.string, tf.float32)
            spec = saver_module.BaseSaverBuilder.SaveSpec
            super().__init__(
                table, [spec(keys, "", f"{name}-keys"), spec(values, "", f"{name}-values")], name
            )

        def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
            return gen_lookup_ops.lookup_table_import_v2(self.op.handle, *restored_tensors)

    def __init__(self, name: str) -> None:
        self.handle = gen_lookup_ops.mutable_hash_table_v2(tf.string, tf.float32, shared_name=name)
        tf1.add_to_collection(tf1.GraphKeys.SAVEABLE_OBJECTS, Table.Saveable(self, name))

    def insert(self, keys: list[str], values: list[float]) -> Any:
        return gen_lookup_ops.lookup_table_insert_v2(self.handle, keys, values)

    def find(self, key: str) -> Any:
        return gen_lookup_ops.lookup_table_find_v2(self.handle, tf.constant(key), tf.constant(-1.0))


@pytest.mark.parametrize("rename", [None, {"v": "w"}], ids=["plain", "renamed"])
def test_lookup_tables(rename: dict[str, str] | None, tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("v", initializer=[1.0])
        table = Table("table")
        saver = Saver()
        sess.run([tf1.global_variables_initializer(), table.insert(["a", "b"], [1.0, 2.0])])
        path = saver.save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("w" if rename else "v", [1])
        table = Table("table")
        found = table.find("b")
        Saver().restore(sess, path, rename=rename)
        assert sess.run(found) == 2.0


def test_a_table_that_is_not_there_stays_empty_in_a_partial_restore(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("v", initializer=[1.0])
        sess.run(tf1.global_variables_initializer())
        path = Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("v", [1])
        found = Table("table").find("b")
        report = Saver().restore(sess, path, partial=True)
        assert sess.run(found) == -1.0
    assert report is not None
    assert report.missing == ("table-keys", "table-values")


@pytest.mark.parametrize("rename", [None, {"v": "w"}], ids=["plain", "renamed"])
def test_iterators(rename: dict[str, str] | None, tmp_path: Path) -> None:
    def build(name: str) -> Any:
        tf1.get_variable(name, initializer=[1.0])
        iterator = tf1.data.make_initializable_iterator(tf.data.Dataset.range(10))
        saveable = iterator_ops.make_saveable_from_iterator(iterator)
        tf1.add_to_collection(tf1.GraphKeys.SAVEABLE_OBJECTS, saveable)
        return iterator.initializer, iterator.get_next()

    with tf.Graph().as_default(), tf1.Session() as sess:
        start, following = build("v")
        saver = Saver()
        sess.run([tf1.global_variables_initializer(), start])
        assert [sess.run(following) for _ in range(3)] == [0, 1, 2]
        path = saver.save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf1.Session() as sess:
        start, following = build("w" if rename else "v")
        saver = Saver()
        sess.run(start)
        saver.restore(sess, path, rename=rename)
        assert sess.run(following) == 3


@pytest.fixture(scope="module")
def mirrored() -> Any:
    """A strategy over two logical CPUs, which conftest.py sets up."""
    if len(tf.config.list_logical_devices("CPU")) < 2:
        pytest.fail("TensorFlow started with one CPU before tests/legacy_ckpt/saver/conftest.py was read")
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_mirrored_variables(mode: str, mirrored: Any, tmp_path: Path) -> None:
    def act(saver_class: Any, name: str) -> Any:
        sess = tf1.Session() if mode == "graph" else None
        with mirrored.scope():
            variable = tf.Variable([1.0, 2.0], name="v")
        saver = saver_class([variable])
        zero = variable.assign([0.0, 0.0]) if sess else None
        if sess:
            sess.run(variable.initializer)
        path = saver.save(sess, str(tmp_path / name))
        if sess:
            sess.run(zero)
        else:
            variable.assign([0.0, 0.0])
        saver.restore(sess, path)
        values = [sess.run(each) if sess else each.numpy() for each in variable.values]
        nodes = [node.name for node in tf1.get_default_graph().as_graph_def().node] if sess else []
        return [value.tolist() for value in values], tf.train.list_variables(path), nodes

    results = []
    for saver_class in (Saver, STOCK.Saver):
        with tf.Graph().as_default() if mode == "graph" else tf.init_scope():
            results.append(act(saver_class, saver_class.__module__))
    assert results[0] == results[1]
    assert results[0][0] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_a_mirrored_variable_takes_no_other_shape(mode: str, mirrored: Any, tmp_path: Path) -> None:
    path = Saver([tf.Variable([1.0, 2.0, 3.0], name="v")]).save(None, str(tmp_path / "m"))
    with tf.Graph().as_default() if mode == "graph" else tf.init_scope():
        with mirrored.scope():
            variable = tf.Variable([1.0, 2.0], name="v")
        saver = Saver([variable])
        with pytest.raises(
            (tf.errors.InvalidArgumentError, ValueError), match="Restoring from checkpoint failed"
        ):
            saver.restore(tf1.Session() if mode == "graph" else None, path)


def test_reshape(tmp_path: Path) -> None:
    path = Saver([tf.Variable([1.0, 2.0, 3.0, 4.0], name="v")]).save(None, str(tmp_path / "m"))
    variable = tf.Variable(tf.zeros([2, 2]), name="v")
    Saver([variable], reshape=True).restore(None, path)
    assert variable.numpy().tolist() == [[1, 2], [3, 4]]
    for use_resource in (True, False):
        with tf.Graph().as_default(), tf1.Session() as sess:
            v = tf1.get_variable("v", [2, 2], use_resource=use_resource)
            Saver(reshape=True).restore(sess, path)
            assert sess.run(v).tolist() == [[1, 2], [3, 4]]
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("v", [3, 2], use_resource=use_resource)
            with pytest.raises(tf.errors.InvalidArgumentError, match="the same number of elements"):
                Saver(reshape=True).restore(sess, path)


def test_a_saver_restores_in_every_session_of_its_graph(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        v = tf1.get_variable("v", initializer=[1.0])
        saver = Saver()
        with tf1.Session() as first:
            first.run(v.initializer)
            path = saver.save(first, str(tmp_path / "m"))
        with tf1.Session() as second:
            saver.restore(second, path)
            assert second.run(v).tolist() == [1.0]


@pytest.mark.parametrize("kind", ["supervisor", "monitored", "manager"])
def test_what_manages_sessions_takes_it(kind: str, tmp_path: Path) -> None:
    def run(steps: int) -> int:
        with tf.Graph().as_default():
            step = tf1.train.get_or_create_global_step()
            advance = step.assign_add(1)
            saver = Saver(sharded=True)
            ready = tf1.report_uninitialized_variables()
            if kind == "supervisor":
                sv = tf1.train.Supervisor(  # no threads of its own: they would start in eager mode
                    logdir=str(tmp_path),
                    saver=saver,
                    global_step=step,
                    save_model_secs=0,
                    save_summaries_secs=0,
                    summary_op=None,
                )
                with sv.managed_session() as sess:
                    for _ in range(steps):
                        sess.run(advance)
                    sv.saver.save(sess, sv.save_path, global_step=step)
                    return int(sess.run(step))
            if kind == "manager":
                sess = tf1.train.SessionManager(ready_op=ready).prepare_session(
                    "", init_op=tf1.global_variables_initializer(), saver=saver, checkpoint_dir=str(tmp_path)
                )
                for _ in range(steps):
                    sess.run(advance)
                saver.save(sess, str(tmp_path / "m"), global_step=step)
                return int(sess.run(step))
            hooks = [tf1.train.CheckpointSaverHook(str(tmp_path), save_steps=2, saver=saver)]
            with tf1.train.MonitoredTrainingSession(
                checkpoint_dir=str(tmp_path),
                scaffold=tf1.train.Scaffold(saver=saver),
                hooks=hooks,
                save_checkpoint_secs=None,
                save_summaries_steps=None,
            ) as sess:
                value = 0
                for _ in range(steps):
                    value = sess.run(advance)
                return int(value)

    assert run(3) == 3
    assert run(2) == 5
