"""`tf.contrib.framework`: the checkpoint functions that fine-tuning scripts used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import legacy_ckpt.v1 as tf

framework = tf.contrib.framework


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pretrained")
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in (("net/conv/w", [2, 3]), ("net/conv/b", [3]), ("net/logits/w", [3, 4])):
            tf.get_variable(name, initializer=np.arange(np.prod(shape), dtype=np.float32).reshape(shape))
        tf.get_variable("table", initializer=np.arange(12, dtype=np.float32).reshape(6, 2))
        session.run(tf.global_variables_initializer())
        path: str = tf.train.Saver().save(session, str(folder / "model.ckpt"), 7)
    return path


@pytest.fixture
def graph() -> Iterator[Any]:
    with tf.Graph().as_default() as made:
        tf.get_variable("net/conv/w", [2, 3])
        tf.get_variable("net/conv/b", [3])
        tf.get_variable("net/logits/w", [3, 4])
        tf.get_variable("net/logits/extra", [4])
        yield made


def _names(variables: list[Any]) -> list[str]:
    return [each.op.name for each in variables]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (None, None, ["net/conv/w", "net/conv/b", "net/logits/w", "net/logits/extra"]),
        (["net/conv"], None, ["net/conv/w", "net/conv/b"]),
        (None, ["net/logits"], ["net/conv/w", "net/conv/b"]),
        (["net/logits", "net/conv/w"], ["net/logits/extra"], ["net/logits/w", "net/conv/w"]),
    ],
)
def test_variables_to_restore(graph: Any, include: Any, exclude: Any, expected: list[str]) -> None:
    assert _names(framework.get_variables_to_restore(include, exclude)) == expected


@pytest.mark.parametrize("kind", ["include", "exclude"])
def test_a_scope_alone_is_refused(graph: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"{kind} is provided but is not a list"):
        framework.get_variables_to_restore(**{kind: "net"})


def test_variables_by_scope_suffix_and_pattern(graph: Any) -> None:
    assert _names(framework.get_variables(suffix="w")) == ["net/conv/w", "net/logits/w"]
    assert _names(framework.get_variables("net/conv", suffix="b")) == ["net/conv/b"]
    everything = framework.get_variables()
    assert _names(framework.filter_variables(everything, ["conv"], ["/b$"])) == ["net/conv/w"]
    assert framework.filter_variables(everything, ["conv"], reg_search=False) == []
    with tf.variable_scope("net/conv") as scope:
        assert _names(framework.get_variables(scope)) == ["net/conv/w", "net/conv/b"]


def _by_feed(prefix: str, variables: Any, **options: Any) -> Callable[[Any], Any]:
    op, feed = framework.assign_from_checkpoint(prefix, variables, **options)
    return lambda session: session.run(op, feed)


def _by_function(prefix: str, variables: Any, **options: Any) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = framework.assign_from_checkpoint_fn(prefix, variables, **options)
    return function


def _value(session: Any, name: str) -> Any:
    return session.run(next(each for each in tf.global_variables() if each.op.name == name))


ASSIGN = pytest.mark.parametrize("assign", [_by_feed, _by_function])


@ASSIGN
@pytest.mark.parametrize("way", ["prefix", "directory", "index"])
def test_assigning_a_checkpoints_values(
    graph: Any, prefix: str, assign: Callable[..., Any], way: str
) -> None:
    path = {"prefix": prefix, "directory": str(Path(prefix).parent), "index": prefix + ".index"}[way]
    restore = assign(path, framework.get_variables_to_restore(exclude=["net/logits/extra"]))
    with tf.Session() as session:
        restore(session)
        np.testing.assert_array_equal(_value(session, "net/conv/w"), np.arange(6).reshape(2, 3))
        np.testing.assert_array_equal(_value(session, "net/logits/w"), np.arange(12).reshape(3, 4))


@ASSIGN
def test_renaming_by_a_dict_and_a_partitioned_variable(prefix: str, assign: Callable[..., Any]) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        renamed = tf.get_variable("other", [3])
        table = tf.get_variable("table", [6, 2], partitioner=tf.fixed_size_partitioner(3))
        assign(prefix, {"net/conv/b": renamed})(session)
        assign(prefix, list(table))(session)
        np.testing.assert_array_equal(session.run(renamed), [0, 1, 2])
        np.testing.assert_array_equal(session.run(tf.convert_to_tensor(table)), np.arange(12).reshape(6, 2))


@ASSIGN
def test_a_missing_variable_is_left_out_on_request(
    graph: Any, prefix: str, assign: Callable[..., Any]
) -> None:
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = _value(session, "net/logits/extra")
        assign(prefix, framework.get_variables(), ignore_missing_vars=True)(session)
        np.testing.assert_array_equal(_value(session, "net/conv/b"), [0, 1, 2])
        np.testing.assert_array_equal(_value(session, "net/logits/extra"), before)


def test_a_missing_or_mismatched_variable_is_told(graph: Any, prefix: str) -> None:
    with pytest.raises(ValueError, match=r"Checkpoint is missing variable \[net/logits/extra\]"):
        framework.assign_from_checkpoint(prefix, framework.get_variables())
    wide = tf.get_variable("wide", [5])
    with pytest.raises(ValueError, match="Total size of new array must be unchanged for net/conv/b"):
        framework.assign_from_checkpoint(prefix, {"net/conv/b": wide})
    with pytest.raises(ValueError, match="var_list cannot be empty"):
        framework.assign_from_checkpoint_fn(prefix, [])
    assert framework.assign_from_checkpoint_fn(prefix, [wide], ignore_missing_vars=True) is None


def test_reshaping_on_request(graph: Any, prefix: str) -> None:
    flat = tf.get_variable("flat", [6])
    with tf.Session() as session:
        framework.assign_from_checkpoint_fn(prefix, {"net/conv/w": flat}, reshape_variables=True)(session)
        np.testing.assert_array_equal(session.run(flat), np.arange(6))


def test_assigning_given_values(graph: Any) -> None:
    with tf.Session() as session:
        framework.assign_from_values_fn({"net/conv/b": np.float32([7, 8, 9])})(session)
        np.testing.assert_array_equal(_value(session, "net/conv/b"), [7, 8, 9])
    with pytest.raises(ValueError, match="Variable absent wasn't found"):
        framework.assign_from_values({"absent": np.zeros(1)})


def test_reading_and_initializing(graph: Any, prefix: str) -> None:
    directory = str(Path(prefix).parent)
    assert ("net/conv/b", [3]) in framework.list_variables(directory)
    np.testing.assert_array_equal(framework.load_variable(directory, "net/conv/b:0"), [0, 1, 2])
    framework.init_from_checkpoint(directory, {"net/conv/": "net/conv/"})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(_value(session, "net/conv/b"), [0, 1, 2])


def test_arguments_have_the_names_that_they_had(graph: Any, prefix: str) -> None:
    assert framework.load_checkpoint(filepattern=prefix).has_tensor("net/conv/b")
    assert ("net/conv/b", [3]) in framework.list_variables(checkpoint_dir=prefix)
    np.testing.assert_array_equal(
        framework.load_variable(checkpoint_dir=prefix, name="net/conv/b"), [0, 1, 2]
    )
    framework.init_from_checkpoint(checkpoint_dir=prefix, assignment_map={"net/conv/": "net/conv/"})
