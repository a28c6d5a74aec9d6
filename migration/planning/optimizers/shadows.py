"""Moving averages in a source: shadows of variables, and of tensors that are no variables.

`tf.train.ExponentialMovingAverage` names a shadow `[scope/]variable/ExponentialMovingAverage`, or after
its own `name`; what it averages need not be a variable (a loss, say).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from migration.planning.optimizers.name_source import owner
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.formats.meta_graph import MetaGraph

_SHADOW_NAMES = ("ExponentialMovingAverage", "moving_average", "ema", "EMA")
_CERTAIN_NAME = _SHADOW_NAMES[0]


def averages_of(
    specs: Mapping[str, TensorSpec], meta: MetaGraph | None, wholes: Mapping[str, str]
) -> dict[str, str]:
    """Shadow key -> the key of the variable that it averages, "" for one of a tensor that is none.

    The graph's own update decides; names do for what it does not tell. A name other than TensorFlow's
    default counts only beside a variable of the same shape.
    """
    found = _by_graph(specs, meta, wholes) if meta is not None else {}
    for key, spec in specs.items():
        base, _, last = key.rpartition("/")
        stem = last.rpartition("_")[0] if last.rpartition("_")[2].isdigit() else last
        if key in found or stem not in _SHADOW_NAMES or not base:
            continue
        variable = owner(base, key, specs)
        if variable is not None:
            found[key] = variable
        elif stem == _CERTAIN_NAME and spec.dtype.is_floating:
            found[key] = ""
    return found


def _by_graph(specs: Mapping[str, TensorSpec], meta: MetaGraph, wholes: Mapping[str, str]) -> dict[str, str]:
    from migration.planning.optimizers.graph_source import key_lookup

    key_of = key_lookup(meta, specs, wholes)
    found: dict[str, str] = {}
    for shadow, variable in meta.averages.items():
        key, of = key_of(shadow), key_of(variable)
        if key is not None and of is not None and key != of:
            found[key] = of
    return found
