"""A character model trained under TensorFlow 1.9: its own graph against Keras layers, with real weights."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from migration import Checkpoint, execute, make_plan
from migration.planning.targets import Template

v1 = tf.compat.v1
BATCH, TIME, CHARACTERS, UNITS = 50, 50, 97, 128  # as its graph was built


def test_text_predictor_predicts_the_same(corpus: Path, tmp_path: Path) -> None:
    prefix = str(corpus / "gsurma__text_predictor__lstm" / "model.ckpt-2000")
    ids = np.random.default_rng(1).integers(0, CHARACTERS, (BATCH, TIME))
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(prefix + ".meta", clear_devices=True).restore(session, prefix)
        expected = session.run("Softmax:0", {"Placeholder:0": ids}).reshape(BATCH, TIME, CHARACTERS)
    model = keras.Sequential(
        [
            keras.layers.Input((TIME,)),
            keras.layers.Embedding(CHARACTERS, UNITS),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.LSTM(UNITS, return_sequences=True),
            keras.layers.Dense(CHARACTERS, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    template = Template.of(root)
    source = Checkpoint.open(prefix)
    plan = make_plan(source, template)
    assert (plan.unused, plan.unfilled) == ((), ())
    execute(plan, source, str(tmp_path / "object"), template=template.checkpoint)
    root.restore(str(tmp_path / "object")).assert_consumed()
    np.testing.assert_allclose(np.asarray(model(ids)), expected, rtol=0, atol=1e-5)
    assert float(expected.max()) > 0.9  # it has learned something
