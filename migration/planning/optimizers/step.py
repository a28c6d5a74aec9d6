"""How many steps a source has trained: where that number stands, and whether it can be trusted.

TF1's Adam keeps beta1^(t+1) and beta2^(t+1) after t updates (adam.py: both start at beta itself, and
`_finish` multiplies once an update). In float32, 0.9^t leaves the normal numbers after some 830 steps and
0.999^t after some 87,000: what is left then no longer tells t.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.powers import SMALLEST_NORMAL, as_float32, solved, tells
from migration.planning.optimizers.state import PowerPair, SourceOptimizer, SourceState
from migration.planning.options import Options
from migration.planning.plan import Confidence, Source
from migration.planning.transforms import Cast, Constant, Reshape, Steps, Transform
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.meta_graph import MetaGraph

Read = Callable[[str], "np.ndarray[Any, Any]"]
Specs = Mapping[str, TensorSpec]

_STEP_NAME = re.compile(r"^(global_?step|step|iter(ation)?s?)(_\d+)?(:0)?$", re.IGNORECASE)
_INTEGERS = (DType.INT64, DType.INT32)
_NUMBERS = (*_INTEGERS, DType.FLOAT32, DType.FLOAT64)


@dataclass(frozen=True, slots=True)
class StepCount:
    """How a step of the plan gets the number of updates (as `dtype`): sources, transforms, and in words."""

    sources: tuple[Source, ...]
    transforms: tuple[Transform, ...]
    reason: str
    value: int | None = None
    dtype: DType = DType.INT64
    confidence: Confidence = Confidence.CERTAIN
    candidates: tuple[str, ...] = ()

    def as_dtype(self, dtype: DType) -> tuple[Transform, ...]:
        """The transforms, for a target of this dtype (a constant takes any)."""
        return self.transforms if dtype is self.dtype or not self.sources else (*self.transforms, Cast(dtype))


def step_key(
    specs: Specs, meta: MetaGraph | None, optimizers: Iterable[SourceOptimizer], read: Read
) -> tuple[str | None, Confidence, str]:
    """The key of the step variable, how sure that is, and why."""
    if meta is not None and meta.global_step is not None:
        from migration.planning.optimizers.graph_source import key_lookup

        key = key_lookup(meta, specs, {})(meta.global_step)
        if key is not None:
            return key, Confidence.CERTAIN, "the graph counts it up once an update"
    scalars = {
        key: spec.dtype for key, spec in specs.items() if spec.shape in ((), (1,)) and _countable(spec)
    }
    named = [key for key in scalars if is_step_name(key)]
    whole = [key for key in named if _is_whole(read(key))]
    if whole:
        best = min(
            whole, key=lambda key: (not key.rpartition("/")[2].startswith("global"), key.count("/"), key)
        )
        return best, Confidence.CERTAIN, "by its name"
    agreeing = [key for key in scalars if any(_agrees(one, read(key), read) for one in optimizers)]
    if len(agreeing) == 1:
        return agreeing[0], Confidence.LIKELY, "the only number that agrees with the beta powers"
    integers = [key for key, dtype in scalars.items() if dtype in _INTEGERS and _is_whole(read(key))]
    if len(integers) == 1:
        return integers[0], Confidence.LIKELY, "the only integer"
    return None, Confidence.UNDECIDED, "no variable looks like a step count"


def is_step_name(name: str) -> bool:
    """Whether a variable's name or path ends as those of step counts do."""
    return _STEP_NAME.match(name.rpartition("/")[2]) is not None


def _countable(spec: TensorSpec) -> bool:
    return spec.dtype in _NUMBERS


def _is_whole(value: np.ndarray[Any, Any]) -> bool:
    number = float(value.reshape(-1)[0])
    return math.isfinite(number) and number >= 0 and number == int(number)


def _agrees(optimizer: SourceOptimizer, value: np.ndarray[Any, Any], read: Read) -> bool:
    """Whether a number is a count that the beta powers of an optimizer tell, with its betas or any."""
    number = float(value.reshape(-1)[0])
    powers = {role: key for role, key in optimizer.scalars.items() if role in ("beta1_power", "beta2_power")}
    if not _is_whole(value) or number <= 0 or not powers:
        return False
    count = count_of_powers(optimizer, read)
    if count is not None and close(int(number), count):
        return True
    values = {role: float(read(key).reshape(-1)[0]) for role, key in powers.items()}
    pair = solved(powers, values, int(number))
    return pair.sure and pair.count == int(number)


def close(count: int, told: int) -> bool:
    """Whether a count agrees with what a beta power tells, whose rounding errors grow with the count."""
    return abs(count - told) <= max(1, round(1e-3 * told))


