"""What a checkpoint holds, as TensorFlow's own reader tells it: keys, shapes, dtypes, names of objects."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf
from tensorflow.python.lib.io import file_io
from tensorflow.python.training import py_checkpoint_reader

from migration.formats.object_graph import GRAPH_KEY, Attribute, ObjectGraph


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of a checkpoint before it is read."""

    shape: tuple[int, ...]
    dtype: tf.DType

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


@dataclass(frozen=True)
class Inventory:
    """The tensors of the checkpoint at `prefix`; `graph` is the serialized object graph, if it has one."""

    prefix: str
    held: dict[str, Held]
    graph: bytes | None
    is_v1: bool = False

    @classmethod
    def of(cls, prefix: str) -> Inventory:
        """Reads the index, V1 or V2, on any file system. Raises what TensorFlow's reader raises."""
        reader = py_checkpoint_reader.NewCheckpointReader(prefix)
        dtypes = reader.get_variable_to_dtype_map()
        held = {
            key: Held(tuple(shape), dtypes[key]) for key, shape in reader.get_variable_to_shape_map().items()
        }
        graph = reader.get_tensor(GRAPH_KEY) if held.pop(GRAPH_KEY, None) is not None else None
        return cls(prefix, held, graph, not file_io.file_exists_v2(prefix + ".index"))

    @property
    def style(self) -> str:
        """A word for people: which API wrote this file."""
        if self.graph is None:
            return "name-based, V1" if self.is_v1 else "name-based"
        return "object-based" if self.object_keys >= self.held.keys() else "name- and object-based"

    @cached_property
    def object_keys(self) -> frozenset[str]:
        """The keys that belong to the object graph."""
        return frozenset(attribute.checkpoint_key for attribute in self._attributes)

    @cached_property
    def _attributes(self) -> tuple[Attribute, ...]:
        if self.graph is None:
            return ()
        return tuple(attribute for _, attribute in ObjectGraph.from_bytes(self.graph).attributes())

    @cached_property
    def keys_by_name(self) -> dict[str, tuple[str, ...]]:
        """The keys under each variable name of the object graph; several for the parts of one variable."""
        keys: dict[str, list[str]] = defaultdict(list)
        for attribute in self._attributes:
            name, key = attribute.full_name, attribute.checkpoint_key
            if name and key in self.held and key not in keys[name]:
                keys[name].append(key)
        return {name: tuple(found) for name, found in keys.items() if found}

    def read(self, key: str) -> Any:
        """The value of `key` as a numpy array; strings as an object array of bytes."""
        return self._reader.get_tensor(key)

    @cached_property
    def _reader(self) -> Any:
        return py_checkpoint_reader.NewCheckpointReader(self.prefix)
