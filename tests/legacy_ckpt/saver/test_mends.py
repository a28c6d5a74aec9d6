"""The faults of the stock Saver in TensorFlow 2.21: shown with the stock class, gone with this one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.installed_keras import only_keras_3

from .side_by_side import OURS, STOCK, Api

tf1 = tf.compat.v1
ONE_TO_SIX = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> str:
    """A name-based checkpoint with v of shape [2, 3]."""
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("v", initializer=ONE_TO_SIX)
        sess.run(tf1.global_variables_initializer())
        return str(STOCK.Saver().save(sess, str(tmp_path / "named")))


def object_based(tmp_path: Path, **variables: Any) -> str:
    """An object-based checkpoint of variables with these names and values."""
    holder = tf.train.Checkpoint(**{name: tf.Variable(value, name=name) for name, value in variables.items()})
    return str(holder.save(str(tmp_path / "objects")))


def restored(api: Api, path: str, build: Callable[[], Any], finalize: bool = False) -> Any:
    """The values of all variables that `build` makes, after a restore in a graph of their own."""
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        build()
        saver = api.Saver()
        sess.run(tf1.global_variables_initializer())
        if finalize:
            graph.finalize()
        saver.restore(sess, path)
        return sess.run(tf1.global_variables())


@pytest.mark.parametrize("shape", [[3, 2], [2], [4, 4], []], ids=str)
@pytest.mark.parametrize("style", ["name-based", "object-based"])
def test_a_resource_variable_takes_no_value_of_another_shape(
    shape: list[int], style: str, saved: str, tmp_path: Path
) -> None:
    path = saved if style == "name-based" else object_based(tmp_path, v=ONE_TO_SIX)

    def build() -> None:
        tf1.get_variable("v", shape, use_resource=True)

    assert restored(STOCK, path, build)[0].shape == (2, 3)  # the fault: a value of the wrong shape
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Assign requires shapes of both tensors to match"
    ):
        restored(OURS, path, build)


def test_a_mismatch_leaves_every_variable_as_it_was(saved: str) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("v", [4], initializer=tf1.ones_initializer(), use_resource=True)
        saver = OURS.Saver()
        sess.run(tf1.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError):
            saver.restore(sess, saved)
        assert sess.run(tf1.global_variables())[0].tolist() == [1, 1, 1, 1]


def test_a_variable_of_unknown_shape_still_takes_any(saved: str) -> None:
    def build() -> None:
        tf1.Variable(
            tf1.placeholder_with_default([0.0], None), name="v", validate_shape=False, use_resource=True
        )

    assert restored(OURS, saved, build)[0].tolist() == ONE_TO_SIX.tolist()


def partitioned(axis: int = 0) -> None:
    tf1.get_variable(
        "v",
        [2, 3],
        initializer=tf1.zeros_initializer(),
        partitioner=tf1.fixed_size_partitioner([2, 3][axis], axis),
        use_resource=True,
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_an_object_based_value_fills_every_slice(axis: int, tmp_path: Path) -> None:
    path = object_based(tmp_path, v=ONE_TO_SIX)
    stock = np.concatenate(restored(STOCK, path, lambda: partitioned(axis)), axis)
    assert np.count_nonzero(stock) < 6  # the fault: only the last slice
    ours = np.concatenate(restored(OURS, path, lambda: partitioned(axis)), axis)
    assert ours.tolist() == ONE_TO_SIX.tolist()


def test_slices_that_were_saved_as_objects_come_back(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        v = tf1.get_variable("v", initializer=ONE_TO_SIX, partitioner=None, use_resource=True)
        parts = tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2), use_resource=True)
        sess.run(tf1.global_variables_initializer())
        expected = sess.run(list(parts))
        checkpoint = tf.train.Checkpoint(v=v, parts=list(parts))
        with sess.as_default():
            path = checkpoint.save(str(tmp_path / "parts"))

    def build() -> None:
        tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2), use_resource=True)

    assert np.array_equal(restored(OURS, path, build), expected)
    with pytest.raises(tf.errors.OpError):
        restored(STOCK, path, build)


def test_an_object_based_file_adds_no_ops(tmp_path: Path) -> None:
    path = object_based(tmp_path, v=ONE_TO_SIX)

    def build() -> None:
        tf1.get_variable("v", [2, 3], use_resource=True)

    with pytest.raises(RuntimeError, match="finalized"):
        restored(STOCK, path, build, finalize=True)
    assert restored(OURS, path, build, finalize=True)[0].tolist() == ONE_TO_SIX.tolist()


def test_a_monitored_training_session_starts_from_an_object_based_directory(tmp_path: Path) -> None:
    v, step = tf.Variable(ONE_TO_SIX, name="v"), tf.Variable(7, dtype=tf.int64, name="global_step")
    tf.train.CheckpointManager(tf.train.Checkpoint(v=v, step=step), str(tmp_path), 1).save()

    def start(api: Api) -> Any:
        with tf.Graph().as_default():
            w = tf1.get_variable("v", [2, 3], use_resource=True)
            tf1.train.get_or_create_global_step()
            scaffold = tf1.train.Scaffold(saver=api.Saver())
            with tf1.train.MonitoredTrainingSession(
                checkpoint_dir=str(tmp_path),
                scaffold=scaffold,
                save_checkpoint_secs=None,
                save_summaries_steps=None,
            ) as sess:
                return sess.run(w)

    with pytest.raises(RuntimeError, match="finalized"):
        start(STOCK)
    assert start(OURS).tolist() == ONE_TO_SIX.tolist()


def keras_model() -> Any:
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(3)])
    model.build((None, 4))
    return model


@only_keras_3
@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("kind", ["list", "dict"])
def test_keras_3_variables_have_their_own_keys(mode: str, kind: str, tmp_path: Path) -> None:
    def keys(api: Api) -> list[str]:
        prefix = str(tmp_path / api.Saver.__module__)
        model = keras_model()
        variables = model.variables if kind == "list" else {v.path: v for v in model.variables}
        saver = api.Saver(variables)
        if mode == "eager":
            saver.save(None, prefix)
        else:
            with tf1.Session() as sess:
                sess.run(tf1.global_variables_initializer())
                saver.save(sess, prefix)
        return [name for name, _ in tf.train.list_variables(prefix)]

    with tf.Graph().as_default() if mode == "graph" else tf.init_scope():
        stock = keys(STOCK)
    with tf.Graph().as_default() if mode == "graph" else tf.init_scope():
        ours = keys(OURS)
    assert all(key.endswith("VARIABLE_VALUE") for key in stock)
    assert len(stock) == (1 if kind == "list" else 4)
    assert len(ours) == 4
    assert not any(key.endswith("VARIABLE_VALUE") for key in ours)


@only_keras_3
def test_the_stock_keys_of_keras_3_variables_are_read(tmp_path: Path) -> None:
    model = keras_model()
    by_path = {variable.path: variable for variable in model.variables}
    before = model.get_weights()
    STOCK.Saver(by_path).save(None, str(tmp_path / "m"))
    model.set_weights([np.zeros_like(weight) for weight in before])
    OURS.Saver(by_path).restore(None, str(tmp_path / "m"))
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_a_negative_max_to_keep_deletes_nothing(tmp_path: Path) -> None:
    def left(api: Api) -> int:
        folder = tmp_path / api.Saver.__module__
        folder.mkdir()
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("v", [1])
            sess.run(tf1.global_variables_initializer())
            saver = api.Saver(max_to_keep=-1)
            for step in range(3):
                saver.save(sess, str(folder / "m"), global_step=step)
        return len(list(folder.glob("*.index")))

    assert left(STOCK) == 0
    with pytest.warns(UserWarning, match="max_to_keep=-1"):
        assert left(OURS) == 3


NUMPY_2_4 = tuple(map(int, np.__version__.split(".")[:2])) >= (2, 4)
STEPS: dict[str, Any] = {
    "array of shape [1]": np.array([7]),
    "0-d array": np.array(7),
    "variable of shape [1]": lambda: tf1.get_variable("s", initializer=[7]),
    "ref variable of shape [1]": lambda: tf1.get_variable("s", initializer=[7], use_resource=False),
    "name of a resource variable": lambda: tf1.get_variable("s", initializer=7, use_resource=True).name,
    "name of its op": lambda: tf1.get_variable("s", initializer=7, use_resource=True).op.name,
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_steps_that_numpy_2_4_refuses(step: Any, tmp_path: Path) -> None:
    """With an older numpy the stock Saver takes some of them, and names the file no otherwise."""

    def path(api: Api) -> str:
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("v", [1])
            given = step() if callable(step) else step
            sess.run(tf1.global_variables_initializer())
            return str(api.Saver().save(sess, str(tmp_path / "m"), global_step=given))

    with pytest.raises(TypeError) if NUMPY_2_4 else contextlib.suppress(TypeError):
        assert path(STOCK) == str(tmp_path / "m-7")
    assert path(OURS) == str(tmp_path / "m-7")


@pytest.mark.parametrize(
    "step", [np.array([7]), np.array(7), lambda: tf.Variable([7])], ids=["[1]", "0-d", "variable"]
)
def test_the_same_in_eager_mode(step: Any, tmp_path: Path) -> None:
    given = step() if callable(step) else step
    variable = tf.Variable(1.0, name="v")
    refusals = (TypeError, AttributeError)
    with pytest.raises(refusals) if NUMPY_2_4 else contextlib.suppress(*refusals):
        path = STOCK.Saver([variable]).save(None, str(tmp_path / "m"), global_step=given)
        assert path == str(tmp_path / "m-7")
    assert OURS.Saver([variable]).save(None, str(tmp_path / "m"), global_step=given) == str(tmp_path / "m-7")


def test_several_steps_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"one number; got an array of shape \(2,\)"):
        OURS.Saver([tf.Variable(1.0)]).save(None, str(tmp_path / "m"), global_step=np.array([1, 2]))


def test_the_session_decides_the_mode(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        variable = tf1.get_variable("v", initializer=[1.0])
        init = tf1.global_variables_initializer()
        assign = variable.assign([0.0])
        savers = {api: api.Saver() for api in (STOCK, OURS)}
    sess = tf1.Session(graph=graph)
    sess.run(init)
    with pytest.raises(Exception):  # noqa: B017, PT011  # the stock class fails, in one way or another
        savers[STOCK].save(sess, str(tmp_path / "m"))
    path = savers[OURS].save(sess, str(tmp_path / "m"))
    assert (tmp_path / "m.meta").exists()
    sess.run(assign)
    savers[OURS].restore(sess, path)
    assert sess.run(variable).tolist() == [1.0]


def test_paths_may_be_pathlib(tmp_path: Path) -> None:
    def act(api: Api) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("v", [1])
            saver = api.Saver(filename=tmp_path / "f")
            sess.run(tf1.global_variables_initializer())
            path = Path(saver.save(sess, tmp_path / "m", latest_filename=Path("newest"), global_step=3))
            saver.restore(sess, path)
            saver.recover_last_checkpoints([path])
            saver.export_meta_graph(tmp_path / "g.meta")
            api.export_meta_graph(tmp_path / "h.meta", saver_def=saver.saver_def)
            saver.set_last_checkpoints([path])
            saver.save(sess, tmp_path / "m", global_step=4)
            last = saver.last_checkpoints
        with tf.Graph().as_default():
            return last, api.import_meta_graph(tmp_path / "h.meta") is not None

    with pytest.raises(TypeError):
        act(STOCK)
    assert act(OURS) == ([str(tmp_path / "m-3"), str(tmp_path / "m-4")], True)


@pytest.mark.parametrize("kind", ["monitored", "singular"])
def test_a_monitored_session_is_a_session(kind: str, tmp_path: Path) -> None:
    def act(api: Api) -> Any:
        with tf.Graph().as_default():
            variable = tf1.get_variable("v", initializer=[5.0])
            zero = variable.assign([0.0])
            saver = api.Saver()
            make = tf1.train.MonitoredSession if kind == "monitored" else tf1.train.SingularMonitoredSession
            with make() as sess:
                path = saver.save(sess, str(tmp_path / "m"))
                sess.run(zero)
                saver.restore(sess, path)
                value = sess.run(variable).tolist()
            with pytest.raises(RuntimeError, match="closed Session"):
                saver.save(sess, str(tmp_path / "m"))
            return value

    with pytest.raises(TypeError):
        act(STOCK)
    assert act(OURS) == [5.0]


def test_a_missing_shard_is_told_as_a_missing_file(saved: str) -> None:
    Path(saved + ".data-00000-of-00001").rename(saved + ".gone")

    def message(api: Api) -> str:
        with pytest.raises(tf.errors.NotFoundError) as caught:
            restored(api, saved, lambda: tf1.get_variable("v", [2, 3]))
        return str(caught.value)

    assert "Variable name or other graph key that is missing" in message(STOCK)
    told = message(OURS)
    assert f"{saved}.data-00000-of-00001 is missing" in told
    assert "Variable name" not in told


@pytest.mark.parametrize("sharded", [False, True])
def test_bfloat16_in_a_v1_saver(sharded: bool, tmp_path: Path) -> None:
    def act(api: Api) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            variable = tf1.get_variable("v", initializer=tf.constant([1.5, 2.0], tf.bfloat16))
            tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2))
            zero = variable.assign(tf.zeros([2], tf.bfloat16))
            saver = api.Saver(write_version=tf1.train.SaverDef.V1, max_to_keep=2, sharded=sharded)
            sess.run(tf1.global_variables_initializer())
            paths = [saver.save(sess, str(tmp_path / "m"), global_step=step) for step in range(3)]
            before = sess.run(tf1.global_variables())
            sess.run(zero)
            saver.restore(sess, paths[-1])
            after = sess.run(tf1.global_variables())
        return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))

    with pytest.raises(tf.errors.UnimplementedError):
        act(STOCK)
    with pytest.warns(UserWarning, match="cannot hold bfloat16"):
        assert act(OURS)
    assert sorted(path.name for path in tmp_path.glob("*.index")) == ["m-1.index", "m-2.index"]


def test_bfloat16_in_an_eager_v1_saver(tmp_path: Path) -> None:
    variable = tf.Variable(tf.constant([1.5], tf.bfloat16), name="v")
    with pytest.raises(tf.errors.UnimplementedError):
        STOCK.Saver([variable], write_version=tf1.train.SaverDef.V1).save(None, str(tmp_path / "m"))
    saver = OURS.Saver([variable], write_version=tf1.train.SaverDef.V1)
    with pytest.warns(UserWarning, match="cannot hold bfloat16"):
        path = saver.save(None, str(tmp_path / "m"))
    variable.assign([0.0])
    saver.restore(None, path)
    assert variable.numpy().tolist() == [1.5]


@pytest.mark.parametrize("as_text", [False, True])
def test_an_imported_saver_keeps_its_settings(as_text: bool, tmp_path: Path) -> None:
    def act(api: Api) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            tf1.get_variable("v", [1])
            settings = {"pad_step_number": True, "save_relative_paths": True}
            saver = api.Saver(max_to_keep=2, keep_checkpoint_every_n_hours=0.5, **settings)
            meta_graph = saver.export_meta_graph(str(tmp_path / "g.meta"), as_text=as_text)
        told = []
        for source in (meta_graph, str(tmp_path / "g.meta")):
            with tf.Graph().as_default(), tf1.Session() as sess:
                imported = api.import_meta_graph(source)
                sess.run(tf1.global_variables_initializer())
                told.append(Path(imported.save(sess, str(tmp_path / "m"), global_step=3)).name)
                told.append(tf1.train.CheckpointState.FromString(b"") is not None)
                told.append(str(tmp_path) in (tmp_path / "checkpoint").read_text())
                told.append((imported._max_to_keep, imported._keep_checkpoint_every_n_hours))
        return told

    if hasattr(tf1.train, "CheckpointState"):
        assert "m-00000003" not in act(STOCK)
        assert act(OURS) == ["m-00000003", True, False, (2, 0.5)] * 2


@pytest.mark.parametrize("style", ["name-based", "object-based"])
def test_an_imported_saver_checks_and_maps_too(style: str, saved: str, tmp_path: Path) -> None:
    path = saved if style == "name-based" else object_based(tmp_path, v=ONE_TO_SIX)

    def imported(shape: list[int]) -> Any:
        with tf.Graph().as_default():
            tf1.get_variable("v", shape, use_resource=True)
            meta_graph = OURS.Saver().export_meta_graph()
        with tf.Graph().as_default() as graph, tf1.Session() as sess:
            saver = OURS.import_meta_graph(meta_graph)
            graph.finalize()
            saver.restore(sess, path)
            return sess.run("v/Read/ReadVariableOp:0").tolist()

    assert imported([2, 3]) == ONE_TO_SIX.tolist()
    with pytest.raises(tf.errors.InvalidArgumentError, match="Assign requires shapes"):
        imported([3, 2])


def test_savers_of_an_imported_collection_are_of_this_class() -> None:
    with tf.Graph().as_default():
        tf1.get_variable("v", [1])
        tf1.add_to_collection(tf1.GraphKeys.SAVERS, OURS.Saver())
        meta_graph = OURS.export_meta_graph()
    with tf.Graph().as_default():
        OURS.import_meta_graph(meta_graph)
        (saver,) = tf1.get_collection(tf1.GraphKeys.SAVERS)
    assert isinstance(saver, OURS.Saver)


def test_two_variables_of_one_name_are_told(tmp_path: Path) -> None:
    first, second = tf.Variable([1.0, 1.0], name="v"), tf.Variable([2.0, 2.0], name="v")
    path = tf.train.Checkpoint(a=first, b=second).save(str(tmp_path / "m"))
    with pytest.warns(UserWarning, match="2 variables named 'v'"):
        values = restored(OURS, path, lambda: tf1.get_variable("v", [2]))
    assert values[0].tolist() == restored(STOCK, path, lambda: tf1.get_variable("v", [2]))[0].tolist()


def test_nothing_else_warns(tmp_path: Path) -> None:
    with warnings.catch_warnings(), tf.Graph().as_default(), tf1.Session() as sess:
        warnings.simplefilter("error")
        tf1.get_variable("v", [1])
        saver = OURS.Saver()
        sess.run(tf1.global_variables_initializer())
        saver.restore(sess, saver.save(sess, str(tmp_path / "m")))
