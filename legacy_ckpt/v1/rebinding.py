"""TensorFlow's own functions, run over other names.

`MonitoredTrainingSession`, `Scaffold.finalize` and their like name the classes they use as globals of
their module. To give them this package's classes, the function is made again from the same code with
those globals replaced: nothing in TensorFlow is changed, and whoever imports TensorFlow's own gets it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any


def rebound(function: Callable[..., Any], **replaced: Any) -> Callable[..., Any]:
    """`function` with the globals `replaced`.

    Raises ImportError where the function uses no such global: TensorFlow changed, and the
    replacement would be without effect.
    """
    if not isinstance(function, types.FunctionType):
        raise ImportError(f"{function!r} is no plain Python function in this version of TensorFlow")
    absent = sorted(set(replaced) - set(_names_used(function.__code__)))
    if absent:
        raise ImportError(
            f"{function.__module__}.{function.__qualname__} of this version of TensorFlow does not use "
            f"{', '.join(absent)}; legacy_ckpt.v1 cannot put its own classes there"
        )
    made = types.FunctionType(
        function.__code__,
        {**function.__globals__, **replaced},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(made, function)


def with_changes(module: types.ModuleType, **replaced: Any) -> types.ModuleType:
    """A module that has `replaced` in place of its own, for a function that reaches them through it."""
    view = types.ModuleType(module.__name__, module.__doc__)
    view.__dict__.update({**module.__dict__, **replaced})
    return view


def _names_used(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_used(constant)
