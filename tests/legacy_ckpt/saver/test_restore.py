"""Restores that fail say why; partial ones report; renamed ones find; whatever is a checkpoint opens."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt.saver import RestoreReport, Saver
from migration.errors import MigrationError
from migration.planning.rules import Rules

from .side_by_side import STOCK

tf1 = tf.compat.v1


@pytest.fixture
def named(tmp_path: Path) -> str:
    """net/w [2, 3], net/b [3], step int64."""
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("net/w", initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
        tf1.get_variable("net/b", initializer=[1.0, 2.0, 3.0])
        tf1.get_variable("step", initializer=np.int64(9))
        sess.run(tf1.global_variables_initializer())
        return str(Saver(max_to_keep=3).save(sess, str(tmp_path / "run" / "m"), global_step=9))


@pytest.fixture
def objects(tmp_path: Path) -> str:
    """The same values, object-based."""
    net = tf.train.Checkpoint(
        w=tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3), name="net/w"),
        b=tf.Variable([1.0, 2.0, 3.0], name="net/b"),
    )
    step = tf.Variable(9, dtype=tf.int64, name="step")
    return str(tf.train.Checkpoint(net=net, step=step).save(str(tmp_path / "objects" / "m")))


def restore(path: Any, shapes: dict[str, Any], resource: bool = True, **arguments: Any) -> Any:
    """Restores variables of these shapes (a pair: dtype, shape); returns the report and the values."""
    with tf.Graph().as_default(), tf1.Session() as sess:
        for name, shape in shapes.items():
            dtype, shape = shape if isinstance(shape, tuple) else (tf.float32, shape)
            tf1.get_variable(name, shape, dtype, initializer=tf1.zeros_initializer(), use_resource=resource)
        sess.run(tf1.global_variables_initializer())
        report = Saver().restore(sess, path, **arguments)
        return report, sess.run({v.op.name: v for v in tf1.global_variables()})


def failure(path: Any, shapes: dict[str, Any], **arguments: Any) -> Any:
    with pytest.raises(tf.errors.OpError) as caught:
        restore(path, shapes, **arguments)
    return caught.value


@pytest.mark.parametrize("resource", [True, False], ids=["resource", "ref"])
def test_everything_that_does_not_fit_is_told_at_once(named: str, resource: bool) -> None:
    wanted = {"net/w": [3, 2], "net/bias": [3], "other": [5], "step": (tf.int32, [])}
    error = failure(named, wanted, resource=resource)
    assert isinstance(error, tf.errors.NotFoundError)
    text = str(error)
    assert "4 of 4 variables" in text
    assert "name-based" in text
    assert "Key net/bias not found in checkpoint (wanted: float32[3]); nearest: net/b float32[3]" in text
    assert re.search(r"Key other not found in checkpoint \(wanted: float32\[5\]\)", text)
    assert "net/w: float32[3, 2] here, float32[2, 3] in the checkpoint" in text
    assert "Assign requires shapes of both tensors to match. lhs shape= [3, 2] rhs shape= [2, 3]" in text
    assert "expected dtype int32 does not equal original dtype int64" in text
    assert re.search(r"asked for by no variable \(1\):\n  net/b float32\[3\]", text)
    assert "a Variable name or other graph key that is missing from the checkpoint" in text
    assert "rename=" in text
    assert "partial=True" in text


def test_no_graph_is_dumped(named: str) -> None:
    for shapes in ({"net/w": [3, 2]}, {"nothing": []}):
        text = str(failure(named, shapes))
        assert not re.search(r"\{\{node|Original stack trace|File \"|name: \"|node_def", text)


def test_mismatches_alone_are_invalid_arguments(named: str) -> None:
    error = failure(named, {"net/w": [3, 2]})
    assert isinstance(error, tf.errors.InvalidArgumentError)
    assert "a mismatch between the current graph and the graph from the checkpoint" in str(error)


def test_an_object_based_file_is_called_by_its_name(objects: str) -> None:
    error = failure(objects, {"net/w": [2, 3], "net/bias": [3]})
    assert isinstance(error, tf.errors.NotFoundError)
    text = str(error)
    assert "object-based" in text
    assert "Could not find some variables in the checkpoint" in text
    assert "nearest: net/b float32[3]" in text
    assert "net/b (key net/b/.ATTRIBUTES/VARIABLE_VALUE) float32[3]" in text
    assert "tf.train.Checkpoint(...).restore" in text
    assert "save_counter" not in text


def test_a_v1_file_is_called_so(tmp_path: Path) -> None:
    variable, other = tf.Variable([1.0], name="v"), tf.Variable([1.0], name="w")
    path = Saver([variable], write_version=tf1.train.SaverDef.V1).save(None, str(tmp_path / "m"))
    text = str(failure(path, {"w": [1]}))
    assert 'Tensor name "w" not found in checkpoint files' in text
    assert "name-based, V1" in text
    with pytest.raises(tf.errors.NotFoundError, match='Tensor name "w" not found in checkpoint files'):
        STOCK.Saver([other]).restore(None, path)


def test_long_lists_are_cut(tmp_path: Path) -> None:
    variables = {f"v{i:03}": tf.Variable(0.0) for i in range(100)}
    path = Saver(variables).save(None, str(tmp_path / "m"))
    other = {f"w{i:03}": tf.Variable(0.0) for i in range(100)}
    with pytest.raises(tf.errors.NotFoundError) as caught:
        Saver(other).restore(None, path)
    assert caught.value.message.count("\n") < 90
    assert caught.value.message.count("... and 70 more") == 2


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        (lambda: tf.Variable(tf.zeros([3, 2]), name="net/w"), ValueError),
        (lambda: tf.Variable(tf.zeros([2, 3], tf.int32), name="net/w"), tf.errors.InvalidArgumentError),
        (lambda: tf.Variable(0.0, name="nothing"), tf.errors.NotFoundError),
    ],
    ids=["shape", "dtype", "missing"],
)
def test_eager_failures_have_the_stock_types(
    variable: Callable[[], Any], kind: type[Exception], named: str
) -> None:
    with pytest.raises(kind):
        STOCK.Saver([variable()]).restore(None, named)
    with pytest.raises(kind, match="Restoring from checkpoint failed"):
        Saver([variable()]).restore(None, named)


def test_a_damaged_file_is_told(named: str) -> None:
    shard = Path(named + ".data-00000-of-00001")
    raw = bytearray(shard.read_bytes())
    raw[2] ^= 0xFF
    shard.write_bytes(bytes(raw))
    with pytest.raises(tf.errors.DataLossError, match=r"damaged or cut short(.|\n)*ckpt-doctor"):
        restore(named, {"net/w": [2, 3], "net/b": [3]})
    shard.write_bytes(bytes(raw[:8]))
    with pytest.raises((tf.errors.DataLossError, tf.errors.OutOfRangeError), match="damaged or cut short"):
        restore(named, {"net/w": [2, 3], "net/b": [3]})


# Partial ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["named", "objects"])
def test_a_partial_restore_reports_and_leaves_the_rest_alone(
    style: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(style)
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        b = tf1.get_variable("net/b", [3])
        tf1.get_variable("net/w", [3, 2])
        tf1.get_variable("fresh", [2])
        tf1.get_variable(
            "odd", [], tf.complex64, initializer=tf1.zeros_initializer()
        )  # a dtype of which the checkpoint has nothing
        saver = Saver()
        graph.finalize()
        report = saver.restore(sess, path, partial=True)
        assert sess.run(b).tolist() == [1, 2, 3]
        untouched = {
            name: sess.run(graph.get_tensor_by_name(f"{name}/IsInitialized/VarIsInitializedOp:0"))
            for name in ("net/b", "net/w", "fresh", "odd")
        }
    assert untouched == {"net/b": True, "net/w": False, "fresh": False, "odd": False}
    assert isinstance(report, RestoreReport)
    assert report.restored == ("net/b",)
    assert report.missing == ("fresh", "odd")
    assert report.mismatched == (("net/w", "float32[3, 2] here, float32[2, 3] in the checkpoint"),)
    assert len(report.unexpected) == 1
    assert "1 restored, 2 missing, 1 unexpected, 1 mismatched" in str(report)


def test_a_whole_restore_reports_too(named: str) -> None:
    report, values = restore(named, {"net/w": [2, 3], "net/b": [3], "step": (tf.int64, [])}, partial=True)
    assert (report.restored, report.missing, report.unexpected) == (("net/b", "net/w", "step"), (), ())
    assert values["step"] == 9


def test_nothing_in_common_restores_nothing(named: str) -> None:
    report, values = restore(named, {"x": [2]}, partial=True)
    assert (report.restored, report.missing) == ((), ("x",))
    assert values["x"].tolist() == [0, 0]


def test_an_empty_saver_reports_nothing() -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        report = Saver(allow_empty=True).restore(sess, "nowhere", partial=True)
    assert report == RestoreReport(prefix="nowhere", restored=(), missing=(), unexpected=(), mismatched=())


def test_partial_in_eager_mode(named: str) -> None:
    b, x = tf.Variable(tf.zeros([3]), name="net/b"), tf.Variable([7.0], name="x")
    w = tf.Variable(tf.zeros([3, 2]), name="net/w")
    report = Saver([b, x, w]).restore(None, named, partial=True)
    assert (report.restored, report.missing, [name for name, _ in report.mismatched]) == (
        ("net/b",),
        ("x",),
        ["net/w"],
    )
    assert (b.numpy().tolist(), x.numpy().tolist()) == ([1, 2, 3], [7])


def test_one_slice_missing_is_no_half_variable(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("p", initializer=tf.ones([3, 2]), use_resource=True)
        sess.run(tf1.global_variables_initializer())
        path = Saver().save(sess, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf1.Session() as sess:
        tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2), use_resource=True)
        report = Saver().restore(sess, path, partial=True)
    assert report.restored == ()
    assert [name for name, _ in report.mismatched] == ["p"]


# Renaming --------------------------------------------------------------------------------------------

RENAMES: dict[str, Any] = {
    "mapping": {"net/w": "model/w", "net/b": "model/b"},
    "function": lambda name: name.replace("net/", "model/"),
    "short form": "net/{rest:path} -> model/{rest}",
    "short forms": ["net/w -> model/w", "net/b -> model/b"],
    "rule file's text": '[[rule]]\nmatch = "net/{rest:path}"\nto = "model/{rest}"\n',
    "rules": Rules.parse("net/{rest:path} -> model/{rest}"),
}


@pytest.mark.parametrize("rename", RENAMES.values(), ids=RENAMES)
@pytest.mark.parametrize("style", ["named", "objects"])
def test_renamed_variables(rename: Any, style: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(style)
    _, values = restore(path, {"model/w": [2, 3], "model/b": [3], "step": (tf.int64, [])}, rename=rename)
    assert values["model/b"].tolist() == [1, 2, 3]
    assert values["model/w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert values["step"] == 9


def test_keys_that_may_not_be_fed_are_read_aside(named: str) -> None:
    """Whoever asks for the constant value of a tensor keeps it from being fed from then on."""
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        b = tf1.get_variable("model/b", [3])
        parts = tf1.get_variable("model/w", [2, 3], partitioner=tf1.fixed_size_partitioner(2))
        saver = Saver()
        for op in graph.get_operations():
            if op.type == "RestoreV2":
                graph.prevent_feeding(op.inputs[1])
        saver.restore(sess, named, rename="net/{rest:path} -> model/{rest}")
        assert sess.run(b).tolist() == [1, 2, 3]
        assert np.concatenate(sess.run(list(parts))).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_renamed_variable_in_eager_mode(named: str) -> None:
    b = tf.Variable(tf.zeros([3]), name="bias")
    Saver([b]).restore(None, named, rename={"net/b": "bias"})
    assert b.numpy().tolist() == [1, 2, 3]


def test_a_rule_file(named: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('strip = "net/"\n[[rule]]\nmatch = "w"\ndrop = true\n')
    _, values = restore(named, {"b": [3]}, rename=file)
    assert values["b"].tolist() == [1, 2, 3]
    with pytest.raises(tf.errors.NotFoundError, match="Key w not found"):
        restore(named, {"w": [2, 3]}, rename=str(file))


def test_rules_that_are_none(named: str) -> None:
    with pytest.raises(MigrationError, match="does not belong there"):
        restore(named, {"b": [3]}, rename="net/{a -> b")


def test_two_names_made_one_are_refused(named: str) -> None:
    with pytest.raises(ValueError, match="'x' to both"):
        restore(named, {"x": [3]}, rename=lambda name: "x")


# Whatever is a checkpoint ----------------------------------------------------------------------------

POINTERS: dict[str, Callable[[str], Any]] = {
    "prefix": lambda path: path,
    "Path": Path,
    "bytes": str.encode,
    "index": lambda path: path + ".index",
    "shard": lambda path: path + ".data-00000-of-00001",
    "meta": lambda path: path + ".meta",
    "directory": lambda path: str(Path(path).parent),
    "directory as a Path": lambda path: Path(path).parent,
    "state file": lambda path: str(Path(path).parent / "checkpoint"),
}


@pytest.mark.parametrize("pointer", POINTERS.values(), ids=POINTERS)
def test_whatever_points_at_it(pointer: Callable[[str], Any], named: str) -> None:
    _, values = restore(pointer(named), {"net/b": [3]})
    assert values["net/b"].tolist() == [1, 2, 3]


def test_a_directory_that_moved(named: str, tmp_path: Path) -> None:
    """The state file holds the absolute path of where it was written."""
    moved = tmp_path / "elsewhere"
    shutil.move(Path(named).parent, moved)
    _, values = restore(moved, {"net/b": [3]})
    assert values["net/b"].tolist() == [1, 2, 3]


def test_a_prefix_that_is_a_directory_too(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    variable = tf.Variable([4.0], name="v")
    path = Saver([variable]).save(None, str(folder))
    variable.assign([0.0])
    Saver([variable]).restore(None, path)
    assert variable.numpy().tolist() == [4.0]


@pytest.mark.parametrize("pointer", ["m-00000-of-00002", "m-?????-of-?????", "m-?????-of-00002"])
def test_shards_of_a_v1_checkpoint(pointer: str, tmp_path: Path) -> None:
    """One shard by itself holds variables too, whether or not the others are still there."""
    with tf.Graph().as_default(), tf1.Session(config=tf1.ConfigProto(device_count={"CPU": 2})) as sess:
        for number in range(2):
            with tf1.device(f"/cpu:{number}"):
                tf1.get_variable(f"v{number}", initializer=[number + 1.0])
        sess.run(tf1.global_variables_initializer())
        Saver(sharded=True, write_version=tf1.train.SaverDef.V1).save(sess, str(tmp_path / "m"))
    if "?" not in pointer:
        (tmp_path / "m-00001-of-00002").unlink()
    _, values = restore(tmp_path / pointer, {"v0": [1]})
    assert values["v0"].tolist() == [1.0]


def test_a_saved_model(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf1.Session() as sess:
        v = tf1.get_variable("v", initializer=[6.0])
        sess.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(sess, str(tmp_path / "saved"), {"x": v + 0}, {"y": v + 1})
    _, values = restore(tmp_path / "saved", {"v": [1]})
    assert values["v"].tolist() == [6.0]


def test_every_checkpoint_of_the_corpus_restores_into_variables_of_its_shapes(corpus: Path) -> None:
    for entry in json.loads((corpus / "catalog.json").read_text()):
        prefix = corpus / entry["prefix"]
        reader = tf.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        dtypes = reader.get_variable_to_dtype_map()
        keys = sorted(key for key in shapes if not key.startswith("_CHECKPOINTABLE"))[:40]
        with tf.Graph().as_default(), tf1.Session() as sess:
            variables = {
                key: tf1.get_variable(
                    f"v{index}",
                    shapes[key],
                    dtypes[key],
                    initializer=tf1.zeros_initializer()
                    if dtypes[key] != tf.string
                    else tf1.constant_initializer(""),
                )
                for index, key in enumerate(keys)
            }
            Saver(variables).restore(sess, prefix)
            for key, value in sess.run(variables).items():
                np.testing.assert_array_equal(value, reader.get_tensor(key), err_msg=f"{prefix}: {key}")


# Misuse ----------------------------------------------------------------------------------------------


def misuse(kind: str, folder: Path) -> Any:
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        if kind == "no variables":
            return Saver()
        v = tf1.get_variable("v", [1])
        late = Saver(defer_build=True)
        saver = Saver()
        sess.run(v.initializer)
        path = str(folder / "m")
        if kind == "duplicate names":
            return Saver([v, v])
        if kind == "two names for one":
            return Saver({"a": v, "b": v})
        if kind == "another graph":
            with tf.Graph().as_default():
                return Saver([tf1.get_variable("w", [1]), v])
        if kind == "closed session":
            sess.close()
            return saver.save(sess, path)
        if kind == "closed session restores":
            saved = saver.save(sess, path)
            sess.close()
            return saver.restore(sess, saved)
        if kind == "absent parent":
            (folder / "file").write_text("")
            return saver.save(sess, str(folder / "file" / "m"))
        if kind == "directory without checkpoint":
            return saver.restore(sess, folder)
        if kind == "None":
            return saver.restore(sess, None)
        if kind == "absent":
            saver.save(sess, str(folder / "model"))
            return saver.restore(sess, str(folder / "modle"))
        if kind == "unbuilt save":
            return late.save(sess, path)
        if kind == "unbuilt restore":
            return late.restore(sess, saver.save(sess, path))
        if kind == "no session":
            return saver.save(None, path)
        if kind == "no session restores":
            return saver.restore(None, saver.save(sess, path))
        if kind == "a graph as session":
            return saver.save(graph, path)
    if kind == "eager without variables":
        return Saver()
    return Saver([]).save(None, str(folder / "m"))


MISUSES = {
    "no variables": (ValueError, "No variables to save: create the variables before the Saver"),
    "duplicate names": (ValueError, r"same name: v: .*Saver\(\{'a': first, 'b': second\}\)"),
    "two names for one": (ValueError, "with two names: .*: keep one of its names"),
    "another graph": (ValueError, "must be from the same graph.*a variable of another graph is in var_list"),
    "closed session": (RuntimeError, "closed Session: save or restore inside the `with`"),
    "closed session restores": (RuntimeError, "closed Session: save or restore inside the `with`"),
    "absent parent": (ValueError, "Parent directory of .*file/m doesn't exist, can't save"),
    "directory without checkpoint": (ValueError, "not a valid checkpoint: "),
    "None": (ValueError, "save_path when it is None: tf.train.latest_checkpoint returns None"),
    "absent": (ValueError, r"not a valid checkpoint: .*modle\n.*nearest.*model"),
    "unbuilt save": (RuntimeError, "should be called before save .*: call saver.build()"),
    "unbuilt restore": (RuntimeError, "should be called before restore"),
    "no session": (TypeError, "'sess' must be a Session"),
    "no session restores": (AttributeError, "pass a tf.compat.v1.Session as sess"),
    "a graph as session": (TypeError, "'sess' must be a Session"),
    "eager without variables": (RuntimeError, r"for example Saver\(model.variables\)"),
    "eager with an empty list": (ValueError, "No variables to save: "),
}


@pytest.mark.parametrize("kind", MISUSES)
def test_misuse_is_told(kind: str, tmp_path: Path) -> None:
    error, text = MISUSES[kind]
    with pytest.raises(error, match=text):
        misuse(kind, tmp_path)


def test_a_prefix_without_a_name_is_warned_of(tmp_path: Path) -> None:
    variable = tf.Variable([1.0], name="v")
    with pytest.warns(UserWarning, match="is a directory: the files in it get no name"):
        path = Saver([variable]).save(None, f"{tmp_path}/")
    variable.assign([0.0])
    Saver([variable]).restore(None, path)
    assert variable.numpy().tolist() == [1.0]


def test_another_models_checkpoint_is_told_apart(named: str) -> None:
    text = str(failure(named, {"encoder/k": [7, 7], "encoder/q": [7, 7]}))
    assert "2 of 2 variables do not fit" in text
    assert "In the checkpoint, asked for by no variable (3)" in text
