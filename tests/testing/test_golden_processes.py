"""Golden files where several processes run the tests."""

from __future__ import annotations

import pytest

from tests.testing.golden_project import FILES, outcomes


def test_processes_do_not_meet(project: pytest.Pytester) -> None:
    assert outcomes(project.runpytest_subprocess("--update-goldens", "-n", "2")) == {"passed": 4}
    assert sorted(path.name for path in (project.path / "goldens").iterdir()) == FILES
    assert outcomes(project.runpytest_subprocess("-n", "2")) == {"passed": 4}
