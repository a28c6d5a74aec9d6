"""The checkpoint functions of `tf.contrib.framework`, with the behaviour of TensorFlow 1.15."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from legacy_ckpt.management import state
from legacy_ckpt.saver import Saver
from legacy_ckpt.v1 import train
from legacy_ckpt.v1.gone import gone

_v1 = tf.compat.v1
_Path = str | os.PathLike[str]
_VariableList = Sequence[Any] | Mapping[str, Any]

create_global_step = _v1.train.create_global_step
get_global_step = _v1.train.get_global_step
get_or_create_global_step = _v1.train.get_or_create_global_step
assert_global_step = _v1.train.assert_global_step


def load_checkpoint(filepattern: _Path) -> Any:
    """A reader of the checkpoint at a prefix, at one of its files or in a directory."""
    return train.load_checkpoint(filepattern)


def load_variable(checkpoint_dir: _Path, name: str) -> Any:
    """The value of one variable, by its name or its tensor's (`w:0`)."""
    return train.load_variable(checkpoint_dir, name)


def list_variables(checkpoint_dir: _Path) -> list[tuple[str, list[int]]]:
    """All names and shapes, sorted."""
    return train.list_variables(checkpoint_dir)


def init_from_checkpoint(checkpoint_dir: _Path, assignment_map: Any) -> None:
    """Let variables start with a checkpoint's values, as `tf.compat.v1.train.init_from_checkpoint` does."""
    train.init_from_checkpoint(checkpoint_dir, assignment_map)


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = _v1.GraphKeys.GLOBAL_VARIABLES
) -> list[Any]:
    """The graph's variables whose name starts with `scope` and ends with `suffix` (`:0` left out)."""
    if isinstance(scope, _v1.VariableScope):
        scope = scope.name
    if suffix is not None:
        ending = suffix if ":" in suffix else suffix + ":"
        scope = (scope or "") + ".*" + ending
    return list(_v1.get_collection(collection, scope))


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The variables of the collection MODEL_VARIABLES, filtered as by `get_variables`."""
    return get_variables(scope, suffix, _v1.GraphKeys.MODEL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The trainable variables, filtered as by `get_variables`."""
    return get_variables(scope, suffix, _v1.GraphKeys.TRAINABLE_VARIABLES)


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """The local variables, filtered as by `get_variables`."""
    return get_variables(scope, suffix, _v1.GraphKeys.LOCAL_VARIABLES)


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """The variables under the scopes `include` (all by default), without those under `exclude`.

    Raises TypeError where one of them is given and is no list or tuple.
    """
    for name, scopes in (("include", include), ("exclude", exclude)):
        if scopes is not None and not isinstance(scopes, (list, tuple)):
            raise TypeError(f"{name} is provided but is not a list or a tuple.")
    chosen = (
        get_variables() if include is None else [each for scope in include for each in get_variables(scope)]
    )
    excluded = {id(each) for scope in exclude or () for each in get_variables(scope)}
    return [each for each in chosen if id(each) not in excluded]


