"""TensorFlow goes on in a migrated directory: the manager restores, counts on and keeps what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from migration.model_dir import migrate_directory


def objects() -> tuple[Any, tf.Variable]:
    """The checkpoint of the new code, and its one trainable variable."""
    kernel = tf.Variable(tf.zeros((8, 4)))
    step = tf.Variable(0, dtype=tf.int64)
    return tf.train.Checkpoint(dense=tf.train.Checkpoint(kernel=kernel), global_step=step), kernel


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("only", [None, "latest"])
def test_a_manager_goes_on(run: Path, tmp_path: Path, only: str | None) -> None:
    out = tmp_path / "new"
    migrate_directory(run, out, only=only)
    (out / "notes.txt").write_text("mine")
    assert tf.train.latest_checkpoint(out) == str(out / "model.ckpt-100")
    checkpoint, kernel = objects()
    manager = tf.train.CheckpointManager(checkpoint, out, max_to_keep=3)
    steps = (40, 50, 100) if only is None else (100,)
    assert manager.checkpoints == [f"{out}/model.ckpt-{step}" for step in steps]
    assert manager.restore_or_initialize() == f"{out}/model.ckpt-100"
    assert kernel.numpy()[0, 0] == 100
    assert checkpoint.global_step.numpy() == 100
    before = names(out)
    assert manager.save() == f"{out}/ckpt-101"
    assert manager.save() == f"{out}/ckpt-102"
    gone = {name for step in (40, 50) for name in before if name.startswith(f"model.ckpt-{step}.")}
    assert before - names(out) == gone  # neither what the state file had forgotten, nor what is no checkpoint
    assert migrate_directory(run, out, only="100").is_unchanged
    assert tf.train.latest_checkpoint(out) == f"{out}/ckpt-102"


def test_the_directory_may_move(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    (tmp_path / "new").rename(tmp_path / "moved")
    assert tf.train.latest_checkpoint(tmp_path / "moved") == str(tmp_path / "moved" / "model.ckpt-100")
    assert all(
        tf.train.load_checkpoint(path)
        for path in tf.train.get_checkpoint_state(str(tmp_path / "moved")).all_model_checkpoint_paths
    )


def test_back_in_names_the_old_saver_goes_on(run: Path, tmp_path: Path) -> None:
    migrate_directory(run, tmp_path / "new")
    migrate_directory(tmp_path / "new", tmp_path / "back", to="name")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        kernel = v1.get_variable("dense/kernel", (8, 4))
        saver = v1.train.Saver()
        state = v1.train.get_checkpoint_state(str(tmp_path / "back"))
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        saver.restore(session, v1.train.latest_checkpoint(str(tmp_path / "back")))
        assert session.run(kernel)[0, 0] == 100
        assert len(saver.last_checkpoints) == 3
