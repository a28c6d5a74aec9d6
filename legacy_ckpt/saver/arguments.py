"""What callers hand to a Saver, in the form that TensorFlow takes: paths, sessions, steps, variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.client import session as session_lib
from tensorflow.python.training import monitored_session
from tensorflow.python.util import compat

_FIELD = re.compile(r"\{(epoch|step|batch|\w*loss|\w*acc\w*)(:[^{}]*)?\}")


def plain_path(path: Any) -> Any:
    """A `pathlib.Path` as the str it stands for; anything else unchanged."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def refuse_unfilled(path: Any) -> None:
    """Raises ValueError for a prefix to write with a field such as `{epoch}` that nobody filled in."""
    field = _FIELD.search(os.path.basename(path)) if isinstance(path, str) else None
    if field:
        raise ValueError(
            f"save_path={path!r}: {field[0]} is never filled in: a Saver numbers its checkpoints by "
            "global_step=, or format the path first"
        )


def plain_paths(paths: Any) -> Any:
    """Paths, or (path, time) pairs, with `plain_path` applied; the same list where nothing changes."""
    if not isinstance(paths, list):
        return paths
    plain = [
        (plain_path(entry[0]), *entry[1:]) if isinstance(entry, tuple) and entry else plain_path(entry)
        for entry in paths
    ]
    return paths if plain == paths else plain


def is_session(sess: Any) -> bool:
    """Whether `sess` runs a graph, so that graph mode is meant whatever the context is."""
    return isinstance(sess, session_lib.SessionInterface)


def raw_session(sess: Any) -> Any:
    """The session under a MonitoredSession or a wrapper of one; anything else unchanged.

    Raises RuntimeError where that session is closed.
    """
    if isinstance(sess, monitored_session._MonitoredSession):
        sess = sess._tf_sess()
        if sess is None:
            raise RuntimeError(
                "Attempted to use a closed Session: this MonitoredSession has ended, save inside its `with`"
            )
    while isinstance(sess, monitored_session._WrappedSession):
        sess = sess._sess
    return sess


def step_number(sess: Any, step: Any) -> Any:
    """The int that `global_step` stands for: an integer, an array or tensor of one element, or a name.

    What cannot be understood is returned as it is, for TensorFlow to refuse in its own words.
    Raises TypeError where there are several elements.
    """
    if step is None or isinstance(step, compat.integral_types):
        return step
    if isinstance(step, np.ndarray):
        return _only_element(step) if step.dtype.kind in "iu" else step
    if tf.executing_eagerly():
        return _only_element(step.numpy()) if hasattr(step, "numpy") else step
    if not is_session(sess) or isinstance(step, np.generic | float):
        return step
    return _only_element(sess.run(_readable(sess.graph, step)))


def _only_element(value: Any) -> int:
    array = np.asarray(value)
    if array.size != 1:
        raise TypeError(f"global_step must be one number; got an array of shape {array.shape}")
    return int(array.item())


def _readable(graph: tf.Graph, step: Any) -> Any:
    """What to fetch: for the name or the handle of a resource variable, its first read op."""
    try:
        element = graph.as_graph_element(plain_variable(step))
    except (KeyError, ValueError, TypeError):
        return step
    if isinstance(element, tf.Operation) and len(element.outputs) == 1:
        element = element.outputs[0]
    if isinstance(element, tf.Tensor) and element.dtype == tf.resource:
        reads = [op for op in element.consumers() if op.type == "ReadVariableOp"]
        return reads[0].outputs[0] if reads else step
    return element


def plain_variable(variable: Any) -> Any:
    """The `tf.Variable` inside a Keras 3 variable; anything else unchanged."""
    if isinstance(variable, tf.Variable) or not hasattr(variable, "path"):
        return variable
    inner = getattr(variable, "_value", None)
    return inner if isinstance(inner, tf.Variable) else variable


def plain_variables(var_list: Any) -> Any:
    """`var_list` with `plain_variable` applied to its members, nested lists included.

    Keras 3 variables are no `tf.Variable`s: the stock class gives all of them the key "VARIABLE_VALUE".
    """
    if isinstance(var_list, Mapping):
        return _same_or(var_list, {name: plain_variables(value) for name, value in var_list.items()})
    if isinstance(var_list, list | tuple) and not hasattr(var_list, "_fields"):
        return _same_or(var_list, type(var_list)(plain_variables(value) for value in var_list))
    if isinstance(var_list, set):
        plain = {id(value): plain_variable(value) for value in var_list}
        return var_list if all(id(inner) == key for key, inner in plain.items()) else list(plain.values())
    return plain_variable(var_list)


def _same_or(original: Any, plain: Any) -> Any:
    """The caller's own container where nothing in it changed: later additions to it must stay visible."""
    before = original.values() if isinstance(original, Mapping) else original
    after = plain.values() if isinstance(plain, Mapping) else plain
    return original if all(old is new for old, new in zip(before, after, strict=True)) else plain