def filter_variables(
    var_list: Iterable[Any],
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """The variables whose name matches a pattern of `include_patterns` and none of `exclude_patterns`.

    Patterns are searched for in the name, or, without `reg_search`, have to match from its start.
    """
    find: Callable[[str, str], Any] = re.search if reg_search else re.match
    listed = list(var_list)
    if include_patterns is not None:
        listed = [each for each in listed if any(find(pattern, each.op.name) for pattern in include_patterns)]
    return [
        each for each in listed if not any(find(pattern, each.op.name) for pattern in exclude_patterns or ())
    ]


def assign_from_values(var_names_to_values: Mapping[str, Any]) -> tuple[Any, dict[Any, Any]]:
    """An op that gives the variables of these names the values, and the feed that it has to be run with.

    Raises ValueError where a name is not exactly one variable's.
    """
    by_name = {each.op.name: each for each in _v1.global_variables()}
    unknown = sorted(set(var_names_to_values) - set(by_name))
    if unknown:
        raise ValueError(
            f"Variable {', '.join(unknown)} wasn't found: the graph has no variable of that name"
        )
    return _assignment([(by_name[name], value) for name, value in var_names_to_values.items()])


def assign_from_values_fn(var_names_to_values: Mapping[str, Any]) -> Callable[[Any], Any]:
    """A function that, given a session, gives the variables of these names the values."""
    op, feed = assign_from_values(var_names_to_values)
    return lambda session: session.run(op, feed)


def assign_from_checkpoint(
    model_path: _Path, var_list: _VariableList, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """An op that assigns values of a checkpoint, and the feed that it has to be run with.

    `var_list` is a list of variables, or maps names in the checkpoint to a variable, or to the parts of
    a partitioned one. A value of another shape with as many elements is reshaped. Raises ValueError
    where the checkpoint lacks a variable, unless `ignore_missing_vars`, or has it in another size.
    """
    reader = load_checkpoint(model_path)
    pairs: list[tuple[Any, Any]] = []
    for name, variables in _grouped(var_list).items():
        if not reader.has_tensor(name):
            message = f"Checkpoint is missing variable [{name}]"
            if not ignore_missing_vars:
                raise ValueError(f"{message} ({model_path})")
            _v1.logging.warning(message)
            continue
        value = reader.get_tensor(name)
        pairs.extend((each, _part(name, each, value)) for each in variables)
    return _assignment(pairs)


def assign_from_checkpoint_fn(
    model_path: _Path,
    var_list: _VariableList,
    ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], None] | None:
    """A function that, given a session, restores `var_list`; None where no variable is left to restore.

    Raises ValueError for an empty `var_list`; missing variables are told when the function is called,
    or passed over with a warning where `ignore_missing_vars`.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty")
    chosen = var_list
    path = state.resolved(model_path)
    if ignore_missing_vars:
        reader = load_checkpoint(path)
        grouped = _grouped(var_list)
        for name in (name for name in grouped if not reader.has_tensor(name)):
            _v1.logging.warning("Variable %s missing in checkpoint %s", name, path)
        chosen = {
            name: each[0] if len(each) == 1 else each
            for name, each in grouped.items()
            if reader.has_tensor(name)
        }
    if not chosen:
        _v1.logging.warning("No Variables to restore")
        return None
    saver = Saver(chosen, reshape=reshape_variables, write_version=_v1.train.SaverDef.V1)

    def restore(session: Any) -> None:
        saver.restore(session, path)

    return restore


def _grouped(var_list: _VariableList) -> dict[str, list[Any]]:
    """The variables by their name in a checkpoint, the parts of a partitioned one together."""
    if isinstance(var_list, Mapping):
        return {
            name: list(each) if isinstance(each, (list, tuple)) else [each] for name, each in var_list.items()
        }
    grouped: dict[str, list[Any]] = {}
    for each in var_list:
        extent = _extent(each)
        grouped.setdefault(extent.full_name if extent else each.op.name, []).append(each)
    return grouped


def _extent(variable: Any) -> Any:
    """Which slice of a partitioned variable it is; None for a whole one."""
    return variable._get_save_slice_info() if hasattr(variable, "_get_save_slice_info") else None


def _part(name: str, variable: Any, value: Any) -> Any:
    extent = _extent(variable)
    if extent is None:
        return _fitted(name, value, variable.shape.as_list())
    whole = _fitted(name, value, list(extent.full_shape))
    return whole[
        tuple(
            slice(start, start + size)
            for start, size in zip(extent.var_offset, extent.var_shape, strict=True)
        )
    ]


def _fitted(name: str, value: Any, shape: list[int]) -> Any:
    try:
        return value.reshape(shape)
    except ValueError:
        raise ValueError(
            f"Total size of new array must be unchanged for {name} "
            f"lh_shape: [{value.shape}], rh_shape: [{shape}]"
        ) from None


def _assignment(pairs: Iterable[tuple[Any, Any]]) -> tuple[Any, dict[Any, Any]]:
    feed: dict[Any, Any] = {}
    ops = []
    for variable, value in pairs:
        slot = _v1.placeholder(
            variable.dtype.base_dtype, variable.shape, name=f"placeholder/{variable.op.name}"
        )
        ops.append(variable.assign(slot).op)
        feed[slot] = value
    return tf.group(*ops), feed


def __getattr__(name: str) -> Any:
    raise gone("contrib.framework", name)


__all__ = [
    "assert_global_step",
    "assign_from_checkpoint",
    "assign_from_checkpoint_fn",
    "assign_from_values",
    "assign_from_values_fn",
    "create_global_step",
    "filter_variables",
    "get_global_step",
    "get_local_variables",
    "get_model_variables",
    "get_or_create_global_step",
    "get_trainable_variables",
    "get_variables",
    "get_variables_to_restore",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]
