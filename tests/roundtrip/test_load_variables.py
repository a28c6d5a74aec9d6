"""`legacy_ckpt.load_variables` of a result gives a tf.Module with every tensor, and takes its mirror back."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from legacy_ckpt import load_variables
from migration import Checkpoint, execute, make_plan
from tests.roundtrip.conftest import Saved
from tests.roundtrip.fresh import digest
from tests.roundtrip.graphs import CASES


@pytest.mark.parametrize("name", CASES)
def test_every_tensor_is_a_variable(saved: Callable[[str], Saved], name: str, tmp_path: pathlib.Path) -> None:
    before = saved(name)
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source), source, tmp_path / "there")
    tree = load_variables(tmp_path / "there")
    found = sorted(digest(np.asarray(variable.numpy())) for variable in tree.variables)
    wanted = [digest(array) for array in before.tensors.values()]
    assert found == sorted([*wanted, digest(np.array(7, np.int64))])  # and the counter


def test_the_tree_restores_a_mirror(saved: Callable[[str], Saved], tmp_path: pathlib.Path) -> None:
    """All of it: a mirror without optimizers, into the tree that the names make."""
    source = Checkpoint.open(saved("strings").prefix)
    tree = load_variables(source)
    for variable in tree.variables:
        variable.assign(tf.zeros_like(variable))
    execute(make_plan(source), source, tmp_path / "there")
    root = tf.train.Checkpoint(tree)
    root.restore(str(tmp_path / "there")).assert_consumed()
    found = sorted(
        digest(np.asarray(variable.numpy())) for variable in tree.variables if variable.dtype == tf.string
    )
    assert found == sorted(map(digest, saved("strings").tensors.values()))
