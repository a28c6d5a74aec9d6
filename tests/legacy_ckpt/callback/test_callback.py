"""CheckpointCallback in fit, with Keras 3 and with tf_keras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from legacy_ckpt import CheckpointCallback
from migration.errors import CheckpointNotFoundError, InputError

FLAVOURS = [pytest.param(keras, id="Keras 3"), pytest.param(tf_keras, id="tf_keras")]
INPUTS = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
TARGETS = INPUTS @ np.float32([[2.0], [-1.0]])


def _model(flavour: Any, built: bool = True) -> Any:
    flavour.utils.set_random_seed(7)
    layers = [flavour.layers.Input([2])] if built else []
    model = flavour.Sequential([*layers, flavour.layers.Dense(3, activation="tanh"), flavour.layers.Dense(1)])
    model.compile(optimizer=flavour.optimizers.Adam(0.05), loss="mse")
    return model


def _fit(model: Any, callbacks: list[Any], epochs: int = 3, **arguments: Any) -> Any:
    return model.fit(
        INPUTS,
        TARGETS,
        batch_size=4,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
        **arguments,
    )


def _names(directory: Path) -> list[str]:
    return sorted((each.stem for each in directory.glob("*.index")), key=lambda name: int(name.split("-")[1]))


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["ckpt-3", "ckpt-6", "ckpt-9"]),
        ({"every_epochs": 2}, ["ckpt-6"]),
        ({"every_steps": 4}, ["ckpt-4", "ckpt-8"]),
        ({"every_steps": 2, "max_to_keep": 2}, ["ckpt-6", "ckpt-8"]),
        ({"max_to_keep": 1, "checkpoint_name": "m.ckpt"}, ["m.ckpt-9"]),
    ],
    ids=str,
)
def test_how_often_and_how_many(flavour: Any, options: Any, expected: list[str], tmp_path: Path) -> None:
    callback = CheckpointCallback(tmp_path, **options)
    _fit(_model(flavour), [callback])
    assert _names(tmp_path) == expected
    assert callback.manager.latest_checkpoint == str(tmp_path / expected[-1])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_tf_train_checkpoint_reads_all_of_it(flavour: Any, tmp_path: Path) -> None:
    model = _model(flavour)
    _fit(model, [CheckpointCallback(tmp_path)])
    other = _model(flavour)
    _fit(other, [], epochs=1)
    latest = tf.train.latest_checkpoint(tmp_path)
    tf.train.Checkpoint(model=other).restore(latest).assert_existing_objects_matched().assert_consumed()
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert int(other.optimizer.iterations) == 9


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("mode", ["auto", "max"])
def test_the_best_is_kept_beside_the_newest(flavour: Any, mode: Any, tmp_path: Path) -> None:
    callback = CheckpointCallback(tmp_path, monitor="val_loss", mode=mode, max_to_keep=1)
    model = _model(flavour)
    history = _fit(model, [callback], epochs=4, validation_data=(INPUTS[:4], TARGETS[:4] * 0 + 0.3))
    losses = history.history["val_loss"]
    best = (np.argmin if mode == "auto" else np.argmax)(losses)
    assert callback.manager.best_checkpoint == str(tmp_path / f"ckpt-{3 * (best + 1)}")
    assert set(_names(tmp_path)) == {f"ckpt-{3 * (best + 1)}", "ckpt-12"}
    assert callback.restore("best") == callback.manager.best_checkpoint
    assert model.evaluate(INPUTS[:4], TARGETS[:4] * 0 + 0.3, verbose=0) == pytest.approx(losses[best])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_training_resumes_without_a_seam(flavour: Any, tmp_path: Path) -> None:
    whole = _fit(_model(flavour), [], epochs=4).history["loss"]
    first = _fit(_model(flavour), [CheckpointCallback(tmp_path)], epochs=2).history["loss"]
    callback = CheckpointCallback(tmp_path, resume=True)
    assert callback.initial_epoch == 2
    second = _fit(_model(flavour), [callback], epochs=4, initial_epoch=callback.initial_epoch).history["loss"]
    np.testing.assert_allclose(first + second, whole, rtol=1e-5)
    assert _names(tmp_path) == ["ckpt-3", "ckpt-6", "ckpt-9", "ckpt-12"]


def test_a_checkpoint_of_ones_own(tmp_path: Path) -> None:
    model, step = _model(keras), tf.Variable(5)
    _fit(model, [CheckpointCallback(tmp_path, tf.train.Checkpoint(net=model, step=step))], epochs=1)
    names = [name for name, _ in tf.train.list_variables(tf.train.latest_checkpoint(tmp_path))]
    assert "step/.ATTRIBUTES/VARIABLE_VALUE" in names


def test_nothing_to_resume_is_no_error(tmp_path: Path) -> None:
    callback = CheckpointCallback(tmp_path / "new", resume=True)
    assert callback.initial_epoch == 0
    _fit(_model(keras), [callback], epochs=1)
    assert _names(tmp_path / "new") == ["ckpt-3"]


def test_evaluate_and_predict_take_it_too(tmp_path: Path) -> None:
    callback = CheckpointCallback(tmp_path)
    for flavour in (keras, tf_keras):
        _model(flavour).evaluate(INPUTS, TARGETS, verbose=0, callbacks=[callback])
        _model(flavour).predict(INPUTS, verbose=0, callbacks=[callback])
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: CheckpointCallback(path / "cp-{epoch:04d}.ckpt"), r"\{epoch:04d\} is never filled in"),
        (
            lambda path: CheckpointCallback(path, checkpoint_name="ckpt_{epoch}"),
            r"\{epoch\} is never filled in",
        ),
        (lambda path: CheckpointCallback(path, every_epochs=1, every_steps=1), "choose one"),
        (lambda path: CheckpointCallback(path, every_steps=0), "1 or more"),
        (lambda path: CheckpointCallback(path).manager, "no model yet"),
    ],
)
def test_wrong_arguments_are_told(make: Callable[[Path], Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        make(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [{"mode": "sideways"}, {"max_to_keep": 0}, {"monitor": "loss", "keep_best": -1}],
    ids=str,
)
def test_values_that_there_are_not_are_told_before_the_training(arguments: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=next(reversed(arguments))):
        CheckpointCallback(tmp_path, **arguments)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_model_that_is_not_built(flavour: Any, tmp_path: Path) -> None:
    _fit(_model(flavour), [CheckpointCallback(tmp_path)], epochs=1)
    model = _model(flavour, built=False)
    with pytest.raises(InputError, match=r"is not built: .* call model.build\(input_shape\)"):
        _fit(
            model, [CheckpointCallback(tmp_path, resume=True)], epochs=1
        ) if flavour is tf_keras else _restore(model, tmp_path)


def _restore(model: Any, directory: Path) -> None:
    callback = CheckpointCallback(directory)
    callback.set_model(model)
    callback.restore()


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("units", [(3, 1, 1), (5, 1)], ids=["one layer more", "other shapes"])
def test_a_model_that_differs(flavour: Any, units: tuple[int, ...], tmp_path: Path) -> None:
    _fit(_model(flavour), [CheckpointCallback(tmp_path)], epochs=1)
    other = flavour.Sequential([flavour.layers.Input([2]), *map(flavour.layers.Dense, units)])
    other.compile(optimizer="adam", loss="mse")
    with pytest.raises(AssertionError):
        _restore(other, tmp_path)


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    callback = CheckpointCallback(tmp_path)
    _fit(_model(keras), [callback], epochs=2)
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint 5; it has ckpt-3, ckpt-6"):
        callback.restore(5)


def test_a_monitor_that_is_no_metric_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="tensorflow"):
        _fit(_model(keras), [CheckpointCallback(tmp_path, monitor="val_accuracy")], epochs=1)
    assert "monitor='val_accuracy' is not among the metrics here (loss)" in caplog.text
