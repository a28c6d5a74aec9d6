"""Training directories, and the fixture that runs tools."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.bundles import write_bundle
from tests.tools.conftest import tool

__all__ = ["run", "tool", "write_state", "write_step"]


def write_step(folder: Path, step: int, name: str = "model.ckpt") -> str:
    """One checkpoint of a training run, with Adam's slots, whose values tell its step."""
    arrays = {
        "dense/kernel": np.full((8, 4), step, np.float32),
        "dense/kernel/Adam": np.full((8, 4), step / 2, np.float32),
        "dense/kernel/Adam_1": np.full((8, 4), step / 4, np.float32),
        "beta1_power": np.array(0.9 ** (step + 1), np.float32),
        "beta2_power": np.array(0.999 ** (step + 1), np.float32),
        "global_step": np.array(step, np.int64),
    }
    prefix = write_bundle(folder / f"{name}-{step}", arrays)
    os.utime(f"{prefix}.index", (1_000_000 + step, 1_000_000 + step))
    return prefix


def write_state(folder: Path, steps: list[int], root: str = "/gone/run/", more: str = "") -> None:
    """A state file that lists these steps, the last as the latest, under paths that begin with `root`."""
    lines = [f'model_checkpoint_path: "{root}model.ckpt-{steps[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{root}model.ckpt-{step}"' for step in steps]
    (folder / "checkpoint").write_text("\n".join([*lines, more, ""]))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Six checkpoints, of which a stale state file lists the last three, and files of other kinds."""
    folder = tmp_path / "old"
    folder.mkdir()
    for step in (10, 20, 30, 40, 50, 100):
        write_step(folder, step)
    write_state(folder, [40, 50, 100])
    (folder / "events.out.tfevents.1").write_bytes(b"events")
    (folder / "graph.pbtxt").write_text("node {}")
    (folder / "eval").mkdir()
    return folder
