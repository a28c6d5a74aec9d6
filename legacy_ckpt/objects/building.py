"""Refuses models that are not built yet: TensorFlow would restore them later, in silence, or never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.checkpoint import graph_view

from migration.errors import InputError, Problem, ProblemsError

_NOT_BUILT = "not built yet, so there is nothing to restore into:"


class NotBuiltError(InputError, ProblemsError):
    """Models, layers or optimizers without variables yet. `problems` names each and says how to build it."""


def refuse_unbuilt(target: Any, optimizers: bool = True) -> None:
    """Raises NotBuiltError where a model or layer under `target`, or an optimizer, has no variables yet."""
    problems = list(_problems(target, optimizers))
    if problems:
        raise NotBuiltError(_NOT_BUILT, problems)


def _problems(target: Any, optimizers: bool) -> Iterator[Problem]:
    told_below: set[int] = set()
    for item in _objects(target):
        if _is_built(item) or id(item) in told_below:
            continue
        if _is_optimizer(item):
            if optimizers or item is target:
                yield Problem(kind="optimizer", where=_name(item), message=_building(item))
        elif _is_layer(item):
            told_below.update(id(part) for part in _objects(item))
            yield _model_problem(_name(item))


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
