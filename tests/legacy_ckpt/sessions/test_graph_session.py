"""GraphSession: a graph, its session and its checkpoints in three lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt import CheckpointManager, GraphSession, Saver
from migration.errors import CheckpointNotFoundError, InputError

v1 = tf.compat.v1


def build() -> dict[str, Any]:
    """One weight that learns y = 3x, with Adam, a step, a table and a local counter."""
    x = v1.placeholder(tf.float32, [None], name="x")
    y = v1.placeholder(tf.float32, [None], name="y")
    scale = v1.placeholder_with_default(1.0, [], name="scale")
    weight = v1.get_variable("weight", [], initializer=v1.zeros_initializer())
    v1.get_variable("seen", [], collections=[v1.GraphKeys.LOCAL_VARIABLES], initializer=v1.ones_initializer())
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1], [10]), -1)
    loss = scale * v1.reduce_mean(v1.square(weight * x - y))
    step = v1.train.get_or_create_global_step()
    train = v1.train.AdamOptimizer(0.3).minimize(loss, global_step=step)
    return {"train": train, "loss": loss, "weight": weight, "looked_up": table.lookup(tf.constant(1))}


FEED = {"x": [1.0, 2.0], "y": [3.0, 6.0]}


def test_it_trains_saves_and_resumes_in_a_fresh_session(tmp_path: Path) -> None:
    with GraphSession(build, tmp_path / "new" / "run", max_to_keep=2) as run:
        assert run.restore_or_initialize() is None
        for _ in range(5):
            _, before = run([run.nodes.train, "loss"], FEED)
            path = run.save()
        value = run("weight")
        assert run.fresh().restore_or_initialize() == path == run.latest_checkpoint
        assert run.run("weight") == value
        assert (run.step, run("looked_up")) == (5, 10)
    with GraphSession(build, tmp_path / "new" / "run") as again:
        assert again.restore_or_initialize() == path
        assert [Path(each).name for each in again.checkpoints.checkpoints] == ["model.ckpt-4", "model.ckpt-5"]
        assert again(again.nodes["loss"], FEED) < before


def test_the_losses_joined_have_no_seam(tmp_path: Path) -> None:
    def losses(run: GraphSession, count: int) -> list[float]:
        return [float(run((run.nodes.train, run.nodes.loss), FEED)[1]) for _ in range(count)]

    with GraphSession(build) as whole:
        whole.initialize()
        expected = losses(whole, 8)
    with GraphSession(build, tmp_path) as run:
        run.initialize()
        first = losses(run, 4)
        run.save()
        run.fresh().restore()
        assert first + losses(run, 4) == expected


def test_going_back_to_a_step_and_to_the_best(tmp_path: Path) -> None:
    with GraphSession(build, tmp_path, max_to_keep=2, best_metric="loss") as run:
        run.initialize()
        values = {}
        for number, loss in enumerate([4.0, 1.0, 3.0, 2.0], 1):
            run(run.nodes.train, FEED)
            values[number] = run("weight")
            run.save(metrics={"loss": loss})
        for which, step in (("best", 2), (3, 3), ("latest", 4)):
            run.restore(which)
            assert (run.step, run("weight")) == (step, values[step])
        with pytest.raises(
            CheckpointNotFoundError, match=r"no checkpoint 1; it has model.ckpt-2, model.ckpt-3"
        ):
            run.restore(1)


def test_what_the_graph_holds() -> None:
    with GraphSession(build) as run:
        assert list(run.placeholders) == ["x", "y", "scale"]
        assert list(run.variables)[:2] == ["weight", "global_step"]
        assert run.graph.finalized
        assert isinstance(run.saver, Saver)
        run.initialize()
        assert run("loss", {**FEED, "scale": 0.0, run.placeholders["x"]: [0.0, 0.0]}) == 0.0


def test_variables_that_are_not_saved_are_initialized(tmp_path: Path) -> None:
    def only_weight() -> list[Any]:
        return [each for each in v1.global_variables() if each.op.name == "weight"]

    with GraphSession(build, tmp_path, var_list=only_weight) as run:
        run.initialize()
        run(run.nodes.train, FEED)
        path = run.save()
        assert [name for name, _ in tf.train.list_variables(path)] == ["weight"]
        run.fresh().restore()
        assert run.step == 0
        run(run.nodes.train, FEED)


def test_a_failed_restore_leaves_the_session_as_it_is(tmp_path: Path) -> None:
    def other() -> None:
        v1.get_variable("other", [3])

    with GraphSession(other, tmp_path) as run:
        run.initialize()
        run.save(1)
    with GraphSession(build, tmp_path) as run:
        run.initialize()
        run(run.nodes.train, FEED)
        value = run("weight")
        with pytest.raises(tf.errors.NotFoundError, match="weight"):
            run.restore()
        assert run("weight") == value


def test_numbers_without_a_global_step(tmp_path: Path) -> None:
    def plain() -> Any:
        return v1.get_variable("v", initializer=np.float32(2.0))

    with GraphSession(plain, tmp_path) as run:
        run.initialize()
        assert [Path(run.save()).name for _ in range(2)] == ["model.ckpt-1", "model.ckpt-2"]
        assert Path(run.save(50)).name == "model.ckpt-50"
        assert run(run.nodes) == 2.0
        with pytest.raises(InputError, match="the graph has no global step"):
            _ = run.step


def test_plain_savers_and_managers_work_on_it(tmp_path: Path) -> None:
    with GraphSession(build) as run:
        run.initialize()
        path = run.saver.save(run.session, str(tmp_path / "plain"), 3)
        run.saver.restore(run.session, path)
        manager = CheckpointManager(run.saver, tmp_path / "managed", 1, session=run.session)
        assert manager.save() is not None


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda run: run("loss", {"z": 1.0}), "no placeholder 'z'; it has x, y, scale"),
        (lambda run: run.save(), "no checkpoints: no directory was given"),
        (lambda run: run.close() or run("loss"), r"the session is closed: call fresh\(\)"),
        (lambda run: run.nodes.absent, "returned no 'absent'; it returned train, loss"),
    ],
)
def test_misuse_is_told(act: Any, told: str) -> None:
    with GraphSession(build) as run, pytest.raises((InputError, AttributeError), match=told):
        act(run)


def test_a_graph_without_variables(tmp_path: Path) -> None:
    with GraphSession(lambda: {"one": tf.constant(1)}, tmp_path) as run:
        run.initialize()
        assert run("one") == 1
        with pytest.raises(InputError, match="the graph has no variables"):
            run.save(1)
