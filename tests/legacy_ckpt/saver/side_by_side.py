"""Runs one scenario with TensorFlow's own Saver and with this package's, and compares what can be seen."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format

from legacy_ckpt import saver as ours

tf1 = tf.compat.v1


@dataclass(frozen=True)
class Api:
    """The names that a script imports."""

    Saver: Any
    import_meta_graph: Any
    export_meta_graph: Any


STOCK = Api(tf1.train.Saver, tf1.train.import_meta_graph, tf1.train.export_meta_graph)
OURS = Api(ours.Saver, ours.import_meta_graph, ours.export_meta_graph)

Scenario = Callable[[Api, Path], Any]


def outcome(scenario: Scenario, api: Api, folder: Path) -> dict[str, Any]:
    """What the scenario returned or raised, and every file it left, with the folder's own path taken out."""
    folder.mkdir()
    try:
        result: Any = ("returned", scenario(api, folder))
    except Exception as error:
        result = ("raised", type(error).__name__)
    return {"result": _neutral(result, folder), "files": files_of(folder)}


def files_of(folder: Path) -> dict[str, Any]:
    """Every file below the folder: state files as text, the bytes of all else but meta graphs."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        raw = path.read_bytes() if path.is_file() else b""
        if name.endswith(".debug"):  # stack traces: they tell which class was called
            raw = b""
        elif name.endswith(".meta"):
            raw = _graph_of(raw)
        found[name] = _neutral(raw.decode(), folder) if raw.startswith(b"model_checkpoint_path") else raw
    return found


def compare(scenario: Scenario, tmp_path: Path) -> None:
    """Asserts that both classes do the same."""
    assert outcome(scenario, OURS, tmp_path / "ours") == outcome(scenario, STOCK, tmp_path / "stock")


def graph_facts(graph: tf.Graph) -> dict[str, Any]:
    """Node by node, and collection by collection."""
    return {
        "nodes": graph.as_graph_def().SerializeToString(deterministic=True),
        "collections": {key: len(graph.get_collection(key)) for key in graph.get_all_collection_keys()},
    }


def _graph_of(raw: bytes) -> bytes:
    """A meta graph, binary or text, without the settings that this package adds."""
    if raw.startswith(b"meta_info_def"):
        meta_graph = text_format.Parse(raw.decode(), tf1.MetaGraphDef())
    else:
        meta_graph = tf1.MetaGraphDef.FromString(raw)
    meta_graph.meta_info_def.ClearField("any_info")
    return bytes(meta_graph.SerializeToString(deterministic=True))


def _neutral(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return re.sub(re.escape(str(folder)), "FOLDER", value)
    if isinstance(value, os.PathLike):
        return _neutral(os.fspath(value), folder)
    if isinstance(value, dict):
        return {_neutral(key, folder): _neutral(each, folder) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_neutral(each, folder) for each in value]
    return value
