"""One checkpoint restored by several threads, and one that is replaced while it is restored."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import legacy_ckpt
from legacy_ckpt.objects import restoring
from migration.checkpoint import Checkpoint
from migration.errors import ReplacedError
from tests.bundles import write_bundle

THREADS = 8


def arrays(number: int) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "net/w": np.arange(12, dtype=np.float32).reshape(3, 4) + number,
        "net/b": np.full(4, number, np.float32),
        "part": np.arange(10, dtype=np.float32).reshape(5, 2) * number,
        "words": np.array([b"a", b"%d" % number], object),
    }


def write(folder: Path, number: int) -> str:
    return write_bundle(folder / "ckpt", arrays(number), parts={"part": 2}, num_shards=2)


def objects() -> tf.train.Checkpoint:
    net = tf.Module()
    net.w, net.b = tf.Variable(tf.zeros([3, 4]), name="net/w"), tf.Variable(tf.zeros(4), name="net/b")
    words = tf.Variable(["", ""], name="words")
    return tf.train.Checkpoint(net=net, part=tf.Variable(tf.zeros([5, 2]), name="part"), words=words)


def values(target: tf.train.Checkpoint) -> dict[str, Any]:
    found = {"net/w": target.net.w, "net/b": target.net.b, "part": target.part, "words": target.words}
    return {name: variable.numpy().tolist() for name, variable in found.items()}


def wanted(number: int) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays(number).items()}


@pytest.fixture(autouse=True)
def often_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("shared", [True, False], ids=["one Checkpoint", "one prefix"])
def test_restored_by_several_threads(tmp_path: Path, shared: bool) -> None:
    prefix = write(tmp_path, 3)
    source = Checkpoint.open(prefix) if shared else prefix
    ready = threading.Barrier(THREADS)

    def work(_: int) -> dict[str, Any]:
        target = objects()
        ready.wait()
        legacy_ckpt.restore(target, source, partial=True)
        tree = legacy_ckpt.load_variables(source)
        assert tree.net.b.numpy().tolist() == [3] * 4
        return values(target)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [wanted(3)] * THREADS


def test_a_saver_restores_in_the_sessions_of_several_threads(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        variables = [tf.compat.v1.get_variable(name, array.shape) for name, array in _numbers(3).items()]
        saver = legacy_ckpt.Saver()
    prefix = write_bundle(tmp_path / "ckpt", _numbers(3))
    ready = threading.Barrier(THREADS)

    def work(_: int) -> list[Any]:
        with tf.compat.v1.Session(graph=graph) as sess:
            ready.wait()
            saver.restore(sess, prefix)
            return [value.tolist() for value in sess.run(variables)]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(work, range(THREADS)))
    assert found == [[array.tolist() for array in _numbers(3).values()]] * THREADS


def _numbers(number: int) -> dict[str, np.ndarray[Any, Any]]:
    return {name: array for name, array in arrays(number).items() if array.dtype != object}


def replace(folder: Path, number: int) -> None:
    """As TensorFlow does: new shards in the place of the old, then the index."""
    (folder / "new").mkdir()
    write(folder / "new", number)
    for path in sorted((folder / "new").iterdir()):
        os.replace(path, folder / path.name)


@pytest.mark.parametrize(
    ("moment", "told", "assigned"),
    [
        ("verified", "was replaced while it was read: open it again", False),
        ("assign", "changed while it was restored: some objects hold its values", True),
    ],
)
def test_replaced_while_it_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, told: str, assigned: bool
) -> None:
    """Before anything is assigned, nothing has changed; behind that, the error says what may have."""
    source = Checkpoint.open(write(tmp_path, 1))
    step: Callable[..., Any] = getattr(restoring, moment)

    def late(*arguments: Any) -> Any:
        replace(tmp_path, 2)
        return step(*arguments)

    monkeypatch.setattr(restoring, moment, late)
    target = objects()
    before = values(target)
    with pytest.raises(ReplacedError, match=told):
        legacy_ckpt.restore(target, source, partial=True)
    assert assigned or values(target) == before
    assert values(target)["net/b"] != wanted(2)["net/b"]
