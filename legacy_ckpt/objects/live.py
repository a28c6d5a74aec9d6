"""Live objects, seen as the checkpoint that they would write: keys, specs, graph and values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.checkpoint import graph_view, save_util
from tensorflow.python.trackable import base as trackable
from tensorflow.python.trackable import trackable_utils
from tensorflow.python.training.saving.saveable_object import SaveSpec

from migration.checkpoint import Checkpoint
from migration.errors import InputError, MissingKeyError
from migration.formats.object_graph import ObjectGraph
from migration.formats.tensor_bundle import TensorSlice
from migration.location import Location
from migration.planning.savecounter import SAVE_COUNTER_KEY
from migration.planning.targets import Template
from migration.tensors import DType, TensorSpec


@dataclass(frozen=True, slots=True)
class Place:
    """One tensor of a live object: who holds it, under which local name, and how its value is read now."""

    holder: Any
    local_name: str
    value: Callable[[], Any]


class LiveCheckpoint(Checkpoint):
    """The checkpoint that `tf.train.Checkpoint.write` would write of the objects at this moment."""

    def __init__(self, root: Any) -> None:
        kind = type(root).__name__
        super().__init__(Location(prefix=f"the live {kind}", format="V1", files=(), graph_file=None))
        serialized, _, _, proto = save_util.serialize_graph_view(graph_view.ObjectGraphView(root))
        self.root = root
        self._proto = proto
        self.places: Mapping[str, Place] = MappingProxyType(dict(_places(serialized)))

    @cached_property
    def graph(self) -> ObjectGraph:
        """The object graph."""
        return ObjectGraph.from_bytes(self._proto.SerializeToString(), self.prefix)

    @cached_property
    def all_specs(self) -> Mapping[str, TensorSpec]:
        """The spec of every tensor that has a value, by key."""
        found = {key: _spec(place.value()) for key, place in sorted(self.places.items())}
        return MappingProxyType({key: spec for key, spec in found.items() if spec is not None})

    @property
    def partitions(self) -> Mapping[str, tuple[TensorSlice, ...]]:
        """None: objects hold whole tensors."""
        return MappingProxyType({})

    @cached_property
    def digest(self) -> str:
        """Of keys and specs; values change."""
        listed = "".join(f"{key}\0{spec}\0" for key, spec in self.specs.items())
        return f"live:{hashlib.sha256(listed.encode('utf-8', 'surrogateescape')).hexdigest()}"

    @property
    def meta(self) -> None:
        """None: there is no graph beside it."""
        return None

    def read(self, key: str) -> np.ndarray[Any, np.dtype[Any]]:
        """The value now, as an array of its own."""
        if key not in self.places:
            raise MissingKeyError(f"{self.prefix} holds no tensor {key!r}")
        return np.array(self.places[key].value().numpy())

    def takes(self, key: str, spec: TensorSpec) -> bool:
        """Whether the holder of `key` can be given a tensor of that spec: a table's size, say, is free."""
        now = self.specs.get(key)
        if now is None or now.dtype is not spec.dtype:
            return False
        shape = getattr(self.places[key].holder, "shape", None)
        return now == spec or shape is None or bool(tf.TensorShape(shape).is_compatible_with(spec.shape))

    def check_shards(self) -> None:
        """Nothing to check: no file."""


def rooted(target: Any) -> Any:
    """What TensorFlow tracks `target` as: a tf.train.Checkpoint, a Keras model, an optimizer, a tf.Module.

    A dict, list or tuple is tracked as an attribute of that kind is. Raises InputError for what cannot be
    tracked, and in graph mode.
    """
    if not tf.executing_eagerly():
        raise InputError(
            "this is graph mode, and live objects are restored in eager mode: "
            "use legacy_ckpt.Saver for the variables of a graph"
        )
    if isinstance(target, (dict, list, tuple)):
        holder = tf.Module()
        holder.structure = target
        target = holder.structure
    if not isinstance(target, trackable.Trackable):
        raise InputError(
            f"{type(target).__name__} cannot be restored: pass a tf.train.Checkpoint, a Keras model, an "
            "optimizer or a tf.Module, or wrap objects by name: tf.train.Checkpoint(model=model)"
        )
    return target


def live(root: Any) -> LiveCheckpoint:
    """The view of what `rooted` gave; of a tf.train.Checkpoint, with its save counter."""
    if isinstance(root, tf.train.Checkpoint):
        _ = root.save_counter  # made when it is first asked for
    return LiveCheckpoint(root)


def refuse_empty(objects: LiveCheckpoint) -> None:
    """Raises InputError where the objects hold no tensor at all, a count of saves aside."""
    if not set(objects.places) - {SAVE_COUNTER_KEY}:
        raise InputError(
            f"{objects.prefix} holds no variables: attach them first, "
            "such as tf.train.Checkpoint(model=model)"
        )


def template(target: Any) -> Template:
    """The object graph of live objects, with dtypes, shapes and names, for a plan; no tensor is saved.

    `target` is a tf.train.Checkpoint, a Keras model, an optimizer, a tf.Module, or a dict or list of such.
    Raises InputError for anything else, NotBuiltError for a model that is not built.
    """
    from legacy_ckpt.objects.building import refuse_unbuilt

    root = rooted(target)
    refuse_unbuilt(root, optimizers=False, unused=False)
    checkpoint = live(root)
    return Template(checkpoint=checkpoint, graph=checkpoint.graph, keep=root)


def _places(serialized: Mapping[Any, Mapping[str, Any]]) -> Any:
    for holder, tensors in serialized.items():
        for key, tensor in tensors.items():
            if isinstance(tensor, dict):  # by slice; whole tensors have the slice ""
                if set(tensor) != {""}:
                    continue
                tensor = tensor[""]
            yield key, Place(holder, trackable_utils.extract_local_name(key), _reader(tensor))


def _reader(tensor: Any) -> Callable[[], Any]:
    if isinstance(tensor, SaveSpec):
        return lambda: tensor.tensor
    if callable(tensor):
        return lambda: tensor()
    return lambda: tensor


def _spec(value: Any) -> TensorSpec | None:
    """The spec of a value; None for a variable that has none yet."""
    if value is None:
        return None
    return TensorSpec(DType(value.dtype.as_datatype_enum), tuple(value.shape.as_list()))
