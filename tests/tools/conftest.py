"""What the tests of the tools share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundles import write_bundle
from tests.tools.running import Tools

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "dense/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "dense/bias": np.array([1.5, -2.0, np.nan, np.inf], np.float32),
    "emb/table": np.arange(30, dtype=np.float64).reshape(10, 3),
    "global_step": np.array(1000, np.int64),
    "words": np.array([b"one", b"\xff\x00"], object),
}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tools:
    """Runs a tool by the name of its command."""
    return Tools(monkeypatch, capsys)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """The prefix of a name-based checkpoint: two shards, one tensor in three parts, one of strings."""
    (tmp_path / "old").mkdir()
    return write_bundle(tmp_path / "old" / "model.ckpt-1000", ARRAYS, parts={"emb/table": 3}, num_shards=2)
