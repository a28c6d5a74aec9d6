"""Hyperparameters and step counts that Keras optimizers keep as variables, where they were saved by name.

`training/Ftrl/learning_rate`, `training/Ftrl/iter` (tf.keras in TF1 and TF 2.x estimators),
`Adam/lr`, `Adam/iterations` (Keras before TF 1.13).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from migration.planning.optimizers.kinds import KERAS_NUMBERS
from migration.planning.optimizers.state import Number, SourceOptimizer
from migration.tensors import TensorSpec

_ROLES = {"iter": "iterations", "iterations": "iterations"}
_NUMBERS = {"lr": "learning_rate", **KERAS_NUMBERS}


def with_stored(optimizer: SourceOptimizer, specs: Mapping[str, TensorSpec]) -> SourceOptimizer:
    """The optimizer with the scalars that stand in its own scope as Keras names them."""
    scalars, numbers = dict(optimizer.scalars), dict(optimizer.numbers)
    for scope in _scopes(optimizer):
        for key, spec in specs.items():
            parent, _, last = key.rpartition("/")
            if spec.shape != () or parent != scope:
                continue
            if last in _ROLES:
                scalars.setdefault(_ROLES[last], key)
            known = numbers.get(_NUMBERS.get(last, ""))
            if last in _NUMBERS and (known is None or (known.value is None and known.key is None)):
                numbers[_NUMBERS[last]] = Number(key=key, origin=f"the stored {key}")
    return replace(optimizer, scalars=scalars, numbers=numbers)


def _scopes(optimizer: SourceOptimizer) -> Iterator[str]:
    """The name scopes that are the optimizer's own: where slots lie, and where its numbers do."""
    own = {number.key.rpartition("/")[0] for number in optimizer.numbers.values() if number.key is not None}
    for (variable, _), key in optimizer.slots.items():
        head, found, _ = key.partition(f"/{variable}/")
        if found:
            own.add(head)
    own |= {optimizer.name, optimizer.name.rpartition("/")[2]}
    yield from sorted(scope for scope in own if scope)
