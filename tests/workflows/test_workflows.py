"""The reference workflows run as scripts, and do what they say."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def scripts_can_import_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they can when they are run from the command line."""
    monkeypatch.syspath_prepend(str(HERE))


def _run(name: str, workdir: Path) -> Any:
    return importlib.import_module(name).main(workdir)


def test_1_restored_in_a_fresh_process(tmp_path: Path) -> None:
    saved, restored, further = _run("w1_save_and_restore", tmp_path)
    assert restored == pytest.approx(saved, rel=1e-6)
    assert further < saved
    names = sorted(each.stem for each in (tmp_path / "run").glob("*.index"))
    assert names == ["model.ckpt-10", "model.ckpt-20", "model.ckpt-30", "model.ckpt-40"]


def test_2_migrated_and_consumed(tmp_path: Path) -> None:
    assert _run("w2_migrate", tmp_path) < 1e-5


def test_3_the_loss_curve_has_no_seam(tmp_path: Path) -> None:
    whole, resumed = _run("w3_resume_training", tmp_path)
    np.testing.assert_allclose(resumed, whole[20:], rtol=1e-4)
    assert whole[-1] < whole[20] < whole[0]


def test_4_the_manager_goes_on_with_the_right_numbers(tmp_path: Path) -> None:
    names = ["model.ckpt-30", "ckpt-31", "ckpt-32"]
    assert _run("w4_checkpoint_manager", tmp_path) == names
    assert {each.stem for each in (tmp_path / "new").glob("*.index")} == set(names)


def test_5_newest_and_best_over_two_runs(tmp_path: Path) -> None:
    manager = _run("w5_checkpoints_during_fit", tmp_path).manager
    assert [Path(path).name for path in manager.checkpoints] == ["ckpt-21", "ckpt-24"]
    assert manager.best_checkpoint is not None
    assert manager.metrics[manager.latest_checkpoint]["epochs"] == 8


def test_6_back_to_a_step_and_to_the_best(tmp_path: Path) -> None:
    reached = _run("w6_going_back", tmp_path)
    assert {name: step for name, (step, _) in reached.items()} == {"latest": 6, "step 4": 4, "best": 2}
    assert reached["latest"][1] < reached["step 4"][1] < reached["best"][1]


def test_7_one_file_of_paths(tmp_path: Path) -> None:
    by_config, by_flagfile = _run("w7_paths_in_one_place", tmp_path)
    assert Path(by_config).parent == tmp_path / "moved" / "new"
    assert Path(by_flagfile).parent == tmp_path / "moved" / "again"
    assert Path(by_config).name == Path(by_flagfile).name


def test_a_workflow_is_a_script(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "w6_going_back.py"), f"--workdir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"best {tmp_path}/run/model.ckpt-2" in done.stdout
