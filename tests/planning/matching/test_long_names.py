"""Names that no model has: the time of a proposal is bounded in their length."""

from __future__ import annotations

import time

import pytest

from migration.planning.matching.tokens import read_names

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("part", ["y ", "a/", "1/", "a_1/", "aB", "9", "."])
def test_a_name_of_64_kib_is_read_at_once(part: str) -> None:
    """It took the square of the length: minutes for a single name of many words."""
    started = time.process_time()
    read_names([part * (65536 // len(part)), "other"])
    assert time.process_time() - started < 1
