"""Moving averages onto a template with variables for them: by their names, by a mapping, or not at all."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest
import tensorflow as tf

from migration import Checkpoint, UnmappedError, execute, make_plan
from tests.roundtrip.conftest import Saved
from tests.roundtrip.oracle import same, tensors

SHADOW = "net/dense/kernel/ExponentialMovingAverage"


def template(folder: pathlib.Path, name: str) -> Checkpoint:
    """New code with the kernel, and with one more variable of its shape that is called `name`."""
    places = {
        "kernel": tf.Variable(tf.zeros([4, 3]), name="net/dense/kernel"),
        "bias": tf.Variable(tf.zeros([3]), name="net/dense/bias"),
        "smooth": tf.Variable(tf.zeros([4, 3]), name=name),
        "smooth_bias": tf.Variable(tf.zeros([3]), name="net/dense/bias/ExponentialMovingAverage"),
        "step": tf.Variable(0, dtype=tf.int64, name="global_step"),
    }
    return Checkpoint.open(tf.train.Checkpoint(**places).write(str(folder / "template")))


@pytest.mark.parametrize(("name", "mapping"), [(SHADOW, None), ("smooth", {SHADOW: "smooth"})])
def test_a_place_that_is_named(
    saved: Callable[[str], Saved], tmp_path: pathlib.Path, name: str, mapping: dict[str, str] | None
) -> None:
    before = saved("resource variables")
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source, template(tmp_path, name), mapping=mapping), source, tmp_path / "there")
    found = tensors(tmp_path / "there")
    assert same(found["smooth/.ATTRIBUTES/VARIABLE_VALUE"], before.tensors[SHADOW])
    assert same(found["kernel/.ATTRIBUTES/VARIABLE_VALUE"], before.tensors["net/dense/kernel"])


def test_a_shape_alone_makes_no_place(saved: Callable[[str], Saved], tmp_path: pathlib.Path) -> None:
    """An average looks like its weight: nothing but a name tells where it goes."""
    source = Checkpoint.open(saved("resource variables").prefix)
    with pytest.raises(UnmappedError, match=r"averages=drop or promote \(--averages\)") as told:
        execute(make_plan(source, template(tmp_path, "smooth")), source, tmp_path / "there")
    assert any(problem.where.startswith(SHADOW) for problem in told.value.problems)
