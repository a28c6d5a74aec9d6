"""The object graph of live objects and the place of each variable in a Saver's file; no op is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2
from tensorflow.python.checkpoint import graph_view as graph_view_lib
from tensorflow.python.checkpoint import util
from tensorflow.python.ops import resource_variable_ops
from tensorflow.python.training.saving import saveable_object, saveable_object_util

from legacy_ckpt.saver.arguments import plain_variable
from legacy_ckpt.saver.two_views import Place
from migration.formats.object_graph import VALUE
from migration.formats.tensor_bundle import TensorSlice

_SAVE_COUNTER = "save_counter"

Identity = int | frozenset[int]  # the id of a variable; the ids of all parts of a partitioned one


@dataclass(frozen=True, slots=True)
class LiveGraph:
    """A serialized TrackableObjectGraph, and the identity of the variable behind each of its keys.

    The save counter is in the graph, but its key is not in `variables`.
    """

    serialized: bytes
    variables: Mapping[str, Identity]

    @classmethod
    def of(cls, root: Any) -> LiveGraph:
        """Walks the objects as `tf.train.Checkpoint.save` does; a save counter is there in any case."""
        view = graph_view_lib.ObjectGraphView(root)
        objects, _, ids, slots, prefixes = util.objects_ids_and_slot_variables_and_paths(view)
        proto = trackable_object_graph_pb2.TrackableObjectGraph()
        variables: dict[str, Identity] = {}
        for trackable in objects:
            node = proto.nodes.add()
            node.slot_variables.extend(slots.get(trackable, ()))
            for child in view.list_children(trackable):
                node.children.add(node_id=ids[child.ref], local_name=child.name)
            if is_variable(trackable):
                key = f"{prefixes[trackable]}/.ATTRIBUTES/{VALUE}"
                node.attributes.add(name=VALUE, full_name=full_name(trackable), checkpoint_key=key)
                variables[key] = _identity(trackable)
        key = _counted(proto)
        variables.pop(key, None)
        util.add_checkpoint_values_check(proto)
        return cls(proto.SerializeToString(deterministic=True), variables)


def _counted(proto: Any) -> str:
    """The key of the root's save counter, which is added where nothing was saved yet."""
    key = f"{_SAVE_COUNTER}/.ATTRIBUTES/{VALUE}"
    if all(child.local_name != _SAVE_COUNTER for child in proto.nodes[0].children):
        proto.nodes[0].children.add(node_id=len(proto.nodes), local_name=_SAVE_COUNTER)
        proto.nodes.add().attributes.add(name=VALUE, full_name=_SAVE_COUNTER, checkpoint_key=key)
    return key


def is_variable(trackable: Any) -> bool:
    """Whether the object's whole state is one tensor under VARIABLE_VALUE."""
    plain = plain_variable(trackable)
    return (
        isinstance(plain, tf.Variable)
        or resource_variable_ops.is_resource_variable(plain)
        or hasattr(plain, "_partitioned_variable")
    )


def full_name(trackable: Any) -> str:
    """The name that an object graph keeps of a variable."""
    partitioned = getattr(trackable, "_partitioned_variable", None)
    return str(partitioned.name if partitioned is not None else util.get_full_name(plain_variable(trackable)))


def _identity(trackable: Any) -> Identity:
    partitioned = getattr(trackable, "_partitioned_variable", None)
    return id(plain_variable(trackable)) if partitioned is None else frozenset(map(id, partitioned))


def saved_places(var_list: Any) -> dict[Identity, Place]:
    """Where a Saver of `var_list` puts each variable, and each part of a partitioned one."""
    if var_list is None:
        raise ValueError(
            "object_view needs the Saver's variables: pass var_list, a saver_def does not tell them"
        )
    named = var_list
    if not isinstance(named, Mapping):
        named = saveable_object_util.op_list_to_dict(
            _only_variables(var_list), convert_variable_to_tensor=False
        )
    places: dict[Identity, Place] = {}
    for name, value in named.items():
        parts = _parts(value)
        places[frozenset(map(id, parts)) if parts else id(value)] = Place(name)
        for part in parts:
            places[id(part)] = Place(name, _extent(part))
    return places


def _only_variables(var_list: Any) -> list[Any]:
    flat = tf.nest.flatten(list(var_list))
    return [value for value in flat if not isinstance(value, saveable_object.SaveableObject)]


def _parts(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    return list(value) if type(value).__name__ == "PartitionedVariable" else []


def _extent(part: Any) -> TensorSlice | None:
    told = part._save_slice_info
    return TensorSlice(tuple(told.var_offset), tuple(told.var_shape))
