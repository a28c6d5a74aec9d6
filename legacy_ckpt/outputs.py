"""Runs the graph that was saved with a TensorFlow 1 checkpoint: what it meant when it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import meta_graph as meta_graph_lib

from migration.errors import InputError

_v1 = tf.compat.v1
_BOILERPLATE = ("Restoring from checkpoint failed", "Graph execution error", "Detected at node", "Node: ")
_PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault", "PlaceholderV2")


def run_graph(
    prefix: str, graph_file: str | os.PathLike[str], feeds: Mapping[str, Any], fetches: Sequence[str]
) -> dict[str, Any]:
    """The values of tensors of a TensorFlow 1 graph with a checkpoint's variables, as arrays by their names.

    graph_file: a .meta, or a saved_model.pb or its directory (then `prefix` is not read: the variables are
        the SavedModel's own). feeds and fetches: by tensor name, "x:0" or "x" for the first output of x.

    Runs in a graph and a session of its own, devices left out. Raises InputError where a name is not in the
    graph (with the nearest that are), the graph cannot be imported, or it cannot be run on these feeds.
    """
    with tf.Graph().as_default() as graph, _v1.Session(graph=graph) as session:
        try:
            _load(session, prefix, os.fspath(graph_file))
        except (ValueError, KeyError, OSError, tf.errors.OpError) as error:
            raise InputError(f"{graph_file}: the graph cannot be restored: {_first_line(error)}") from error
        fed = {_tensor(graph, name, _PLACEHOLDERS): value for name, value in feeds.items()}
        fetched = {name: _value(_tensor(graph, name, ())) for name in fetches}
        try:
            values: dict[str, Any] = session.run(fetched, fed)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise InputError(
                f"the graph of {prefix} does not run on these feeds: {_first_line(error)}"
            ) from error
        return values


def _load(session: Any, prefix: str, graph_file: str) -> None:
    directory = graph_file if os.path.isdir(graph_file) else os.path.dirname(graph_file)
    if not graph_file.endswith(".meta") and tf.saved_model.contains_saved_model(directory):
        _load_saved_model(session, directory)
        return
    saver = _v1.train.import_meta_graph(_meta_graph(graph_file), clear_devices=True)
    if saver is not None:
        saver.restore(session, prefix)
    session.run(_v1.local_variables_initializer())
    session.run(_v1.tables_initializer())


def _meta_graph(path: str) -> Any:
    """The .meta as TensorFlow can import it today, which no longer takes a version like "0.12.head"."""
    meta_graph = meta_graph_lib.read_meta_graph_file(path)
    version = re.match(r"\d+(\.\d+)*", meta_graph.meta_info_def.tensorflow_version)
    meta_graph.meta_info_def.tensorflow_version = version[0] if version else "0"
    return meta_graph


def _load_saved_model(session: Any, directory: str) -> None:
    from tensorflow.python.saved_model import loader_impl

    graphs = loader_impl.parse_saved_model(directory).meta_graphs
    tags = min(
        (list(graph.meta_info_def.tags) for graph in graphs),
        key=lambda each: ("serve" not in each, len(each)),
    )
    _v1.saved_model.loader.load(session, tags, directory)


def _tensor(graph: Any, name: str, preferred: Sequence[str]) -> Any:
    """The tensor of that name. Raises InputError that names the nearest, of the preferred op types if any."""
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError):
        operations = [each for each in graph.get_operations() if each.outputs]
        names = [each.name for each in operations if not preferred or each.type in preferred]
        near = names if len(names) <= 5 else get_close_matches(name.partition(":")[0], names, 5, 0.4)
        what = "placeholders" if preferred else "operations"
        raise InputError(
            f"the graph has no tensor {name!r}; the nearest {what}: {', '.join(near) or 'none'}"
        ) from None


def _value(tensor: Any) -> Any:
    """The tensor; of a resource variable's handle, what the graph reads from it."""
    if tensor.dtype != tf.resource:
        return tensor
    for operation in tensor.consumers():
        if operation.type == "ReadVariableOp":
            return operation.outputs[0]
    raise InputError(f"{tensor.name} is a handle, and no op of the graph reads its value: fetch another")


def _first_line(error: Exception) -> str:
    """The first line that says something; TensorFlow's own errors begin with several that do not."""
    lines = [line.strip() for line in str(getattr(error, "message", None) or error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_BOILERPLATE)]
    return f"{type(error).__name__}: {telling[0] if telling else ''}"
