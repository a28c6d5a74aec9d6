"""What every test may use: quiet TensorFlow, hypothesis' profile, and the corpus of real checkpoints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("pytester",)  # for the tests of the pytest plugin

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the first import of TensorFlow

# Times vary with the load of the machine, so no example has a deadline; a CI run can be repeated exactly.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real checkpoints: $CKPT_CORPUS, or ../shared/corpus beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("CKPT_CORPUS", beside))
    if not (folder / "catalog.json").is_file():
        pytest.skip(f"no corpus of real checkpoints at {folder}: set CKPT_CORPUS to have these tests run")
    return folder
