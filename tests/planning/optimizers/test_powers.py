"""What two beta powers tell of the updates and the betas that made them."""

from __future__ import annotations

import numpy as np
import pytest

from migration.planning.optimizers.powers import solved

pytestmark = pytest.mark.quick
KEYS = {"beta1_power": "one", "beta2_power": "two"}


def trained(beta: float, updates: int) -> float:
    """A power as TF1's Adam leaves it: multiplied in float32, once an update."""
    power = np.float32(beta)
    for _ in range(updates):
        power = np.float32(power * np.float32(beta))
    return float(power)


ROWS = [
    (0.9, 0.999, 7, 7, 7, True),
    (0.5, 0.999, 7, 14, 7, True),  # a step variable that counts twice an update
    (0.9, 0.999, 7, 3, 7, True),  # 0.9^2 is a short decimal as well: 3 updates of 0.81 would fit the first
    (0.5, 0.9, 15, 6, 15, True),
    (0.5, 0.98, 100, None, 100, True),
    (0.9, 0.999, 5000, 5000, 5000, True),  # beta1's has underflowed
    (0.9, 0.999, 5000, 1000, 5000, False),
    (0.9, 1 - 1 / 256, 7, 7, 7, False),  # beta2 is no short decimal
    (0.8123456, 0.9876543, 7, 7, None, False),
]


@pytest.mark.parametrize(("beta1", "beta2", "updates", "step", "count", "sure"), ROWS)
def test_counts(
    beta1: float, beta2: float, updates: int, step: int | None, count: int | None, sure: bool
) -> None:
    values = {"beta1_power": trained(beta1, updates), "beta2_power": trained(beta2, updates)}
    pair = solved(KEYS, values, step)
    assert (pair.count, pair.sure) == (count, sure)
    if count is not None:
        assert pair.betas["beta2_power"] == pytest.approx(beta2, rel=1e-6)


def test_a_power_of_zero_is_of_a_beta_of_zero() -> None:
    pair = solved(KEYS, {"beta1_power": 0.0, "beta2_power": trained(0.9, 12)}, 12)
    assert pair.betas == {"beta1_power": 0.0, "beta2_power": 0.9}


def test_underflowed_powers_tell_nothing() -> None:
    pair = solved(KEYS, {"beta1_power": 6e-45, "beta2_power": 7e-43}, 100_000)
    assert pair.count is None
    assert not pair.betas
