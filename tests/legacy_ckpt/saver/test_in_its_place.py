"""What programs do around a Saver, side by side: subclasses, copies, metrics, builders, odd arguments."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import summary_pb2
from tensorflow.python.saved_model.pywrap_saved_model import metrics
from tensorflow.python.training import saver as saver_module

import legacy_ckpt

from .side_by_side import OURS, STOCK, Api, compare
from .test_parity import SlicesBuilder

tf1 = tf.compat.v1
V1 = tf1.train.SaverDef.V1


def counts() -> tuple[float, float]:
    """How many saves and restores TensorFlow's own metrics have counted in this process."""
    label = saver_module._SAVER_LABEL
    told = (
        metrics.GetCheckpointWriteDurations(api_label=label),
        metrics.GetCheckpointReadDurations(api_label=label),
    )
    writes, reads = (summary_pb2.HistogramProto.FromString(proto).num for proto in told)
    return writes, reads


@pytest.mark.parametrize("builder", [None, "of other ops"])
def test_each_save_and_restore_is_counted_once(builder: str | None, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            variable = tf1.get_variable("v", initializer=[1.0])
            saver = api.Saver(builder=SlicesBuilder(V1) if builder else None, write_version=V1)
            sess.run(variable.initializer)
            before = counts()
            path = saver.save(sess, str(folder / "m"))
            saver.restore(sess, path)
            after = counts()
            with pytest.raises(ValueError, match="not a valid checkpoint"):
                saver.restore(sess, str(folder / "nothing"))
            return np.subtract(after, before).tolist(), np.subtract(counts(), after).tolist()

    compare(scenario, tmp_path)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda saver: pickle.loads(pickle.dumps(saver))])
