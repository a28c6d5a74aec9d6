"""Refuses models that are not built yet: TensorFlow would restore them later, in silence, or never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.checkpoint import graph_view
from tensorflow.python.trackable import base as _trackable

from migration.errors import InputError, Problem, ProblemsError

_NOT_BUILT = "not built yet, so there is nothing to restore into:"
_UNUSED = (
    "the model around it is built and never called it: call it once or take it out, "
    "or leave it as it is with partial=True"
)


class NotBuiltError(InputError, ProblemsError):
    """Models, layers or optimizers without variables yet. `problems` names each and says how to build it."""


def refuse_unbuilt(target: Any, optimizers: bool = True, unused: bool = True) -> None:
    """Raises NotBuiltError where a model or layer under `target`, or an optimizer, has no variables yet.

    unused: whether a layer counts that is still without variables although a model around it is built.
    """
    problems = list(_problems(target, optimizers, unused))
    if problems:
        raise NotBuiltError(_NOT_BUILT, problems)


def _problems(target: Any, optimizers: bool, unused: bool) -> Iterator[Problem]:
    told_below: set[int] = set()
    objects = _objects(target)
    unbuilt = [item for item in objects if not _is_built(item)]
    within = _inside_of_built_layers(objects) if unbuilt else set()
    for item in unbuilt:
        if id(item) in told_below:
            continue
        if _is_optimizer(item):
            if optimizers or item is target:
                yield Problem(kind="optimizer", where=_name(item), message=_building(item))
        elif _is_layer(item) and not _never_has_variables(item):
            told_below.update(id(part) for part in _objects(item))
            if id(item) not in within:
                yield _model_problem(_name(item))
            elif unused:
                yield Problem(kind="layer", where=_name(item), message=_UNUSED)


def _inside_of_built_layers(objects: list[Any]) -> set[int]:
    """The ids of what built layers hold."""
    inside: set[int] = set()
    for item in objects:
        if _is_layer(item) and _is_built(item) and id(item) not in inside:
            inside.update(id(part) for part in _objects(item) if part is not item)
    return inside


def _never_has_variables(layer: Any) -> bool:
    """Whether it is a layer such as Dropout: without a `build` of its own, and without layers in it."""
    builder = next(each for each in type(layer).__mro__ if "build" in vars(each))
    return builder.__name__ in ("Layer", "BaseRandomLayer") and not any(
        _is_layer(part) for part in _objects(layer) if part is not layer
    )


def _model_problem(name: str) -> Problem:
    return Problem(
        kind="model", where=name, message="call model.build(input_shape), or the model once on a batch"
    )


def _objects(target: Any) -> list[Any]:
    try:
        found: list[Any] = graph_view.ObjectGraphView(target).breadth_first_traversal()[0]
    except ValueError as error:  # tf_keras lists no parts of a model without weights
        if "have not yet been created" not in str(error):
            raise
        raise NotBuiltError(_NOT_BUILT, [_model_problem(str(error).split(".")[0])]) from None
    return found


def _building(optimizer: Any) -> str:
    """How the slots of an optimizer are made."""
    if isinstance(optimizer, tf.compat.v1.train.Optimizer):
        return "call optimizer.apply_gradients(pairs of gradient and variable) once, before the restore"
    way = "_create_all_weights" if hasattr(optimizer, "_create_all_weights") else "build"
    return f"call optimizer.{way}(model.trainable_variables), once the model is built"


def _is_built(item: Any) -> bool:
    if isinstance(getattr(item, "inner_optimizer", None), _trackable.Trackable):  # a LossScaleOptimizer
        return _is_built(item.inner_optimizer)
    if hasattr(item, "_build_learning_rate"):  # an optimizer of tf_keras, which makes its slots in build()
        return getattr(item, "_built", False)
    if hasattr(item, "_create_slots"):  # tf_keras.optimizers.legacy, tf.compat.v1.train: at the first step
        return bool(getattr(item, "_slots", True)) or not _makes_slots(item)
    return getattr(item, "built", True) is not False


def _makes_slots(optimizer: Any) -> bool:
    """Whether the optimizer will have slots; gradient descent has them for its momentum only."""
    maker = next(each for each in type(optimizer).__mro__ if "_create_slots" in vars(each)).__name__
    if maker == "SGD":
        return bool(getattr(optimizer, "_momentum", True))
    return maker not in ("Optimizer", "OptimizerV2")  # the base classes make none


def _is_optimizer(item: Any) -> bool:
    return hasattr(type(item), "apply_gradients")


def _is_layer(item: Any) -> bool:
    return hasattr(type(item), "trainable_variables") and hasattr(type(item), "call")


def _name(item: Any) -> str:
    return f"{type(item).__name__} {getattr(item, 'name', '')!r}"
