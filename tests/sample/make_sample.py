"""Makes the sample checkpoint beside this file: a TF1 graph, trained with Adam, saved by a Saver.

Run with TensorFlow installed: `python tests/sample/make_sample.py`.
"""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow.compat.v1 as tf

STEPS = 100


def main() -> None:
    """Train two dense layers on a fixed random task and save them after STEPS steps."""
    random = np.random.default_rng(7)
    features = random.normal(size=(64, 4)).astype(np.float32)
    labels = features @ random.normal(size=(4, 2)).astype(np.float32)
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        y = tf.placeholder(tf.float32, [None, 2], name="y")
        with tf.variable_scope("hidden"):
            kernel = tf.get_variable("kernel", [4, 8])
            bias = tf.get_variable("bias", [8], initializer=tf.zeros_initializer())
        hidden = tf.nn.relu(x @ kernel + bias)
        with tf.variable_scope("output"):
            kernel = tf.get_variable("kernel", [8, 2])
            bias = tf.get_variable("bias", [2], initializer=tf.zeros_initializer())
        loss = tf.reduce_mean(tf.square(hidden @ kernel + bias - y))
        step = tf.train.get_or_create_global_step()
        train = tf.train.AdamOptimizer(0.01).minimize(loss, global_step=step)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(STEPS):
                session.run(train, {x: features, y: labels})
            saver = tf.train.Saver(save_relative_paths=True)
            saver.save(session, str(pathlib.Path(__file__).parent / "model.ckpt"), global_step=step)


if __name__ == "__main__":
    main()
