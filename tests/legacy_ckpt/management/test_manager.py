"""CheckpointManager for Savers: TensorFlow's manager move for move, and what it adds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt import CheckpointManager
from legacy_ckpt.management import manager as manager_module
from legacy_ckpt.management import record, shelf
from legacy_ckpt.saver import Saver
from migration.errors import CheckpointNotFoundError, InputError

v1 = tf.compat.v1


class Training:
    """A graph with a variable, its session and a Saver."""

    def __init__(self, **options: Any) -> None:
        self.graph = v1.Graph()
        with self.graph.as_default():
            self.value = v1.get_variable("v", [], initializer=v1.zeros_initializer())
            self.step = v1.train.get_or_create_global_step()
            self._slot = v1.placeholder(tf.float32, [])
            self._assign = v1.assign(self.value, self._slot)
            self.step_slot = v1.placeholder(tf.int64, [])
            self._set_step = v1.assign(self.step, self.step_slot)
            self.saver = Saver(**options)
            self.session = v1.Session(graph=self.graph)
            self.session.run(v1.global_variables_initializer())

    def set(self, value: float) -> None:
        self.session.run(self._assign, {self._slot: value})

    def at(self, step: int) -> None:
        self.session.run(self._set_step, {self.step_slot: step})

    def get(self) -> float:
        return float(self.session.run(self.value))


@pytest.fixture(scope="module")
def shared() -> Training:
    return Training()


@pytest.fixture
def training(shared: Training) -> Iterator[Training]:
    shared.set(0.0)
    shared.at(0)
    with shared.graph.as_default(), shared.session.as_default():
        yield shared


def _files(directory: Path) -> list[str]:
    return sorted(each.name.removesuffix(".index") for each in directory.glob("*.index"))


# TensorFlow's manager, move for move ---------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


MOVES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("newest two", {"max_to_keep": 2}, [{}] * 5),
    ("all", {"max_to_keep": None}, [{}] * 3),
    ("own numbers", {"max_to_keep": 2}, [{"checkpoint_number": number} for number in (10, 20, 20, 5)]),
    ("every three hours", {"max_to_keep": 2, "keep_checkpoint_every_n_hours": 3}, [{"hours": 1}] * 12),
    ("name", {"max_to_keep": 1, "checkpoint_name": "m.ckpt"}, [{}] * 2),
]


@pytest.mark.parametrize(("options", "moves"), [each[1:] for each in MOVES], ids=[each[0] for each in MOVES])
def test_what_is_kept_and_listed_is_what_tensorflows_keeps(
    options: dict[str, Any], moves: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorflow.python.checkpoint import checkpoint_management

    clock = Clock()
    for module in (checkpoint_management.time, shelf.time, manager_module.time):
        monkeypatch.setattr(module, "time", clock.time)
    value = tf.Variable(1.0)
    ours = CheckpointManager(Saver({"v": value}), tmp_path / "ours", **options)
    theirs = tf.train.CheckpointManager(tf.train.Checkpoint(v=value), str(tmp_path / "theirs"), **options)
    for move in moves:
        clock.now += 3600 * move.get("hours", 0) + 1
        arguments = {name: number for name, number in move.items() if name != "hours"}
        names = [Path(each.save(**arguments)).name for each in (ours, theirs)]
        assert names[0] == names[1]
        assert _relative(ours.checkpoints) == _relative(theirs.checkpoints)
        assert _relative([ours.latest_checkpoint]) == _relative([theirs.latest_checkpoint])
        assert _files(tmp_path / "ours") == _files(tmp_path / "theirs")
        states = [(tmp_path / name / "checkpoint").read_text() for name in ("ours", "theirs")]
        assert states[0] == states[1]


def _relative(paths: Any) -> list[str]:
    return [Path(each).name for each in paths]


@pytest.mark.parametrize(
    ("interval", "steps"), [(5, [0, 3, 5, 5, 9, 10, 11]), (1, [1, 1, 2])], ids=["five", "each"]
)
def test_the_interval_is_tensorflows(interval: int, steps: list[int], tmp_path: Path) -> None:
    step, value = tf.Variable(0, dtype=tf.int64), tf.Variable(1.0)
    options: dict[str, Any] = {"max_to_keep": None, "step_counter": step, "checkpoint_interval": interval}
    ours = CheckpointManager(Saver({"v": value}), tmp_path / "ours", **options)
    theirs = tf.train.CheckpointManager(tf.train.Checkpoint(v=value), str(tmp_path / "theirs"), **options)
    for number in steps:
        step.assign(number)
        for check in (True, False):
            saved = [each.save(check_interval=check) is None for each in (ours, theirs)]
            assert saved[0] == saved[1], (number, check)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"max_to_keep": 0}, "Expected a positive integer or `None` for `max_to_keep`, got 0"),
        ({"max_to_keep": -1}, "Expected a positive integer"),
        ({"max_to_keep": 1, "checkpoint_interval": 2}, "`step_counter` should be passed"),
    ],
)
def test_wrong_arguments_are_wrong_for_both(
    training: Training, arguments: Any, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told):
        CheckpointManager(training.saver, tmp_path, **arguments)
    with pytest.raises(ValueError, match=told):
        tf.train.CheckpointManager(tf.train.Checkpoint(), str(tmp_path), **arguments)


def test_a_number_of_best_ones_that_cannot_be(training: Training, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_best is 0 or more, not -1"):
        CheckpointManager(training.saver, tmp_path, 1, best_metric="loss", keep_best=-1)


def test_a_number_to_keep_that_is_a_float(tmp_path: Path) -> None:
    value = tf.Variable(1.0)
    for made in (
        CheckpointManager(Saver({"v": value}), tmp_path / "ours", 2.0),
        tf.train.CheckpointManager(tf.train.Checkpoint(v=value), str(tmp_path / "theirs"), 2.0),
    ):
        for _ in range(4):
            made.save()
        assert [Path(each).name for each in made.checkpoints] == ["ckpt-3", "ckpt-4"]


def test_tensorflows_manager_goes_on_where_ours_stopped(tmp_path: Path) -> None:
    value = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(v=value)
    ours = CheckpointManager(checkpoint, tmp_path, 3)
    for _ in range(4):
        ours.save()
    theirs = tf.train.CheckpointManager(tf.train.Checkpoint(v=value), str(tmp_path), 3)
    assert theirs.checkpoints == ours.checkpoints
    assert theirs.restore_or_initialize() == ours.latest_checkpoint
    assert Path(theirs.save()).name == "ckpt-5"
    again = CheckpointManager(checkpoint, tmp_path, 3)
    assert again.checkpoints == theirs.checkpoints
    assert again.restore_or_initialize() == theirs.latest_checkpoint
    assert Path(str(again.save())).name == "ckpt-6"


# Sessions, restoring ---------------------------------------------------------------------------------


def test_save_and_go_back(training: Training, tmp_path: Path) -> None:
    manager = CheckpointManager(training.saver, tmp_path, 3, session=training.session)
    for number in (1, 2, 3):
        training.set(float(number))
        manager.save()
    for which, value in (
        ("latest", 3.0),
        (1, 1.0),
        ("ckpt-2", 2.0),
        (tmp_path / "ckpt-1", 1.0),
        (np.int64(3), 3.0),
    ):
        assert Path(manager.restore(which)).exists() is False  # a prefix, not a file
        assert training.get() == value
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint 9; it has ckpt-1, ckpt-2, ckpt-3"):
        manager.restore(9)
    assert training.get() == 3.0
    manager.restore(1)
    assert Path(str(manager.save())).name == "ckpt-4"


def test_the_default_session_or_none(shared: Training, tmp_path: Path) -> None:
    with shared.graph.as_default():
        manager = CheckpointManager(shared.saver, tmp_path, 1)
        with pytest.raises(InputError, match="no session: pass session="):
            manager.save()
        assert json.loads((tmp_path / record.RECORD_FILE).read_text())["checkpoints"] == []
        with shared.session.as_default():
            assert manager.save() is not None
        assert manager.save(shared.step, session=shared.session) == str(tmp_path / "ckpt-0")


def test_restore_or_initialize(training: Training, tmp_path: Path) -> None:
    calls: list[int] = []
    manager = CheckpointManager(training.saver, tmp_path, 1, init_fn=lambda: calls.append(1))
    assert manager.restore_or_initialize() is None
    assert calls == [1]
    training.set(5.0)
    path = manager.save()
    training.set(6.0)
    again = CheckpointManager(training.saver, tmp_path, 1, init_fn=lambda: calls.append(2))
    assert again.restore_or_initialize() == path
    assert (training.get(), calls) == (5.0, [1])


def test_a_sharded_saver_and_the_old_format(tmp_path: Path) -> None:
    for number, options in enumerate(
        ({"sharded": True}, {"write_version": 1}, {"write_version": 1, "sharded": True})
    ):
        training = Training(**options)
        with training.graph.as_default(), training.session.as_default():
            manager = CheckpointManager(training.saver, tmp_path / str(number), 2, write_meta_graph=False)
            paths = [manager.save() for _ in range(4)]
            assert manager.checkpoints == paths[-2:]
            left = {each.name.split(".")[0][:6] for each in (tmp_path / str(number)).glob("ckpt-*")}
            assert left == {"ckpt-3", "ckpt-4"}
            assert (
                CheckpointManager(training.saver, tmp_path / str(number), 2).restore_or_initialize()
                == paths[-1]
            )
            assert manager.restore(3) == paths[2]


# The best --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "best"), [("min", 2), ("max", 4)])
def test_the_best_outlives_the_newest_and_a_restart(
    training: Training, mode: Any, best: int, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"max_to_keep": 1, "best_metric": "loss", "best_mode": mode}
    manager = CheckpointManager(training.saver, tmp_path, **options)
    for number, loss in enumerate([3.0, 1.0, 2.0, 9.0, float("nan"), 5.0, 4.0], 1):
        training.set(loss)
        manager.save(metrics={"loss": loss, "number": number})
    assert _files(tmp_path) == sorted({f"ckpt-{best}", "ckpt-7"})
    again = CheckpointManager(training.saver, tmp_path, **options)
    assert again.best_checkpoint == str(tmp_path / f"ckpt-{best}")
    assert again.metrics[again.best_checkpoint]["number"] == best
    assert again.restore("best") == again.best_checkpoint
    assert training.get() == {"min": 1.0, "max": 9.0}[mode]
    again.save(metrics=0.5 if mode == "min" else 99.0)
    assert _files(tmp_path) == ["ckpt-8"]


def test_several_best_ones_and_none(training: Training, tmp_path: Path) -> None:
    manager = CheckpointManager(training.saver, tmp_path, 1, best_metric="loss", keep_best=2)
    assert (manager.best_checkpoint, manager.best_checkpoints) == (None, [])
    with pytest.raises(CheckpointNotFoundError, match="no checkpoint 'best'"):
        manager.restore("best")
    for loss in (3.0, 1.0, 2.0, 4.0):
        manager.save(metrics=loss)
    assert _relative(manager.best_checkpoints) == ["ckpt-2", "ckpt-3"]
    assert _files(tmp_path) == ["ckpt-2", "ckpt-3", "ckpt-4"]
    with pytest.raises(InputError, match="no best_metric was given to name it"):
        CheckpointManager(training.saver, tmp_path, 1).save(metrics=1.0)
    with pytest.raises(ValueError, match="best_mode is 'min' or 'max', not 'best'"):
        CheckpointManager(training.saver, tmp_path, 1, best_mode="best")  # type: ignore[arg-type]


# What is not its own ---------------------------------------------------------------------------------


def test_checkpoints_of_others_are_listed_but_never_deleted(training: Training, tmp_path: Path) -> None:
    other = Saver(max_to_keep=10)
    for step in (1, 2, 3):
        other.save(training.session, str(tmp_path / "ckpt"), step)
    (tmp_path / "ckpt-2.notes").write_text("mine")
    manager = CheckpointManager(training.saver, tmp_path, 2)
    assert _relative(manager.checkpoints) == ["ckpt-1", "ckpt-2", "ckpt-3"]
    for _ in range(4):
        manager.save()
    assert _relative(manager.checkpoints) == ["ckpt-6", "ckpt-7"]
    assert _files(tmp_path) == ["ckpt-1", "ckpt-2", "ckpt-3", "ckpt-6", "ckpt-7"]
    assert (tmp_path / "ckpt-2.notes").exists()
    with pytest.raises(ValueError, match="ckpt-3 exists and was not written by this manager"):
        manager.save(3)


def test_one_that_was_replaced_by_hand_is_no_longer_its_own(training: Training, tmp_path: Path) -> None:
    manager = CheckpointManager(training.saver, tmp_path, 1)
    manager.save()
    other = Training()
    with other.graph.as_default():
        v1.get_variable("more", [3])
        saver = Saver()
        other.session.run(v1.global_variables_initializer())
        saver.save(other.session, str(tmp_path / "ckpt-1"), write_state=False)
    manager.save()
    assert _files(tmp_path) == ["ckpt-1", "ckpt-2"]


def test_an_interrupted_save_is_its_own(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = CheckpointManager(training.saver, tmp_path, 1)
    manager.save(1)
    with monkeypatch.context() as patch:
        patch.setattr(shelf.Shelf, "add", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            manager.save(2)
    assert _files(tmp_path) == ["ckpt-1", "ckpt-2"]
    again = CheckpointManager(training.saver, tmp_path, 1)
    assert again.latest_checkpoint == str(tmp_path / "ckpt-1")
    again.save(2)
    assert _files(tmp_path) == ["ckpt-2"]


def _interrupt(*arguments: Any) -> None:
    raise KeyboardInterrupt


def test_a_directory_that_moved_goes_on(training: Training, tmp_path: Path) -> None:
    manager = CheckpointManager(training.saver, tmp_path / "old", 2)
    for _ in range(3):
        manager.save()
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    shutil.rmtree(tmp_path / "old")
    moved = CheckpointManager(training.saver, tmp_path / "new", 2)
    assert moved.checkpoints == [str(tmp_path / "new" / f"ckpt-{number}") for number in (2, 3)]
    moved.save()
    assert _files(tmp_path / "new") == ["ckpt-3", "ckpt-4"]


def test_a_broken_record_deletes_nothing(training: Training, tmp_path: Path) -> None:
    CheckpointManager(training.saver, tmp_path, 1).save()
    (tmp_path / record.RECORD_FILE).write_text('{"format": 1, "checkp')
    again = CheckpointManager(training.saver, tmp_path, 1)
    again.save()
    assert _files(tmp_path) == ["ckpt-1", "ckpt-2"]


def test_an_error_while_deleting_does_not_fail_the_save(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = CheckpointManager(training.saver, tmp_path, 1)
    manager.save()

    def refuse(path: str) -> None:
        raise tf.errors.PermissionDeniedError(None, None, f"not {path}")

    monkeypatch.setattr(tf.io.gfile, "remove", refuse)
    assert Path(str(manager.save())).name == "ckpt-2"


# Bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["cp-{epoch:04d}.ckpt", "{step}"])
def test_an_unfilled_pattern_as_directory(training: Training, tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is never filled in.* give the directory alone, such as") as caught:
        CheckpointManager(training.saver, tmp_path / pattern, 5)
    assert repr(str(tmp_path)) in str(caught.value)


def test_a_file_as_directory(training: Training, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file: give the directory"):
        CheckpointManager(training.saver, tmp_path / "file", 5)


def test_neither_saver_nor_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"Module is neither a Saver nor a tf.train.Checkpoint: wrap objects"
    ):
        CheckpointManager(tf.Module(), tmp_path, 5)


def test_a_tf_train_checkpoint_in_graph_mode(training: Training, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"use tf.train.CheckpointManager"):
        CheckpointManager(tf.train.Checkpoint(), tmp_path, 5)


def test_a_saver_without_variables(tmp_path: Path) -> None:
    with v1.Graph().as_default(), v1.Session():
        manager = CheckpointManager(Saver(allow_empty=True), tmp_path, 5)
        with pytest.raises(InputError, match="the Saver has no variables"):
            manager.save()
