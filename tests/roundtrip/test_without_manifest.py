"""Without a manifest the way back goes by full names, by a mapping, or by a name-based template."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest
import tensorflow as tf

from migration import Checkpoint, PlanError, Style, execute, make_plan
from tests.roundtrip.conftest import Saved
from tests.roundtrip.graphs import CASES
from tests.roundtrip.oracle import same, tensors, unequal

Fixture = Callable[[str], Saved]


def without_manifest(before: Saved, prefix: pathlib.Path) -> Checkpoint:
    source = Checkpoint.open(before.prefix)
    execute(make_plan(source), source, prefix, manifest=False)
    there = Checkpoint.open(prefix)
    assert there.manifest_bytes is None
    return there


def written_back(there: Checkpoint, prefix: pathlib.Path, **how: object) -> Checkpoint:
    execute(make_plan(there, to="name", **how), there, prefix, manifest=False)  # type: ignore[arg-type]
    back = Checkpoint.open(prefix)
    assert back.style is Style.NAME
    return back


@pytest.mark.parametrize("name", CASES)
def test_by_full_names(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    before = saved(name)
    back = written_back(without_manifest(before, tmp_path / "there"), tmp_path / "back")
    assert unequal(tensors(back.prefix), before.tensors) == []
    if name == "dtypes in parts":
        return  # some had to be put together on the way there, and only a manifest remembers the parts
    restored = before.case.restore(back.prefix)
    assert all(same(found, wanted) for found, wanted in zip(restored, before.values, strict=True))
    if not before.case.is_v1:
        assert back.partitions == Checkpoint.open(before.prefix).partitions


@pytest.mark.parametrize("name", ["classifier", "resource variables", "sharded"])
def test_by_a_name_based_template(saved: Fixture, name: str, tmp_path: pathlib.Path) -> None:
    before = saved(name)
    there = without_manifest(before, tmp_path / "there")
    back = written_back(there, tmp_path / "back", template=Checkpoint.open(before.prefix))
    assert unequal(tensors(back.prefix), before.tensors) == []


def new_code(folder: pathlib.Path) -> str:
    """A checkpoint of new code, whose variables have names of their own."""
    layer = tf.Module()
    layer.weights = tf.Variable([[1.0, 2.0]], name="w")
    layer.offset = tf.Variable([3.0, 4.0], name="b")
    return tf.train.Checkpoint(layer=layer).save(str(folder / "new"))


def test_by_a_mapping(tmp_path: pathlib.Path) -> None:
    """Paths lead to names; the counter, which no name-based checkpoint has, stays behind."""
    there = Checkpoint.open(new_code(tmp_path))
    mapping = {"layer/weights": "scope/kernel", "layer/offset": "scope/bias"}
    back = written_back(there, tmp_path / "back", mapping=mapping)
    found = {key: array.tolist() for key, array in tensors(back.prefix).items()}
    assert found == {"scope/kernel": [[1.0, 2.0]], "scope/bias": [3.0, 4.0]}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.get_variable("scope/kernel", [1, 2]),
            tf.compat.v1.get_variable("scope/bias", [2]),
        ]
        tf.compat.v1.train.Saver().restore(session, back.prefix)
        assert session.run(variables[0]).tolist() == [[1.0, 2.0]]


def test_new_code_goes_back_by_full_names(tmp_path: pathlib.Path) -> None:
    there = Checkpoint.open(new_code(tmp_path))
    back = written_back(there, tmp_path / "back")
    assert sorted(tensors(back.prefix)) == ["b", "w"]


def test_two_variables_of_one_full_name_are_told(tmp_path: pathlib.Path) -> None:
    checkpoint = tf.train.Checkpoint(one=tf.Variable(1.0, name="v"), two=tf.Variable(2.0, name="v"))
    there = Checkpoint.open(checkpoint.write(str(tmp_path / "new")))
    with pytest.raises(PlanError, match=r"v: 2 tensors would get this name: one/.*, two/"):
        written_back(there, tmp_path / "back")
    assert not list(tmp_path.glob("back*"))
    back = written_back(there, tmp_path / "back", mapping={"one": "v", "two": "v_1"})
    assert {key: float(array) for key, array in tensors(back.prefix).items()} == {"v": 1.0, "v_1": 2.0}
