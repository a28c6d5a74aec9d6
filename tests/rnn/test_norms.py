"""Batch normalisation of tf.layers against Keras's, with and without gamma and beta on either side."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration import Checkpoint, execute, make_plan
from migration.planning.targets import Template

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tf_keras.src.legacy_tf_layers import normalization

v1 = tf.compat.v1
CHANNELS = 4


def saved(prefix: str, **arguments: Any) -> tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A checkpoint of two normalisations of an image in a row, some input, and what they make of it."""
    generator = np.random.default_rng(8)
    x = generator.normal(size=(3, 2, 2, CHANNELS)).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = v1.placeholder(tf.float32, x.shape)
        for _ in range(2):
            normalised = normalization.batch_normalization(image, training=False, **arguments)
        session.run(v1.global_variables_initializer())
        for one in v1.global_variables():
            session.run(one.assign(generator.uniform(0.5, 1.5, CHANNELS)))
        return v1.train.Saver().save(session, prefix), x, session.run(normalised, {image: x})


@pytest.mark.parametrize("library", [tf_keras, keras], ids=["tf_keras", "keras 3"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({}, {}),
        ({"fused": False}, {}),
        ({"scale": False}, {"scale": False}),
        ({"scale": False}, {}),
        ({"center": False}, {}),
        ({"scale": False, "center": False}, {}),
    ],
)
def test_inference_is_equal(source: Any, target: Any, library: Any, tmp_path: Path) -> None:
    prefix, x, expected = saved(str(tmp_path / "model.ckpt"), **source)
    model = library.Sequential(
        [
            library.layers.Input(x.shape[1:]),
            *(library.layers.BatchNormalization(**target) for _ in range(2)),
        ]
    )
    root = tf.train.Checkpoint(model=model)
    template = Template.of(root)
    plan = make_plan(prefix, template)
    assert (plan.unused, plan.unfilled) == ((), ())
    execute(plan, Checkpoint.open(prefix), str(tmp_path / "object"), template=template.checkpoint)
    root.restore(str(tmp_path / "object")).assert_consumed()
    second = model.layers[-1]
    np.testing.assert_allclose(np.asarray(second(x, training=False)), expected, atol=1e-6)


def test_a_gamma_without_a_place_is_told(tmp_path: Path) -> None:
    prefix, x, _ = saved(str(tmp_path / "model.ckpt"))
    model = keras.Sequential(
        [keras.layers.Input(x.shape[1:]), *(keras.layers.BatchNormalization(scale=False) for _ in range(2))]
    )
    plan = make_plan(prefix, tf.train.Checkpoint(model=model))
    assert sorted(left.key for left in plan.unused) == [
        "batch_normalization/gamma",
        "batch_normalization_1/gamma",
    ]
    assert sum("scale=True" in note for note in plan.notes) == 2
