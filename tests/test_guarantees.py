"""The README's promises: each names the tests that hold it, and those exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parent.parent


def promises() -> list[tuple[str, list[str]]]:
    """Each promise of the README's table, and what holds it."""
    text = (ROOT / "README.md").read_text()
    section = text.partition("## What is promised\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [(row[0].strip(), re.findall(r"`(tests/[^`]+)`", row[1])) for row in rows[2:]]


def test_there_are_promises() -> None:
    assert len(promises()) >= 10


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[0][:40])
def test_each_is_held_by_tests_that_exist(promise: tuple[str, list[str]]) -> None:
    _, tests = promise
    assert tests
    for test in tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).exists(), path
        if function:
            assert f"def {function}(" in (ROOT / path).read_text(), test
        if (ROOT / path).is_dir():
            assert list((ROOT / path).glob("test_*.py")), path
