"""What every test may use: quiet TensorFlow, hypothesis' profile, and the corpus of real checkpoints."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("pytester",)  # for the tests of the pytest plugin

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the first import of TensorFlow


class _WithoutTensorFlow(importlib.abc.MetaPathFinder):
    """Has the tests that import TensorFlow, or a Keras, skipped where there is none."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            pytest.skip(f"{name} is not installed: the extra [tensorflow] has it", allow_module_level=True)


if importlib.util.find_spec("tensorflow") is None:
    sys.meta_path.insert(0, _WithoutTensorFlow())

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