def test_a_copy_after_a_restore(how: Any, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            variable = tf1.get_variable("v", initializer=[1.0])
            sess.run(variable.initializer)
            saver = api.Saver(saver_def=api.Saver().as_saver_def())
            path = saver.save(sess, str(folder / "m"))
            saver.restore(sess, path)
            copied = how(saver)
            copied.restore(sess, path)
            return (
                copied.last_checkpoints,
                str(copied.saver_def),
                copied == saver,
                sess.run(variable).tolist(),
            )

    compare(scenario, tmp_path)


@pytest.mark.parametrize("eager", [False, True])
def test_a_subclass_is_called_as_it_was(eager: bool, tmp_path: Path) -> None:
    """Everything that subclasses override, in the order and with the arguments of the stock class."""

    def scenario(api: Api, folder: Path) -> Any:
        calls: list[Any] = []

        def noting(name: str) -> Any:
            def method(self: Any, *args: Any, **kwargs: Any) -> Any:
                calls.append((name, len(args), sorted(kwargs)))
                return getattr(super(Noting, self), name)(*args, **kwargs)

            return method

        class Noting(api.Saver):  # type: ignore[misc,name-defined]
            """Tells of every call."""

        for name in OVERRIDDEN:
            setattr(Noting, name, noting(name))
        if eager:
            run(Noting, [tf.Variable([1.0], name="v")], None, folder)
        else:
            with tf.Graph().as_default(), tf1.Session() as sess:
                variable = tf1.get_variable("v", initializer=[1.0])
                sess.run(variable.initializer)
                run(Noting, [variable], sess, folder)
        return calls

    def run(kind: Any, variables: list[Any], sess: Any, folder: Path) -> None:
        saver = kind(variables, max_to_keep=1)
        saved = [saver.save(sess, str(folder / f"m{number}")) for number in range(3)]
        saver.restore(sess, saved[-1])

    compare(scenario, tmp_path)


OVERRIDDEN = (
    "build",
    "_build",
    "_check_saver_def",
    "_RecordLastCheckpoint",
    "_MaybeDeleteOldCheckpoints",
    "_CheckpointFilename",
    "export_meta_graph",
)


class Mangling(saver_module.BulkSaverBuilder):  # type: ignore[misc]
    """Stores under other names than it is asked for, and reads them back."""

    def save_op(self, filename_tensor: Any, saveables: Any) -> Any:
        for saveable in saveables:
            for spec in saveable.specs:
                spec.name = "mangled/" + spec.name
        return super().save_op(filename_tensor, saveables)

    def bulk_restore(self, filename_tensor: Any, saveables: Any, preferred_shard: int, seq: bool) -> Any:
        return tf.raw_ops.RestoreV2(
            prefix=filename_tensor,
            tensor_names=["mangled/" + spec.name for each in saveables for spec in each.specs],
            shape_and_slices=["" for each in saveables for _ in each.specs],
            dtypes=[spec.dtype for each in saveables for spec in each.specs],
        )


def test_an_eager_builder_of_its_own_names(tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        variable = tf.Variable([1.0, 2.0], name="v")
        saver = api.Saver([variable], builder=Mangling())
        path = saver.save(None, str(folder / "m"))
        variable.assign([0.0, 0.0])
        saver.restore(None, path)
        return variable.numpy().tolist()

    compare(scenario, tmp_path)


@pytest.mark.parametrize("more", [{"partial": True}, {"rename": {"v": "w"}}])
def test_what_another_builder_cannot_do_is_refused(more: dict[str, Any], tmp_path: Path) -> None:
    """To leave a rename out in silence would restore what was not asked for."""
    with tf.Graph().as_default(), tf1.Session() as sess:
        variable = tf1.get_variable("v", initializer=[1.0])
        sess.run(variable.initializer)
        saver = OURS.Saver(builder=SlicesBuilder(V1), write_version=V1)
        path = saver.save(sess, str(tmp_path / "m"))
        with pytest.raises(ValueError, match="another builder"):
            saver.restore(sess, path, **more)


def test_an_odd_max_to_keep(tmp_path: Path) -> None:
    """The stock class looks at it last."""

    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default():
            return api.Saver(max_to_keep="x")

    compare(scenario, tmp_path)


def test_a_thread_of_its_own_saves(tmp_path: Path) -> None:
    """A new thread is in eager mode: the stock class takes its session for none, so Supervisor's fail."""

    def save_in_thread(api: Api, folder: Path) -> list[Exception]:
        errors: list[Exception] = []

        def save(saver: Any, sess: Any) -> None:
            try:
                saver.save(sess, str(folder / "m"))
            except Exception as error:
                errors.append(error)

        folder.mkdir()
        with tf.Graph().as_default(), tf1.Session() as sess:
            variable = tf1.get_variable("v", initializer=[1.0])
            sess.run(variable.initializer)
            thread = threading.Thread(target=save, args=(api.Saver(), sess))
            thread.start()
            thread.join()
        return errors

    assert save_in_thread(STOCK, tmp_path / "stock")
    assert not save_in_thread(OURS, tmp_path / "ours")


def test_an_absolute_path_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, not opened: the checkpoint of the same name may be another run's."""
    variable = tf.Variable([4.0], name="v")
    saver = OURS.Saver([variable])
    (tmp_path / "run").mkdir()
    saver.save(None, str(tmp_path / "run" / "model.ckpt"), global_step=5)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"not a valid checkpoint: .*\n.*working directory has \./run/model\.ckpt-5"
    ):
        saver.restore(None, "/gone/run/model.ckpt-5")
    with pytest.raises(ValueError, match="not a valid checkpoint") as refused:
        saver.restore(None, "/gone/run/model.ckpt-6")
    assert "working directory" not in str(refused.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def flip(path: Path) -> None:
    first, *rest = path.read_bytes()
    path.write_bytes(bytes([first ^ 1, *rest]))


DAMAGES: dict[str, Any] = {
    "cut": cut,
    "emptied": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(b"z" * 300),
    "one bit": flip,
    "gone": Path.unlink,
}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001", "V1"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_raises_the_stock_type(damage: Any, part: str, eager: bool, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        version = V1 if part == "V1" else tf1.train.SaverDef.V2

        def attempt(variable: Any, sess: Any) -> None:
            saver = api.Saver([variable], write_version=version)
            path = saver.save(sess, str(folder / "m"))
            damage(Path(path + part.removeprefix("V1")))
            saver.restore(sess, path)

        if eager:
            return attempt(tf.Variable(np.arange(1000.0), name="v"), None)
        with tf.Graph().as_default(), tf1.Session() as sess:
            variable = tf1.get_variable("v", initializer=np.arange(1000.0))
            sess.run(variable.initializer)
            return attempt(variable, sess)

    compare(scenario, tmp_path)


@pytest.mark.parametrize("name", ["tr[1]", "st*r", "we ird", "x-?????-of-00002", "v.index", ".hidden"])
def test_unusual_prefixes(name: str, tmp_path: Path) -> None:
    """TensorFlow writes to all of them, and takes some for patterns when it reads."""

    def scenario(api: Api, folder: Path) -> Any:
        variable = tf.Variable([1.0], name="v")
        saver = api.Saver([variable])
        path = saver.save(None, str(folder / name))
        variable.assign([0.0])
        saver.restore(None, path)
        return path, variable.numpy().tolist()

    compare(scenario, tmp_path)


@pytest.mark.parametrize("call", ["save", "restore"])
def test_a_session_of_another_graph_is_told_what_to_do(tmp_path: Path, call: str) -> None:
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.get_variable("w", initializer=1.0)
        saver = legacy_ckpt.Saver()
        session.run(tf1.global_variables_initializer())
        prefix = saver.save(session, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf1.Session() as other:
        tf1.get_variable("x", initializer=1.0)
        with pytest.raises((TypeError, ValueError), match="of another graph than the Saver's"):
            getattr(saver, call)(other, prefix)
