"""What widespread snippets get wrong: each gives a clear error, or does what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_ckpt
from legacy_ckpt.objects import NotBuiltError
from migration.errors import CheckpointNotFoundError, InputError, UnmappedError

v1 = tf.compat.v1


def _model(units: int = 10) -> Any:
    layers = [keras.layers.Input([10]), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints train-1 and train-2 of a model: `checkpoint.save("./ckpt/train")`, twice."""
    folder = tmp_path_factory.mktemp("ckpt")
    checkpoint = tf.train.Checkpoint(model=_model())
    for _ in range(2):
        checkpoint.save(str(folder / "train"))
    return folder


def test_a_prefix_without_its_number(directory: Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match=r"the nearest that exist: .*train-1, .*train-2"):
        legacy_ckpt.restore(tf.train.Checkpoint(model=_model()), directory / "train")


def test_a_prefix_without_its_number_in_a_saver(directory: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [1])
        saver = legacy_ckpt.Saver()
        session.run(v1.global_variables_initializer())
        with pytest.raises((ValueError, tf.errors.NotFoundError), match="train-2"):
            saver.restore(session, str(directory / "train"))


def test_latest_checkpoint_of_a_prefix_and_then_none(directory: Path) -> None:
    assert tf.train.latest_checkpoint(str(directory / "train")) is None
    assert legacy_ckpt.latest_checkpoint(directory / "train") == str(directory / "train-2")
    assert legacy_ckpt.latest_checkpoint(directory) == str(directory / "train-2")


def test_restore_none(tmp_path: Path) -> None:
    checkpoint = tf.train.Checkpoint(model=_model())
    with pytest.raises(
        InputError, match="path is None: there is no checkpoint to restore, and nothing was changed"
    ):
        legacy_ckpt.restore(checkpoint, legacy_ckpt.latest_checkpoint(tmp_path))
    with pytest.raises(CheckpointNotFoundError, match="it has no checkpoint at all"):
        legacy_ckpt.CheckpointManager(checkpoint, tmp_path, 3).restore()
    with pytest.raises(InputError, match="None is none: say 'latest'"):
        legacy_ckpt.CheckpointManager(checkpoint, tmp_path, 3).restore(None)  # type: ignore[arg-type]
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [1])
        with pytest.raises(ValueError, match="None"):
            legacy_ckpt.Saver().restore(session, None)


def test_an_epoch_that_was_never_formatted(directory: Path, tmp_path: Path) -> None:
    assert legacy_ckpt.latest_checkpoint(directory / "train-{epoch}") == str(directory / "train-2")
    with pytest.raises(CheckpointNotFoundError, match="train-2"):
        legacy_ckpt.restore(tf.train.Checkpoint(model=_model()), directory / "train-{epoch}")
    with pytest.raises(InputError, match=r"\{epoch\} is never filled in"):
        legacy_ckpt.CheckpointCallback(tmp_path, checkpoint_name="ckpt_{epoch}")


def test_an_epoch_in_a_managers_directory(tmp_path: Path) -> None:
    pattern = tmp_path / "cp-{epoch:04d}.ckpt"
    with pytest.raises(ValueError, match=r"\{epoch:04d\} is never filled in.*give the directory alone"):
        legacy_ckpt.CheckpointManager(tf.train.Checkpoint(model=_model()), pattern, max_to_keep=5)
    with pytest.raises(InputError, match=r"\{epoch:04d\} is never filled in"):
        legacy_ckpt.CheckpointCallback(pattern)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_built_yet(directory: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(10, activation="relu"), keras.layers.Dense(1)])
    with pytest.raises(NotBuiltError, match=r"call model.build\(input_shape\)"):
        legacy_ckpt.restore(tf.train.Checkpoint(model=model), directory)
    model.build([None, 10])
    legacy_ckpt.restore(tf.train.Checkpoint(model=model), directory).assert_consumed()


def test_a_model_that_differs(directory: Path) -> None:
    model = _model(units=11)
    before = model.get_weights()
    with pytest.raises(UnmappedError, match=r"missing from the checkpoint(.|\n)*float32\[10, 11\]"):
        legacy_ckpt.restore(tf.train.Checkpoint(model=model), directory)
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_new_model_restored_through_the_old_checkpoint_object(directory: Path) -> None:
    """The snippet restores `checkpoint` and looks at `new_model`: the report says where the values went."""
    model = _model()
    report = legacy_ckpt.restore(tf.train.Checkpoint(model=model), directory)
    assert len(report.restored) == 5
    assert not report.unread


@pytest.mark.parametrize("name", ["m-{epoch}", "m-{epoch:04d}", "m-{val_loss:.2f}"])
def test_an_epoch_in_what_a_saver_or_a_manager_writes(tmp_path: Path, name: str) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [1])
        session.run(v1.global_variables_initializer())
        with pytest.raises(ValueError, match="is never filled in"):
            legacy_ckpt.Saver().save(session, str(tmp_path / name))
    with pytest.raises(ValueError, match="is never filled in"):
        legacy_ckpt.CheckpointManager(tf.train.Checkpoint(), tmp_path, 3, checkpoint_name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_manager_restores_a_model_with_a_layer_more(tmp_path: Path) -> None:
    legacy_ckpt.CheckpointManager(tf.train.Checkpoint(model=_model()), tmp_path, 3).save()
    larger = keras.Sequential([*_model().layers, keras.layers.Dense(1)])
    larger.build([None, 10])
    manager = legacy_ckpt.CheckpointManager(tf.train.Checkpoint(model=larger), tmp_path, 3)
    with pytest.raises(InputError, match="nothing for some of the variables"):
        manager.restore_or_initialize()


def test_a_manager_restores_what_write_wrote(tmp_path: Path) -> None:
    """Without a save counter, which `write` leaves out: no fault."""
    model = _model()
    tf.train.Checkpoint(model=model).write(str(tmp_path / "ckpt-1"))
    manager = legacy_ckpt.CheckpointManager(tf.train.Checkpoint(model=_model()), tmp_path, 3)
    assert manager.restore(tmp_path / "ckpt-1") == str(tmp_path / "ckpt-1")
