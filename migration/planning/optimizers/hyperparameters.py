"""Learning rates, betas and the like: from the flags, the graph's constants, the file, the template."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.state import Number, SourceOptimizer
from migration.planning.optimizers.step import SMALLEST_NORMAL
from migration.planning.options import Options

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]


def as_float32(value: float) -> float:
    """`value` as float32 holds it."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def shown(value: float) -> str:
    """The shortest decimal that float32 reads as `value`: 0.9 for 0.8999999761581421."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if as_float32(float(text)) == as_float32(value):
            return text.replace("e-0", "e-")
    return repr(value)


def learning_rate(optimizer: SourceOptimizer, options: Options) -> Number:
    """The learning rate that counts: the flag's, else the source's own (which may be unknown)."""
    if options.learning_rate is not None:
        return Number(value=as_float32(options.learning_rate), origin="--learning_rate")
    return optimizer.numbers.get("learning_rate", Number(origin="not in the source"))


def with_betas(optimizer: SourceOptimizer, step: str | None, read: Read) -> SourceOptimizer:
    """The optimizer with the betas that its powers and the step tell, where the graph does not.

    After t updates a power is beta^(t+1), so beta is its (t+1)-th root; a short decimal is looked for
    whose own power, multiplied step by step in float32, is the stored one.
    """
    if optimizer.kind != "Adam" or step is None:
        return optimizer
    numbers = dict(optimizer.numbers)
    count = int(float(read(step).reshape(-1)[0]))
    for beta in ("beta1", "beta2"):
        key = optimizer.scalars.get(f"{beta}_power")
        if beta in numbers or key is None:
            continue
        value = float(read(key).reshape(-1)[0])
        root = _root(value, count)
        if root is not None:
            numbers[beta] = Number(value=as_float32(root), origin=f"the root of {key} at step {count}")
    return replace(optimizer, numbers=numbers)


def _root(value: float, count: int) -> float | None:
    if not SMALLEST_NORMAL <= value < 1 or not 0 <= count <= 100_000:
        return None
    root = value ** (1 / (count + 1))
    for digits in range(1, 6):
        short = float(f"{root:.{digits}g}")
        if 0 < short < 1 and abs(as_float32(short) ** (count + 1) - value) <= value * 1e-7 * (count + 2):
            return short
    return None
