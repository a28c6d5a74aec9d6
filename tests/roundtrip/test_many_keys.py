"""12,000 keys: nothing is cut short, whatever block an entry lies in."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from migration import Checkpoint, execute, make_plan
from tests.roundtrip.oracle import specs

COUNT = 12_000
NAMES = [f"model/layer_{number % 97}/block_{number:05d}/kernel" for number in range(COUNT)]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of TensorFlow's own op with that many scalars, each its number."""
    prefix = str(tmp_path_factory.mktemp("many") / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=NAMES,
        shape_and_slices=[""] * COUNT,
        tensors=[tf.constant(number) for number in range(COUNT)],
    )
    return prefix


@pytest.mark.parametrize("data", ["copy", "link"])
def test_there_and_back(many: str, data: Any, tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(many)
    execute(make_plan(source), source, tmp_path / "there", data=data)
    there = Checkpoint.open(tmp_path / "there")
    assert len(specs(there.prefix)) == COUNT + 1
    execute(make_plan(there, to="name"), there, tmp_path / "back", data=data, manifest=False)
    assert specs(tmp_path / "back") == specs(many)
    found = tf.raw_ops.RestoreV2(
        prefix=str(tmp_path / "back"),
        tensor_names=NAMES,
        shape_and_slices=[""] * COUNT,
        dtypes=[tf.int32] * COUNT,
    )
    assert np.array_equal(np.array([int(tensor) for tensor in found]), np.arange(COUNT))
