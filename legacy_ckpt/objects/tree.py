"""`load_variables`: a checkpoint as a tree of tf.Modules with variables, where no code for it is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from migration.checkpoint import Checkpoint, Style
from migration.planning.mirror import SAVE_COUNTER, places_of
from migration.planning.targets import Template
from migration.tensors import DType


def load_variables(path: Checkpoint | str | os.PathLike[str]) -> tf.Module:
    """The tensors of a checkpoint of any style as trainable variables, nested as their names or paths are.

    `net/conv/w` is `tree.net.conv.w`, or `getattr(tree, "0")` where a part is a number; a variable whose
    name is also a scope, such as `w` beside `w/Adam`, is `tree.w.value`, and no two have one place. A part
    that is an attribute of every tf.Module, such as `name`, is followed by an underscore. Each variable's
    `name` is its own in the checkpoint. `tf.train.Checkpoint(tree)` and `tf.saved_model.save` take the tree.
    Tensors of variant and resource types have no value of their own and are left out. Raises
    CheckpointNotFoundError or FormatError.
    """
    source = path if isinstance(path, Checkpoint) else Checkpoint.open(path)
    tree = tf.Module()
    named = {
        name: key
        for name, key in _named(source)
        if source.spec(key).dtype not in (DType.VARIANT, DType.RESOURCE)
    }
    places = places_of(named)
    if source.style is Style.OBJECT and SAVE_COUNTER in places:
        places[SAVE_COUNTER] = (
            SAVE_COUNTER,
        )  # tf.train.Checkpoint's own, and no name that only looks like it
    for name, key in named.items():
        value = source.read(key)
        _put(tree, [_free(part) for part in places[name]], _variable(value, name, source.spec(key).dtype))
    if source is not path:
        source.close()
    return tree


def _named(source: Checkpoint) -> Iterator[tuple[str, str]]:
    """Each tensor's place in the tree, and its key."""
    if source.style is not Style.OBJECT or source.graph is None:
        yield from ((name, name) for name in source.names)
        return
    for target in Template(checkpoint=source, graph=source.graph).targets:
        path = target.paths[0] if target.paths else target.key.replace("/.ATTRIBUTES/VARIABLE_VALUE", "")
        yield (path if target.attribute == "VARIABLE_VALUE" else f"{path}/{target.attribute}"), target.key


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
