"""`import_meta_graph` and `export_meta_graph`, with this package's Saver in them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import meta_graph as meta_graph_lib

from legacy_ckpt.saver import stock
from legacy_ckpt.saver.arguments import plain_path
from legacy_ckpt.saver.core import Saver, adopt
from legacy_ckpt.saver.settings import settings_of


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Saver | None:
    """As `tf.compat.v1.train.import_meta_graph`, with the settings that the exporting Saver had.

    Returns the Saver of the imported graph, or None where the graph has no variables. Raises
    RuntimeError in eager mode, OSError for a file that is not there.
    """
    source = plain_path(meta_graph_or_file)
    if not isinstance(source, meta_graph_pb2.MetaGraphDef) and not tf.executing_eagerly():
        source = meta_graph_lib.read_meta_graph_file(source)
    imported = stock.import_with_return_elements(source, clear_devices, import_scope, **kwargs)[0]
    _adopt_collected(tf.compat.v1.get_default_graph())
    if imported is None:
        return None
    saver = adopt(imported)
    _take_settings(saver, source)
    return saver


def export_meta_graph(filename: Any = None, *args: Any, **kwargs: Any) -> Any:
    """As `tf.compat.v1.train.export_meta_graph`; `filename` may be a `pathlib.Path`."""
    return stock.export_meta_graph(plain_path(filename), *args, **kwargs)


def _take_settings(saver: Saver, meta_graph_def: Any) -> None:
    settings = settings_of(meta_graph_def)
    saver._pad_step_number = settings.get("pad_step_number", saver._pad_step_number)
    saver._save_relative_paths = settings.get("save_relative_paths", saver._save_relative_paths)
    if meta_graph_def.HasField("saver_def"):
        saver._max_to_keep = meta_graph_def.saver_def.max_to_keep
        saver._keep_checkpoint_every_n_hours = meta_graph_def.saver_def.keep_checkpoint_every_n_hours


def _adopt_collected(graph: tf.Graph) -> None:
    """TensorFlow recreates the SAVERS collection from its protos with its own class."""
    key = tf.compat.v1.GraphKeys.SAVERS
    if key not in graph.get_all_collection_keys():  # to ask for its list would create it
        return
    savers = graph.get_collection_ref(key)
    savers[:] = [adopt(saver) if type(saver) is stock.StockSaver else saver for saver in savers]
