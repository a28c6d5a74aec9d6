"""Assertions for a project's own tests: what was migrated stays right.

They raise AssertionError with a text of several lines, the worst first, and depend on no test framework.
`migration.testing.plugin` is a pytest plugin with the fixture `golden_checkpoint`. Names are loaded when
they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migration.testing.golden import GoldenCheckpoint
    from migration.testing.outputs import assert_same_outputs, compare_outputs
    from migration.testing.restoring import assert_restores
    from migration.testing.round_trip import NoWayError, assert_round_trip
    from migration.testing.same_tensors import assert_same_tensors

_HOME = {
    "GoldenCheckpoint": "golden",
    "NoWayError": "round_trip",
    "assert_restores": "restoring",
    "assert_round_trip": "round_trip",
    "assert_same_outputs": "outputs",
    "assert_same_tensors": "same_tensors",
    "compare_outputs": "outputs",
}

__all__ = [
    "GoldenCheckpoint",
    "NoWayError",
    "assert_restores",
    "assert_round_trip",
    "assert_same_outputs",
    "assert_same_tensors",
    "compare_outputs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
