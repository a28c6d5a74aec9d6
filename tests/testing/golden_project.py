"""A project whose tests use the fixture `golden_checkpoint`."""

from __future__ import annotations

import pytest

TEST = """
    import pathlib
    import pytest

    FOLDER = pathlib.Path(__file__).parent

    def test_one(golden_checkpoint):
        golden_checkpoint.check(FOLDER / "model")

    @pytest.mark.parametrize("which", ["a/b", "c"])
    def test_two(golden_checkpoint, which):
        golden_checkpoint.check(FOLDER / "model")
        golden_checkpoint.check(str(FOLDER / "other"), "other")

    class TestMethods:
        def test_one(self, golden_checkpoint):
            golden_checkpoint.check(FOLDER / "other")
"""
FILES = [
    "test_model.TestMethods.test_one.json",
    "test_model.test_one.json",
    "test_model.test_two[a_b]-67b8908e-other.json",
    "test_model.test_two[a_b]-67b8908e.json",
    "test_model.test_two[c]-other.json",
    "test_model.test_two[c].json",
]


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    return {kind: number for kind, number in result.parseoutcomes().items() if kind in ("passed", "failed")}
