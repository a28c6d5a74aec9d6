"""The project of `golden_project`, in a folder of its own."""

from __future__ import annotations

import pytest

from tests.testing.golden_project import TEST
from tests.testing.scene import write


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with two checkpoints and tests of them."""
    pytester.makepyfile(test_model=TEST)
    write(pytester.path / "model")
    write(pytester.path / "other", net__bias=None)
    return pytester
