"""Scaffold, MonitoredTrainingSession, Supervisor: TensorFlow's graph to the letter, with our Saver."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tensorflow_itself

import legacy_ckpt
import legacy_ckpt.v1 as tf

stock = tensorflow_itself.compat.v1


def _model(value: float = 0.0) -> Any:
    """A variable, a table, the step; returns an op that counts on."""
    step = tf.train.get_or_create_global_step()
    weights = tf.get_variable("w", [2], initializer=tf.constant_initializer(value))
    tf.get_variable("counter", [], collections=[tf.GraphKeys.LOCAL_VARIABLES])
    tf.summary.scalar("sum", tf.reduce_sum(weights))
    return tf.group(tf.assign_add(step, 1), tf.assign_add(weights, [1.0, 2.0]))


def _scaffold(train: Any, directory: str) -> None:
    train.Scaffold().finalize()


def _scaffold_of_checkpoint(train: Any, directory: str) -> None:
    train.Scaffold(saver=tensorflow_itself.train.Checkpoint(w=tf.global_variables()[1])).finalize()


def _monitored(train: Any, directory: str) -> None:
    with train.MonitoredTrainingSession(checkpoint_dir=directory, save_checkpoint_steps=1) as session:
        session.run(tf.train.get_global_step())


def _supervisor(train: Any, directory: str) -> None:
    train.Supervisor(logdir=directory)


@pytest.mark.parametrize("drive", [_scaffold, _scaffold_of_checkpoint, _monitored, _supervisor])
def test_the_graph_is_the_one_that_tensorflow_builds(drive: Callable[..., None], tmp_path: Path) -> None:
    built = []
    for number, train in enumerate((stock.train, tf.train)):
        with tf.Graph().as_default() as graph:
            _model()
            drive(train, str(tmp_path / str(number)))
            collections = {name: len(graph.get_collection_ref(name)) for name in graph.collections}
            built.append(
                ([(op.name, op.type) for op in graph.get_operations()], collections, graph.finalized)
            )
    assert built[0] == built[1]


def _chief(directory: str) -> Any:
    return tf.train.MonitoredSession(tf.train.ChiefSessionCreator(checkpoint_dir=directory))


def _singular(directory: str) -> Any:
    return tf.train.SingularMonitoredSession(checkpoint_dir=directory)


def _training(directory: str) -> Any:
    return tf.train.MonitoredTrainingSession(checkpoint_dir=directory, save_checkpoint_steps=100)


def _supervised(directory: str) -> Any:
    return tf.train.Supervisor(logdir=directory, save_model_secs=0, save_summaries_secs=0).managed_session()


SESSIONS = pytest.mark.parametrize("make", [_chief, _singular, _training, _supervised])


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory trained elsewhere: its state file has absolute paths that are gone."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with tf.Graph().as_default():
        op = _model()
        with tf.train.MonitoredTrainingSession(
            checkpoint_dir=str(folder / "old"), save_checkpoint_steps=2
        ) as session:
            for _ in range(4):
                session.run(op)
    shutil.move(folder / "old", folder / "new")
    assert str(folder / "old") in (folder / "new" / "checkpoint").read_text()
    return folder / "new"


@SESSIONS
def test_our_saver_is_the_default_everywhere(make: Callable[[str], Any], tmp_path: Path) -> None:
    with tf.Graph().as_default():
        _model()
        with make(str(tmp_path)):
            savers = tf.get_collection(tf.GraphKeys.SAVERS)
    assert [type(each) for each in savers] == [legacy_ckpt.Saver]


@SESSIONS
def test_a_moved_directory_is_restored(make: Callable[[str], Any], moved: Path, tmp_path: Path) -> None:
    directory = shutil.copytree(moved, tmp_path / "copy")
    with tf.Graph().as_default():
        _model(value=-7.0)
        with make(str(directory)) as session:
            values = session.run(tf.global_variables()[1])
    np.testing.assert_array_equal(values, [4.0, 8.0])


def test_a_hook_without_a_saver_uses_the_scaffolds(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        op = _model()
        hook = tf.train.CheckpointSaverHook(str(tmp_path), save_steps=1)
        with tf.train.MonitoredSession(hooks=[hook]) as session:
            session.run(op)
        assert type(hook._get_saver()) is legacy_ckpt.Saver
    assert tf.train.latest_checkpoint(str(tmp_path)) == os.path.join(str(tmp_path), "model.ckpt-1")


def test_two_savers_in_the_collection_are_an_error() -> None:
    with tf.Graph().as_default():
        _model()
        for _ in range(2):
            tf.add_to_collection(tf.GraphKeys.SAVERS, tf.train.Saver())
        with pytest.raises(RuntimeError, match="More than one item in collection"):
            tf.train.Scaffold().finalize()


def test_a_worker_waits_for_the_chief_with_our_scaffold() -> None:
    with tf.Graph().as_default():
        tf.get_variable("w", [], collections=[tf.GraphKeys.LOCAL_VARIABLES])
        creator = tf.train.WorkerSessionCreator()
        with tf.train.MonitoredSession(creator) as session:
            assert session.run(tf.local_variables()[0]) is not None
        assert type(creator._scaffold) is tf.train.Scaffold
        assert type(creator._get_session_manager()) is tf.train.SessionManager
