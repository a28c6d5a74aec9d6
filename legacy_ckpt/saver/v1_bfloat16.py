"""bfloat16 variables in a Saver of write_version V1: TensorFlow cannot write them to a V1 file.

Such a checkpoint is written as V2 under the same prefix, which every Saver reads. The ops of the
graph stay what they are: the tensors that they would save are fetched, and written outside of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2
from tensorflow.python.checkpoint import checkpoint_management
from tensorflow.python.client import session as session_lib
from tensorflow.python.eager import context
from tensorflow.python.ops import io_ops
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.util import nest

from legacy_ckpt.fitting.wanted import constant_strings

_SAVES = frozenset({"Save", "SaveSlices"})


def graph_needs_v2(graph: tf.Graph, saver_def: Any) -> bool:
    """Whether an op behind `save_tensor_name` saves bfloat16."""
    return any(
        tensor.dtype.base_dtype == tf.bfloat16 for op in _saves(graph, saver_def) for tensor in op.inputs
    )


def eager_needs_v2(var_list: Any) -> bool:
    """Whether a variable of an eager Saver is bfloat16; warns where one is."""
    found = any(getattr(variable, "dtype", None) == tf.bfloat16 for variable in nest.flatten(var_list))
    if found:
        _warn()
    return found


def remove_v2(prefix: str, meta_graph_suffix: str) -> None:
    """Deletes the V2 files of a prefix that a V1 Saver wrote; an error is told, and fails no save."""
    try:
        checkpoint_management.remove_checkpoint(prefix, saver_pb2.SaverDef.V2, meta_graph_suffix)
    except tf.errors.OpError as error:
        logging.warning("Ignoring: %s", error)


class V2Session(session_lib.SessionInterface):  # type: ignore[misc]  # TensorFlow ships no types
    """A session whose run of the save op writes V2; all else goes to the session that it stands for."""

    def __init__(self, sess: Any, saver_def: Any, on_saved: Callable[[str], None]) -> None:
        self._sess, self._saver_def, self._on_saved = sess, saver_def, on_saved

    @property
    def graph(self) -> Any:
        """The graph of the session that it stands for."""
        return self._sess.graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Returns the prefix for the save op's tensor, and what the real session returns for all else."""
        if fetches != self._saver_def.save_tensor_name:
            return self._sess.run(fetches, feed_dict, options, run_metadata)
        prefix = feed_dict[self._saver_def.filename_tensor_name]
        names, slices, values = self._tensors()
        with context.eager_mode(), tf.device("cpu:0"):
            io_ops.save_v2(prefix, names, slices, [tf.constant(value) for value in values])
        _warn()
        self._on_saved(prefix)
        return prefix

    def _tensors(self) -> tuple[list[str], list[str], list[Any]]:
        names: list[str] = []
        slices: list[str] = []
        tensors: list[Any] = []
        for op in _saves(self._sess.graph, self._saver_def):
            first = 3 if op.type == "SaveSlices" else 2
            names += constant_strings(op.inputs[1]) or []
            slices += (
                constant_strings(op.inputs[2]) or []
                if op.type == "SaveSlices"
                else [""] * (len(op.inputs) - first)
            )
            tensors += list(op.inputs)[first:]
        return names, slices, self._sess.run(tensors)


def _warn() -> None:
    warnings.warn(
        "write_version V1 cannot hold bfloat16: this checkpoint is written as V2, which every Saver reads",
        stacklevel=4,
    )


def _saves(graph: tf.Graph, saver_def: Any) -> Iterator[tf.Operation]:
    try:
        pending, seen = [graph.get_tensor_by_name(saver_def.save_tensor_name).op], set()
    except (KeyError, ValueError):
        return  # another graph than the Saver's: to run the op says so
    while pending:
        op = pending.pop()
        if op.name in seen:
            continue
        seen.add(op.name)
        if op.type in _SAVES:
            yield op
        else:
            pending.extend([*(tensor.op for tensor in op.inputs), *op.control_inputs])
