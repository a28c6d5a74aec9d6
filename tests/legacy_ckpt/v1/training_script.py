"""A training script as they were written for TensorFlow 1: queues, feed_dict, averages, schedules, hooks."""

# ruff: noqa: B905, UP031  (as it was written)

import os

import numpy as np
import tensorflow as tf

flags = tf.app.flags
flags.DEFINE_string("train_dir", None, "Where checkpoints and summaries go.")
flags.DEFINE_integer("max_steps", 200, "Train up to this global step.")
flags.DEFINE_integer("save_steps", 10, "Steps between two checkpoints.")
flags.DEFINE_integer("batch_size", 16, "Examples in a batch.")
flags.DEFINE_float("learning_rate", 0.05, "At the start.")
FLAGS = flags.FLAGS

CLASSES = 4
WORDS = 24
LENGTH = 6
EMBEDDING = 8


def examples(count, seed):
    """Sequences of words; the class is the quarter of the vocabulary that most words come from."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, CLASSES, size=count)
    words = labels[:, np.newaxis] * (WORDS // CLASSES) + random.randint(
        0, WORDS // CLASSES, size=(count, LENGTH)
    )
    noise = random.randint(0, WORDS, size=(count, LENGTH))
    words = np.where(random.uniform(size=(count, LENGTH)) < 0.2, noise, words)
    return words.astype(np.int32), labels.astype(np.int32)


def input_pipeline():
    words, labels = examples(400, seed=1)
    one_words, one_label = tf.train.slice_input_producer(
        [tf.constant(words), tf.constant(labels)], shuffle=True, seed=3, capacity=64
    )
    return tf.train.batch([one_words, one_label], batch_size=FLAGS.batch_size, num_threads=1, capacity=128)


def dense(inputs, units, name, activation=None):
    with tf.variable_scope(name):
        weights = tf.get_variable(
            "weights",
            [inputs.get_shape()[-1], units],
            initializer=tf.truncated_normal_initializer(stddev=0.3, seed=5),
            regularizer=lambda w: 1e-4 * tf.nn.l2_loss(w),
        )
        biases = tf.get_variable("biases", [units], initializer=tf.zeros_initializer())
        outputs = tf.nn.xw_plus_b(inputs, weights, biases)
        tf.summary.histogram("weights", weights)
        return outputs if activation is None else activation(outputs)


def normalize(inputs, training, name, decay=0.9):
    with tf.variable_scope(name):
        size = [inputs.get_shape()[-1]]
        gamma = tf.get_variable("gamma", size, initializer=tf.ones_initializer())
        beta = tf.get_variable("beta", size, initializer=tf.zeros_initializer())
        moving_mean = tf.get_variable(
            "moving_mean", size, initializer=tf.zeros_initializer(), trainable=False
        )
        moving_variance = tf.get_variable(
            "moving_variance", size, initializer=tf.ones_initializer(), trainable=False
        )
        mean, variance = tf.nn.moments(inputs, [0])
        tf.add_to_collection(
            tf.GraphKeys.UPDATE_OPS, tf.assign_sub(moving_mean, (1 - decay) * (moving_mean - mean))
        )
        tf.add_to_collection(
            tf.GraphKeys.UPDATE_OPS,
            tf.assign_sub(moving_variance, (1 - decay) * (moving_variance - variance)),
        )
        mean, variance = tf.cond(training, lambda: (mean, variance), lambda: (moving_mean, moving_variance))
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-3)


def inference(words, keep_prob, training):
    embedding = tf.get_variable(
        "embedding",
        [WORDS, EMBEDDING],
        initializer=tf.random_uniform_initializer(-0.5, 0.5, seed=7),
        partitioner=tf.fixed_size_partitioner(2),
    )
    net = tf.reduce_mean(tf.nn.embedding_lookup(embedding, words, partition_strategy="div"), axis=1)
    net = dense(net, 16, "hidden", tf.nn.relu)
    net = normalize(net, training, "norm")
    net = tf.nn.dropout(net, keep_prob=keep_prob, seed=11)
    return dense(net, CLASSES, "logits")


def training_op(loss, global_step):
    learning_rate = tf.train.exponential_decay(FLAGS.learning_rate, global_step, 50, 0.7, staircase=True)
    tf.summary.scalar("learning_rate", learning_rate)
    optimizer = tf.train.AdamOptimizer(learning_rate)
    gradients, variables = zip(*optimizer.compute_gradients(loss))
    gradients, norm = tf.clip_by_global_norm(gradients, 5.0)
    tf.summary.scalar("gradient_norm", norm)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        apply_op = optimizer.apply_gradients(zip(gradients, variables), global_step=global_step)
    averages = tf.train.ExponentialMovingAverage(0.95, global_step)
    with tf.control_dependencies([apply_op]):
        return averages.apply(tf.trainable_variables()), learning_rate


class ReportHook(tf.train.SessionRunHook):
    def __init__(self, loss, learning_rate):
        self._fetches = {"loss": loss, "learning_rate": learning_rate}

    def begin(self):
        self._fetches["step"] = tf.train.get_global_step()

    def after_create_session(self, session, coord):
        print("start %d" % session.run(self._fetches["step"]), flush=True)

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        print("step %(step)d loss %(loss).4f rate %(learning_rate).5f" % run_values.results, flush=True)


class SavedListener(tf.train.CheckpointSaverListener):
    def after_save(self, session, global_step_value):
        print("saved %d" % global_step_value, flush=True)


def main(_):
    tf.set_random_seed(13)
    with tf.Graph().as_default():
        global_step = tf.train.get_or_create_global_step()
        batch_words, batch_labels = input_pipeline()
        keep_prob = tf.placeholder_with_default(1.0, [], name="keep_prob")
        training = tf.placeholder_with_default(False, [], name="training")
        logits = inference(batch_words, keep_prob, training)
        tf.losses.sparse_softmax_cross_entropy(labels=batch_labels, logits=logits)
        loss = tf.losses.get_total_loss()
        tf.summary.scalar("loss", loss)
        accuracy = tf.reduce_mean(tf.to_float(tf.nn.in_top_k(logits, batch_labels, 1)))
        tf.summary.scalar("accuracy", accuracy)
        train_op, learning_rate = training_op(loss, global_step)
        saver = tf.train.Saver(max_to_keep=3, keep_checkpoint_every_n_hours=1)
        saver_hook = tf.train.CheckpointSaverHook(
            FLAGS.train_dir, save_steps=FLAGS.save_steps, saver=saver, listeners=[SavedListener()]
        )
        with tf.train.MonitoredTrainingSession(
            checkpoint_dir=FLAGS.train_dir,
            scaffold=tf.train.Scaffold(saver=saver),
            hooks=[
                tf.train.StopAtStepHook(last_step=FLAGS.max_steps),
                tf.train.NanTensorHook(loss),
                ReportHook(loss, learning_rate),
            ],
            chief_only_hooks=[saver_hook],
            save_checkpoint_secs=None,
            save_checkpoint_steps=None,
            save_summaries_steps=20,
        ) as session:
            while not session.should_stop():
                session.run(train_op, feed_dict={keep_prob: 0.9, training: True})
    print("done %s" % os.path.basename(tf.train.latest_checkpoint(FLAGS.train_dir)), flush=True)


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf.app.run()
