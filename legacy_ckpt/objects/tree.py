"""`load_variables`: a checkpoint as a tree of tf.Modules with variables, where no code for it is left."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from migration.checkpoint import Checkpoint, Style
from migration.formats.object_graph import VALUE, ObjectGraph
from migration.planning.planner import make_plan
from migration.tensors import DType


def load_variables(path: Checkpoint | str | os.PathLike[str]) -> tf.Module:
    """The tensors of a checkpoint of any style as variables, nested as a mirror of its names nests them.

    `net/conv/w` is `tree.net.conv.w`, or `getattr(tree, "0")` where a part is a number; a variable whose
    name is also a scope, such as `a` beside `a/b`, is `tree.a.value`, and no two have one place. Optimizer
    slots are apart: `w/Adam` is `tree.optimizer.m.w`; moving averages are under `tree.averages`. A part
    that is an attribute of every tf.Module, such as `name`, is followed by an underscore. Each variable's
    `name` is its own in the checkpoint. `tf.train.Checkpoint(tree)` and `tf.saved_model.save` take the tree.
    Tensors of variant and resource types, and those of which the file holds some slices only, have no value
    of their own and are left out. Raises CheckpointNotFoundError or FormatError.
    """
    source = path if isinstance(path, Checkpoint) else Checkpoint.open(path)
    graph, keys = _objects(source)
    tree = tf.Module()
    for place, name, key in _placed(graph):
        stored = keys.get(key)
        if stored is None or source.spec(stored).dtype in (DType.VARIANT, DType.RESOURCE):
            continue
        value = source.read(stored)
        _put(tree, [_free(part) for part in place], _variable(value, name or key, source.spec(stored).dtype))
    if source is not path:
        source.close()
    return tree


def _objects(source: Checkpoint) -> tuple[ObjectGraph, Mapping[str, str]]:
    """The objects of a checkpoint, or those its names would become, and the stored tensor of each key."""
    if source.style is Style.OBJECT and source.graph is not None:
        return source.graph, {key: key for key in source.keys}
    plan = make_plan(source)
    assert plan.graph is not None
    return plan.graph, {step.target: step.sources[0].key for step in plan.steps if step.sources}


def _placed(graph: ObjectGraph) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Place in the tree, full name and checkpoint key of every tensor of a graph."""
    slots = {
        slot.slot_node: (*(graph.paths[number] or ()), slot.slot_name, *(graph.paths[slot.variable] or ()))
        for number, node in enumerate(graph.nodes)
        for slot in node.slots
    }
    for number, attribute in graph.attributes():
        path = graph.paths[number] or slots.get(number) or (attribute.checkpoint_key,)
        extra = () if attribute.name == VALUE else (attribute.name,)
        yield (*path, *extra), attribute.full_name, attribute.checkpoint_key


def _free(part: str) -> str:
    """A local name as an attribute: what tf.Module has of its own, such as "name", gets an underscore."""
    return f"{part}_" if hasattr(tf.Module, part) else part


def _variable(value: Any, name: str, dtype: DType) -> tf.Variable:
    tensor = tf.constant(value)
    wanted = tf.as_dtype(dtype.value)
    trainable = dtype.is_floating
    return tf.Variable(
        tensor if tensor.dtype == wanted else tf.bitcast(tensor, wanted),
        trainable=trainable,
        name=_plain(name),
    )


def _plain(name: str) -> str:
    return name.removesuffix(":0")


def _put(tree: tf.Module, parts: list[str], variable: tf.Variable) -> None:
    *scopes, leaf = parts
    for scope in scopes:
        inner = getattr(tree, scope, None)
        if not isinstance(inner, tf.Module):
            inner = tf.Module()
            setattr(tree, scope, inner)
        tree = inner
    while isinstance(getattr(tree, leaf, None), tf.Module | tf.Variable):
        leaf += "_"
    setattr(tree, leaf, variable)