def trusted_power(optimizer: SourceOptimizer, read: Read) -> tuple[str, float, float] | None:
    """(key, beta, value) of the beta power that tells the step best; None where both have underflowed.

    beta1's is exact as long as it is a normal number, beta2's lasts longer.
    """
    for role, beta, default in (("beta1_power", "beta1", 0.9), ("beta2_power", "beta2", 0.999)):
        key = optimizer.scalars.get(role)
        if key is None:
            continue
        number = optimizer.numbers.get(beta)
        if optimizer.powers and number is None:
            continue  # no beta makes sense of it: the default would be a guess
        base = number.value if number is not None and number.value is not None else default
        value = float(read(key).reshape(-1)[0])
        if SMALLEST_NORMAL <= value < 1 and 0 < base < 1:
            return key, base, value
    return None


def count_of_powers(optimizer: SourceOptimizer, read: Read) -> int | None:
    """The number of updates that an optimizer's beta powers tell: log(power) / log(beta) - 1."""
    power = trusted_power(optimizer, read)
    return None if power is None else count_of(*power[1:])


def count_of(beta: float, power: float) -> int:
    """t of beta^(t+1) = power."""
    return round(math.log(power) / math.log(beta)) - 1


def count_updates(
    state: SourceState, optimizer: SourceOptimizer | None, specs: Specs, options: Options, read: Read
) -> tuple[StepCount | None, list[str]]:
    """How to get the number of updates that an optimizer has made, and what is to be said about it.

    The flag first; then the optimizer's own counter; then the step variable, where the beta powers do
    not gainsay it (an optimizer that did not train at every step); then the beta powers. Undecided where
    there are powers and they confirm no count. None where nothing tells.
    """
    if options.step is not None:
        count = StepCount((), (Constant(options.step),), "--step", options.step)
        return count, [f"step: {options.step}, as --step says"]
    own = optimizer.scalars.get("iterations") if optimizer is not None else None
    powers = _of_powers(optimizer, read) if optimizer is not None else None
    told = powers.value if powers is not None else None
    key = own if own is not None else state.step
    if key is not None:
        value = int(float(read(key).reshape(-1)[0]))
        notes = [f"step: {value}, from {key} ({_why(state, key)})"]
        count = _of_key(key, specs[key], value)
        if own is not None:
            return count, notes
        if powers is None or told is None:
            doubt = _doubt(optimizer, read) if optimizer is not None else ""
            if not doubt:
                return replace(count, confidence=state.step_confidence), notes
            undecided = replace(count, confidence=Confidence.UNDECIDED, candidates=(key,))
            return undecided, [f"{notes[0]}, but {doubt}: give step (--step), or take {key} in the plan"]
        if close(value, told):
            return replace(count, confidence=powers.confidence), notes
        notes = [f"step: {key} says {value}, but the beta powers tell {told} updates: those count for Adam"]
        return powers, notes
    return powers, [f"step: {told}, from {powers.reason}"] if powers is not None else []


def _doubt(optimizer: SourceOptimizer, read: Read) -> str:
    """Why the beta powers, which do tell something, confirm no count; "" where they tell nothing."""
    asked = [
        pair
        for pair in optimizer.powers
        if tells({role: float(read(key).reshape(-1)[0]) for role, key in pair.keys.items()})
    ]
    if not asked:
        return ""
    counts = [f"{pair.count} updates" if pair.count is not None else "no count" for pair in asked]
    keys = ", ".join(key for pair in asked for key in pair.keys.values())
    return (
        f"{keys} tell {' and '.join(dict.fromkeys(counts))} and nothing says whose they are"
        if (len(asked) > 1)
        else f"{keys} agree with that for no usual beta"
    )


def _why(state: SourceState, key: str) -> str:
    return state.step_reason if key == state.step else "the optimizer's own counter"


def _of_key(key: str, spec: TensorSpec, value: int) -> StepCount:
    transforms: tuple[Transform, ...] = () if spec.shape == () else (Reshape(()),)
    return StepCount((Source(key=key),), transforms, key, value, spec.dtype)


def _of_powers(optimizer: SourceOptimizer, read: Read) -> StepCount | None:
    """The count by the optimizer's own beta powers; by those in doubt, where all of them tell one count."""
    if not optimizer.scalars and optimizer.powers:
        return _of_doubted(optimizer.powers)
    power = trusted_power(optimizer, read)
    if power is None:
        return None
    sure = all(pair.sure for pair in optimizer.powers)
    return _steps(*power[:2], count_of(*power[1:]), sure)


def _of_doubted(pairs: Sequence[PowerPair]) -> StepCount | None:
    counts = {pair.count for pair in pairs}
    role = next((role for role in ("beta1_power", "beta2_power") if pairs[0].betas.get(role)), None)
    count = counts.pop() if len(counts) == 1 else None
    if count is None or role is None:
        return None
    sure = all(pair.sure for pair in pairs)
    return _steps(pairs[0].keys[role], as_float32(pairs[0].betas[role]), count, sure)


def _steps(key: str, beta: float, count: int, sure: bool) -> StepCount:
    reason = f"{key} = {beta:.6g}^(step + 1)"
    confidence = Confidence.CERTAIN if sure else Confidence.LIKELY
    transforms = (Steps(beta, 1, DType.INT64),)
    return StepCount((Source(key=key),), transforms, reason, count, confidence=confidence)
