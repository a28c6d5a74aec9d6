"""Small checkpoints, written without TensorFlow, and what a failed assertion says of them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, Plan, execute, make_plan
from tests.bundles import write_bundle

Array = np.ndarray[Any, Any]
ARRAYS: dict[str, Array] = {
    "net/kernel": np.arange(12, dtype=np.float32).reshape(4, 3) + 1,
    "net/bias": np.array([1.0, 2.0, 3.0], np.float32),
    "net/table": np.arange(20, dtype=np.int64).reshape(10, 2),
    "step": np.array(7, np.int64),
    "words": np.array([b"one", b"two"], object),
    "none": np.zeros((0, 3), np.float32),
}


def write(prefix: pathlib.Path, **changed: Array | None) -> Checkpoint:
    """`ARRAYS`, with some changed ("net__bias" is "net/bias"), or left out where None."""
    arrays = {**ARRAYS, **{name.replace("__", "/"): array for name, array in changed.items()}}
    kept = {name: array for name, array in arrays.items() if array is not None}
    parts = {"net/table": 3} if "net/table" in kept else {}
    return Checkpoint.open(write_bundle(prefix, kept, parts=parts))


def mirrored(source: Checkpoint, prefix: pathlib.Path, **how: Any) -> tuple[Checkpoint, Plan]:
    """The object-based mirror, and the plan that made it."""
    plan = make_plan(source)
    execute(plan, source, prefix, **how)
    return Checkpoint.open(prefix), plan


def failure(assertion: Callable[..., None], *arguments: Any, **keywords: Any) -> list[str]:
    """The lines that the assertion raises."""
    with pytest.raises(AssertionError) as told:
        assertion(*arguments, **keywords)
    return str(told.value).splitlines()
