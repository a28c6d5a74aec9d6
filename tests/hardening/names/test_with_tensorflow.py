"""TensorFlow as the oracle: hostile names that it writes are read, and it reads those that are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.formats.object_graph import escape_local_name
from migration.planning.planner import make_plan
from tests.hardening.names.carried import keys_of
from tests.hardening.names.hostile import NAMES, text_of

VALUES = [np.full(2, number, np.float32) for number in range(len(NAMES))]


def restored(prefix: Path, names: list[bytes]) -> list[list[float]]:
    """What TensorFlow reads under the names."""
    read = tf.raw_ops.RestoreV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        dtypes=[tf.float32] * len(names),
    )
    return [each.numpy().tolist() for each in read]


def test_what_tensorflow_names_so_is_carried_to_objects_and_back(tmp_path: Path) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "old"),
        tensor_names=list(NAMES),
        shape_and_slices=[""] * len(NAMES),
        tensors=[tf.constant(value) for value in VALUES],
    )
    source = Checkpoint.open(tmp_path / "old")
    assert sorted(source.keys) == sorted(map(text_of, NAMES))
    assert [source.read(text_of(name)).tolist() for name in NAMES] == [value.tolist() for value in VALUES]
    execute(make_plan(source), source, tmp_path / "objects", keep_names=True)
    assert restored(tmp_path / "objects", list(NAMES)) == [value.tolist() for value in VALUES]
    objects = Checkpoint.open(tmp_path / "objects")
    execute(make_plan(objects, to="name"), objects, tmp_path / "back")
    assert keys_of(str(tmp_path / "back")) == keys_of(str(tmp_path / "old"))
    assert restored(tmp_path / "back", list(NAMES)) == [value.tolist() for value in VALUES]


def test_objects_of_tensorflow_under_hostile_local_names(tmp_path: Path) -> None:
    names = [name.decode() for name in NAMES if _is_unicode(name) and len(name) < 1000]
    variables = {name: tf.Variable(value) for name, value in zip(names, VALUES, strict=False)}
    tf.train.Checkpoint(**variables).write(str(tmp_path / "objects"))
    source = Checkpoint.open(tmp_path / "objects")
    assert source.graph is not None
    assert {child.local_name for child in source.graph.nodes[0].children} >= set(names)
    for name, variable in variables.items():
        key = f"{escape_local_name(name)}/.ATTRIBUTES/VARIABLE_VALUE"
        assert source.read(key).tolist() == variable.numpy().tolist()


def test_a_mirror_of_hostile_names_is_restored_by_tensorflow(tmp_path: Path) -> None:
    names = [name.decode() for name in NAMES if _is_unicode(name) and b"/" not in name and len(name) < 1000]
    values = dict(zip(names, VALUES, strict=False))
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "old"),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(value) for value in values.values()],
    )
    source = Checkpoint.open(tmp_path / "old")
    plan = make_plan(source)
    execute(plan, source, tmp_path / "new")
    paths = {step.sources[0].key: step.paths[0] for step in plan.steps if step.sources}
    variables = {paths[name]: tf.Variable(np.zeros(2, np.float32)) for name in names}
    status = tf.train.Checkpoint(**variables).read(str(tmp_path / "new"))
    status.assert_existing_objects_matched()
    for name in names:
        assert variables[paths[name]].numpy().tolist() == values[name].tolist()


def _is_unicode(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
