"""Numbers that a person may give, and those that are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from migration.errors import InputError
from migration.planning.options import Options

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    "given",
    [
        {"step": -1},
        {"step": 1 << 63},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"learning_rate": -0.1},
        {"forget_bias": math.nan},
    ],
    ids=str,
)
def test_impossible_numbers_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        Options(**given)


def test_possible_numbers_are_taken() -> None:
    assert Options(step=0, learning_rate=0.0, forget_bias=-1.0).step == 0
