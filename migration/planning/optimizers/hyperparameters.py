"""Learning rates, betas and the like: from the flags, the graph's constants, the file, the template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.powers import as_float32, solved
from migration.planning.optimizers.state import Number, PowerPair, SourceOptimizer
from migration.planning.options import Options

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]


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
    """The optimizer with the betas that its powers and the step tell, where the graph does not (`powers.py`).

    Where nothing tells which of several pairs of powers is its own, betas are known if all pairs agree.
    """
    known = [optimizer.numbers.get(beta, Number()) for beta in ("beta1", "beta2")]
    if optimizer.kind != "Adam" or all(one.value is not None or one.key is not None for one in known):
        return optimizer
    count = int(float(read(step).reshape(-1)[0])) if step is not None else None
    pairs = tuple(
        solved(keys, {role: float(read(key).reshape(-1)[0]) for role, key in keys.items()}, count)
        for keys in _pairs(optimizer)
    )
    told: dict[str, Number] = {}
    for beta, number in zip(("beta1", "beta2"), known, strict=True):
        roots = {pair.betas.get(f"{beta}_power") for pair in pairs}
        if number.value is None and number.key is None and len(roots) == 1 and None not in roots:
            told[beta] = Number(value=as_float32(roots.pop() or 0.0), origin=_origin(pairs[0], beta))
    return replace(optimizer, numbers={**optimizer.numbers, **told}, powers=pairs)


def _pairs(optimizer: SourceOptimizer) -> list[dict[str, str]]:
    """The beta powers that are the optimizer's, or may be."""
    own = {role: key for role, key in optimizer.scalars.items() if role in ("beta1_power", "beta2_power")}
    count = max(map(len, optimizer.doubts.values()), default=0)
    doubted = [
        {role: keys[place] for role, keys in optimizer.doubts.items() if place < len(keys)}
        for place in range(count)
    ]
    return [own] if own else doubted


def _origin(pair: PowerPair, beta: str) -> str:
    return f"the root of {pair.keys[f'{beta}_power']} at step {pair.count}"
