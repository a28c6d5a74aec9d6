"""template, save_names, load_variables: live objects seen as a checkpoint, and written under names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import legacy_ckpt
from legacy_ckpt.objects import NotBuiltError
from migration import Checkpoint, Template, make_plan
from migration.errors import InputError, PlanError, TargetError
from migration.tensors import DType

v1 = tf.compat.v1
FLAVOURS = [pytest.param(keras, id="Keras 3"), pytest.param(tf_keras, id="tf_keras")]
INPUTS = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)


def _compiled(flavour: Any) -> Any:
    flavour.utils.set_random_seed(5)
    layers = flavour.layers
    inner = [layers.Dense(3, name="one"), layers.Dropout(0.1), layers.Dense(1, name="two")]
    model = flavour.Sequential([layers.Input([2]), *inner], name="net")
    model.compile(optimizer=flavour.optimizers.Adam(0.05), loss="mse")
    model.train_on_batch(INPUTS, np.ones((4, 1), np.float32))
    return model


def _plain() -> Any:
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(["a"], [1])
    optimizer = v1.train.AdamOptimizer(0.1)
    weight = tf.Variable([1.0, 2.0], name="weight")
    optimizer.minimize(lambda: tf.reduce_sum(weight**2))
    return tf.train.Checkpoint(
        weight=weight, again={"w": weight}, text=tf.Variable("text"), many=[tf.Variable(True)], table=table,
        optimizer=optimizer, data=iter(tf.data.Dataset.range(3)),
    )  # fmt: skip


# The template ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.train.Checkpoint(model=_compiled(keras)),
        lambda: tf.train.Checkpoint(net=_compiled(tf_keras)),
        _plain,
    ],
)
def test_the_template_is_what_tensorflow_would_write(make: Any, tmp_path: Path) -> None:
    target = make()
    seen = legacy_ckpt.template(target)
    written = Template.of(target.save(str(tmp_path / "ckpt")))
    assert seen.graph == written.graph
    assert dict(seen.checkpoint.specs) == dict(written.checkpoint.specs)
    assert seen.targets == written.targets
    for key, spec in written.checkpoint.specs.items():
        if spec.dtype is not DType.VARIANT and "save_counter" not in key:
            np.testing.assert_array_equal(seen.checkpoint.read(key), written.checkpoint.read(key))


def test_a_template_serves_make_plan(tmp_path: Path) -> None:
    target = tf.train.Checkpoint(w=tf.Variable([1.0, 2.0], name="w"))
    prefix = legacy_ckpt.Saver({"w": target.w}).save(None, str(tmp_path / "m"))
    plan = make_plan(prefix, legacy_ckpt.template(target))
    assert {step.target for step in plan.steps if step.sources} == {"w/.ATTRIBUTES/VARIABLE_VALUE"}
    assert plan.template is not None
    assert plan.template.digest.startswith("live:")


def test_what_has_no_template() -> None:
    with pytest.raises(NotBuiltError, match=r"call model\.build"):
        legacy_ckpt.template(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(InputError, match="int cannot be restored"):
        legacy_ckpt.template(3)


# Names -----------------------------------------------------------------------------------------------


def _values(prefix: str) -> dict[str, Any]:
    return {name: tf.train.load_variable(prefix, name) for name, _ in tf.train.list_variables(prefix)}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_saver_restores_the_names(flavour: Any, tmp_path: Path) -> None:
    model = _compiled(flavour)
    receipt = legacy_ckpt.save_names(model, tmp_path / "new" / "model.ckpt-1")
    values = _values(receipt.prefix)
    assert values["global_step"] == 1
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, value.shape, value.dtype)
        v1.train.Saver().restore(session, receipt.prefix)
        restored = session.run({each.op.name: each for each in v1.global_variables()})
    assert all(np.array_equal(restored[name], value) for name, value in values.items())
    kernel = next(name for name in values if name.endswith("kernel") and values[name].shape == (2, 3))
    np.testing.assert_array_equal(values[kernel], model.get_weights()[0])
    assert kernel + "/Adam" in values


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_there_and_back_is_exact(flavour: Any, tmp_path: Path) -> None:
    first = legacy_ckpt.save_names(_compiled(flavour), tmp_path / "first").prefix
    other = _compiled(flavour)
    for each in other.variables:
        each.assign(tf.zeros_like(each))
    legacy_ckpt.restore(other, first)
    for number, options in enumerate(({}, {"like": first})):
        again = legacy_ckpt.save_names(other, tmp_path / f"again{number}", **options).prefix
        ours, theirs = _values(again), _values(first)
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


def test_a_mapping_rules_and_a_plan_name(tmp_path: Path) -> None:
    target = tf.train.Checkpoint(a=tf.Variable([1.0], name="one"), b=tf.Variable([2], name="two"))
    said = legacy_ckpt.save_names(target, tmp_path / "m", mapping={"a": "net/a"})
    assert {"net/a", "two"} <= set(_values(said.prefix))
    ruled = legacy_ckpt.save_names(target, tmp_path / "r", rules=["one -> net/one"])
    assert {"net/one", "two"} <= set(_values(ruled.prefix))
    planned = legacy_ckpt.save_names(target, tmp_path / "p", plan=ruled.plan)
    assert _values(planned.prefix).keys() == _values(ruled.prefix).keys()
    with pytest.raises(InputError, match="not to names"):
        legacy_ckpt.save_names(
            target, tmp_path / "x", plan=make_plan(ruled.prefix, legacy_ckpt.template(target))
        )


def test_names_that_collide_or_are_missing(tmp_path: Path) -> None:
    twins = tf.train.Checkpoint(a=tf.Variable(1.0, name="w"), b=tf.Variable(2.0, name="w"))
    with pytest.raises(PlanError, match=r"2 tensors would get this name: a/\.ATTRIBUTES"):
        legacy_ckpt.save_names(twins, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_that_exists_is_kept_unless_told(tmp_path: Path) -> None:
    target = tf.train.Checkpoint(a=tf.Variable([1.0], name="a"))
    legacy_ckpt.save_names(target, tmp_path / "m")
    with pytest.raises(TargetError, match="already there"):
        legacy_ckpt.save_names(target, tmp_path / "m")
    target.a.assign([2.0])
    assert _values(legacy_ckpt.save_names(target, tmp_path / "m", overwrite=True).prefix)["a"] == [2.0]
    (tmp_path / "folder").mkdir()
    with pytest.raises(TargetError, match="a directory"):
        legacy_ckpt.save_names(target, tmp_path / "folder")


def test_a_prefix_with_a_field_that_nobody_filled_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="never filled in"):
        legacy_ckpt.save_names(tf.train.Checkpoint(a=tf.Variable(1.0)), tmp_path / "m-{epoch:02d}")


# The tree --------------------------------------------------------------------------------------------


def test_a_tree_of_names(tmp_path: Path) -> None:
    values = {"net/conv/w": [1.0], "net/conv/w/Adam": [2.0], "net/0/b": [3], "top": b"text"}
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=tf.constant(value))
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver().save(session, str(tmp_path / "m"))
    tree = legacy_ckpt.load_variables(prefix)
    assert (tree.net.conv.w.value.numpy(), tree.net.conv.w.Adam.numpy()) == ([1.0], [2.0])
    assert getattr(tree.net, "0").b.numpy() == [3]
    assert tree.top.numpy() == b"text"
    assert {each.name for each in tree.variables} == {f"{name}:0" for name in values}
    assert {each.name for each in tree.trainable_variables} == {"net/conv/w:0", "net/conv/w/Adam:0"}
    tf.saved_model.save(tree, str(tmp_path / "saved"))
    tf.train.Checkpoint(tree).write(str(tmp_path / "objects"))


def test_a_tree_of_objects(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(model=_compiled(keras), step=tf.Variable(3)).save(str(tmp_path / "ckpt"))
    tree = legacy_ckpt.load_variables(Checkpoint.open(path))
    assert tree.step.numpy() == 3
    assert len(tree.variables) == len(tf.train.list_variables(path)) - 1  # without the graph


def _places(tree: tf.Module, above: str = "") -> Iterator[tuple[str, tf.Variable]]:
    for name, value in vars(tree).items():
        if isinstance(value, tf.Module):
            yield from _places(value, f"{above}{name}/")
        elif isinstance(value, tf.Variable):
            yield f"{above}{name}", value


def test_slots_and_averages_stand_apart(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("net/w", initializer=tf.constant([1.0, 2.0]))
        step = v1.train.AdamOptimizer().minimize(tf.reduce_sum(w**2))
        with tf.control_dependencies([step]):
            average = tf.train.ExponentialMovingAverage(0.9).apply([w])
        session.run(v1.global_variables_initializer())
        session.run(average)
        prefix = v1.train.Saver().save(session, str(tmp_path / "m"))
    tree = legacy_ckpt.load_variables(prefix)
    stored = {name: value.tolist() for name, value in _values(prefix).items()}
    assert tree.net.w.numpy().tolist() == stored["net/w"]
    assert tree.optimizer.m.net.w.numpy().tolist() == stored["net/w/Adam"]
    assert tree.averages.net.w.numpy().tolist() == stored["net/w/ExponentialMovingAverage"]
    assert tree.optimizer.beta1_power.numpy().tolist() == stored["beta1_power"]


def test_the_corpus_comes_back_into_live_objects(corpus: Path) -> None:
    catalog = json.loads((corpus / "catalog.json").read_text())
    assert catalog
    opened = 0
    for index in sorted(corpus.rglob("*.index")):
        source = Checkpoint.open(index)
        if sum(spec.nbytes or 0 for spec in source.specs.values()) > 2 << 20 or source.graph is not None:
            continue
        tree = legacy_ckpt.load_variables(source)
        expected = {each.name: each.numpy() for each in tree.variables}
        for each in tree.variables:
            each.assign(tf.zeros_like(each) if each.dtype != tf.string else tf.fill(each.shape, ""))
        mapping = {variable.name.removesuffix(":0"): place for place, variable in _places(tree)}
        report = legacy_ckpt.restore(tree, source, rules=mapping)
        assert not report.missing
        assert not report.unread
        assert all(np.array_equal(each.numpy(), expected[each.name]) for each in tree.variables), index
        opened += 1
    assert opened >= 10
