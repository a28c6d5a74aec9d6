"""What Adam's beta powers tell together: how many updates there were, and with which betas.

After t updates a power holds beta^(t+1) (adam.py), so powers alone tell neither t nor the betas. But betas
are short decimals: for a count that something else suggests, the roots of both powers are looked at, and a
count for which both are short is taken.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping

from migration.planning.optimizers.state import PowerPair

SMALLEST_NORMAL = 1.1754943508222875e-38  # float32; below it a power no longer tells its exponent
_USUAL = (("beta2_power", (0.999, 0.9999, 0.99, 0.98, 0.997, 0.95, 0.9)), ("beta1_power", (0.9, 0.5, 0.95)))
_MOST_COUNTED = 100_000
_FEW = 30  # updates after which only a beta of 0 has a power of 0


def as_float32(value: float) -> float:
    """`value` as float32 holds it."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def solved(keys: Mapping[str, str], values: Mapping[str, float], step: int | None) -> PowerPair:
    """The count and the betas that the powers of one Adam tell; `keys` and `values` go by role.

    `step`, the count that a step variable suggests, is tried first. The pair's count is None where no
    count makes short decimals of the roots, and not sure where only one of the powers could be asked.
    """
    normal = [role for role, value in values.items() if tells({role: value})]
    for count in dict.fromkeys(_suggested(values, step)):
        digits = 5 if count == step else 3
        betas = {role: _root(value, count, digits) for role, value in values.items()}
        told = {role: beta for role, beta in betas.items() if beta is not None}
        if normal and all(role in told for role in normal):
            return PowerPair(keys=keys, count=count, betas=told, sure=count == step or len(normal) > 1)
    first = _root(values.get("beta1_power", 0.0), step, 2) if step is not None else None
    if step is not None and first is not None and first >= 0.5:
        roots = {role: values[role] ** (1 / (step + 1)) for role in normal}  # one of them no short decimal
        return PowerPair(keys=keys, count=step, betas=roots | {"beta1_power": first}, sure=False)
    return PowerPair(keys=keys, sure=not normal)


def tells(values: Mapping[str, float]) -> bool:
    """Whether any of the powers still depends on the count."""
    return any(SMALLEST_NORMAL <= value < 1 for value in values.values())


def _suggested(values: Mapping[str, float], step: int | None) -> Iterator[int]:
    if step is not None:
        yield step
    for role, betas in _USUAL:
        value = values.get(role, 0.0)
        for beta in betas if tells({role: value}) else ():
            yield round(math.log(value) / math.log(beta)) - 1


def _root(value: float, count: int, most: int) -> float | None:
    """The decimal of at most `most` digits whose power, multiplied step by step in float32, is `value`."""
    if value == 0 and 0 <= count <= _FEW:
        return 0.0
    if not tells({"": value}) or not 0 <= count <= _MOST_COUNTED:
        return None
    root = value ** (1 / (count + 1))
    for digits in range(1, most + 1):
        short = float(f"{root:.{digits}g}")
        if 0 < short < 1 and abs(as_float32(short) ** (count + 1) - value) <= value * 1e-7 * (count + 2):
            return short
    return None
