"""restore: a name-based checkpoint of any age straight into live objects, with a report of both sides."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import legacy_ckpt
from legacy_ckpt.objects import NotBuiltError, ObjectReport, reading
from migration import Checkpoint, Options, make_plan, write_plan
from migration.errors import (
    CheckpointNotFoundError,
    FormatError,
    InputError,
    PlanError,
    UnmappedError,
)

v1 = tf.compat.v1
FLAVOURS = [pytest.param(keras, id="Keras 3"), pytest.param(tf_keras, id="tf_keras")]
INPUTS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


class Trained:
    """A two-layer net trained for 7 steps with Adam in TensorFlow 1, and its checkpoint."""

    def __init__(self, folder: Path) -> None:
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 4])
            hidden = tf.nn.tanh(self._dense(x, "dense", [4, 3]))
            outputs = self._dense(hidden, "out", [3, 1])
            step = v1.train.get_or_create_global_step()
            train = v1.train.AdamOptimizer(0.02).minimize(v1.reduce_mean(v1.square(outputs - 1.0)), step)
            session.run(v1.global_variables_initializer())
            self.losses = [session.run(train, {x: INPUTS}) for _ in range(7)]
            self.prefix: str = v1.train.Saver().save(session, str(folder / "model.ckpt"), 7)
            self.values = dict(
                zip(
                    (each.op.name for each in v1.global_variables()),
                    session.run(v1.global_variables()),
                    strict=True,
                )
            )
            self.outputs = session.run(outputs, {x: INPUTS})
            session.run(train, {x: INPUTS})
            self.one_step_on = session.run(outputs, {x: INPUTS})

    @staticmethod
    def _dense(x: Any, name: str, shape: list[int]) -> Any:
        with v1.variable_scope(name):
            kernel = v1.get_variable("kernel", shape, initializer=v1.glorot_uniform_initializer(seed=3))
            return x @ kernel + v1.get_variable("bias", shape[1:], initializer=v1.ones_initializer())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("trained"))


def _model(flavour: Any, outputs: int = 1) -> Any:
    layers = flavour.layers
    return flavour.Sequential(
        [
            layers.Input([4]),
            layers.Dense(3, activation="tanh", name="dense"),
            layers.Dense(outputs, name="out"),
        ]
    )


def _compiled(flavour: Any) -> Any:
    model = _model(flavour)
    model.compile(optimizer=flavour.optimizers.Adam(0.02, epsilon=1e-8), loss=lambda y, out: (out - 1.0) ** 2)
    model.optimizer.build(model.trainable_variables)
    return model


class Net(tf.Module):
    """The net as plain variables, under the names of the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.out = tf.Module(), tf.Module()
        for layer, shape in ((self.dense, [4, 3]), (self.out, [3, 1])):
            layer.kernel, layer.bias = tf.Variable(tf.zeros(shape)), tf.Variable(tf.zeros(shape[1:]))


def _values(target: Any) -> list[Any]:
    return (
        [each.numpy() for each in tf.Module.variables.fget(target)] if isinstance(target, tf.Module) else []
    )


def _all_equal(one: list[Any], other: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _keys(lefts: Any) -> set[str]:
    return {left.key for left in lefts}


# Into all kinds of objects ---------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_keras_model_computes_what_the_graph_did(flavour: Any, trained: Trained) -> None:
    model = _model(flavour)
    report = legacy_ckpt.restore(model, trained.prefix)
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)
    assert {step.sources[0].key for step in report.restored} == {
        "dense/kernel", "dense/bias", "out/kernel", "out/bias",
    }  # fmt: skip


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_training_goes_on_with_the_optimizers_state(flavour: Any, trained: Trained) -> None:
    model = _compiled(flavour)
    legacy_ckpt.restore(model, trained.prefix).assert_consumed()
    assert int(model.optimizer.iterations) == 7
    model.train_on_batch(INPUTS, np.ones((5, 1), np.float32))
    np.testing.assert_allclose(model(INPUTS), trained.one_step_on, rtol=1e-4)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_tf_train_checkpoint_goes_on_saving(flavour: Any, trained: Trained, tmp_path: Path) -> None:
    model, step = _compiled(flavour), tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, step=step)
    legacy_ckpt.restore(checkpoint, trained.prefix, rules=["global_step -> step"])
    assert (int(step), int(checkpoint.save_counter), int(model.optimizer.iterations)) == (7, 7, 7)
    path = checkpoint.save(str(tmp_path / "ckpt"))
    assert path.endswith("ckpt-8")
    again = _compiled(flavour)
    fresh = tf.train.Checkpoint(model=again, optimizer=again.optimizer, step=tf.Variable(0, dtype=tf.int64))
    fresh.restore(path).assert_consumed()
    np.testing.assert_array_equal(again(INPUTS), model(INPUTS))


def _module() -> Any:
    return Net()


def _checkpoint() -> Any:
    return tf.train.Checkpoint(net=Net())


def _in_a_dict() -> Any:
    return {"a": [Net()], "b": {}}


@pytest.mark.parametrize("make", [_module, _checkpoint, _in_a_dict])
def test_modules_checkpoints_and_structures(make: Callable[[], Any], trained: Trained) -> None:
    target = make()
    report = legacy_ckpt.restore(target, trained.prefix)
    net = target if isinstance(target, Net) else target.net if hasattr(target, "net") else target["a"][0]
    for name in ("dense", "out"):
        for leaf in ("kernel", "bias"):
            np.testing.assert_array_equal(getattr(getattr(net, name), leaf), trained.values[f"{name}/{leaf}"])
    assert not report.missing


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_optimizer_alone_beside_its_variables(flavour: Any, trained: Trained) -> None:
    model = _compiled(flavour)
    legacy_ckpt.restore({"optimizer": model.optimizer, "model": model}, trained.prefix)
    assert int(model.optimizer.iterations) == 7


def test_a_variable_of_a_mirrored_strategy(trained: Trained) -> None:
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        kernel = tf.Variable(tf.zeros([4, 3]), name="dense/kernel")
    legacy_ckpt.restore(
        tf.train.Checkpoint(kernel=kernel), trained.prefix, mapping={"dense/kernel": "kernel"}
    )
    np.testing.assert_array_equal(kernel, trained.values["dense/kernel"])


# Of every age ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"write_version": 1}, {"sharded": True}, {"write_version": 1, "sharded": True}], ids=str
)
def test_every_format_dtype_and_partition(options: dict[str, Any], tmp_path: Path) -> None:
    dtypes = [tf.float16, tf.float64, tf.int8, tf.int64, tf.bool, tf.complex64, tf.uint8]
    dtypes += [tf.bfloat16, tf.string] if "write_version" not in options else []
    values = {
        f"v{n}": tf.cast([[0, 1], [1, 0]], dtype) if dtype != tf.string else [["a", ""], ["é", "d"]]
        for n, dtype in enumerate(dtypes)
    }
    values = {name: np.asarray(tf.constant(value)) for name, value in values.items()}
    with tf.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=value)
        parts = v1.get_variable("parts", [7, 2], tf.float64, partitioner=v1.fixed_size_partitioner(3))
        session.run(v1.global_variables_initializer())
        for part, value in zip(parts, np.split(np.arange(14.0).reshape(7, 2), [3, 5]), strict=True):
            part.load(value, session)
        prefix = v1.train.Saver(**options).save(session, str(tmp_path / "m"))
    values["parts"] = np.arange(14.0).reshape(7, 2)
    target = tf.train.Checkpoint(
        **{name: tf.Variable(tf.zeros_like(value)) for name, value in values.items()}
    )
    legacy_ckpt.restore(target, prefix).assert_consumed()
    for name, value in values.items():
        np.testing.assert_array_equal(getattr(target, name).numpy(), value)


@pytest.mark.parametrize("way", ["directory", "index", "state file", "stale", "Path", "open"])
def test_whatever_a_person_points_at(way: str, trained: Trained, tmp_path: Path) -> None:
    directory = shutil.copytree(Path(trained.prefix).parent, tmp_path / "copy")
    (directory / "checkpoint").write_text('model_checkpoint_path: "/gone/model.ckpt-7"\n')
    prefix = str(directory / "model.ckpt-7")
    path: Any = {
        "directory": directory,
        "index": prefix + ".index",
        "state file": directory / "checkpoint",
        "stale": str(directory),
        "Path": Path(prefix),
        "open": Checkpoint.open(prefix),
    }[way]
    model = _model(keras)
    assert legacy_ckpt.restore(model, path).prefix == prefix
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)


def test_an_object_based_checkpoint_is_mapped_by_its_graph(trained: Trained, tmp_path: Path) -> None:
    model = _compiled(keras)
    legacy_ckpt.restore(model, trained.prefix)
    path = tf.train.Checkpoint(net=model).save(str(tmp_path / "ckpt"))
    same, below = _compiled(keras), _compiled(keras)
    legacy_ckpt.restore(tf.train.Checkpoint(net=same), path).assert_consumed()
    report = legacy_ckpt.restore(below, path).assert_consumed()
    for other in (same, below):
        np.testing.assert_array_equal(other(INPUTS), model(INPUTS))
        assert int(other.optimizer.iterations) == 7
    assert _keys(report.unread) == {"save_counter/.ATTRIBUTES/VARIABLE_VALUE"}
    with pytest.raises(UnmappedError, match="missing from the checkpoint"):
        legacy_ckpt.restore(tf.train.Checkpoint(v=tf.Variable(1.0)), path)


def test_tables_and_text_come_along(tmp_path: Path) -> None:
    def made() -> Any:
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        return tf.train.Checkpoint(table=table, text=tf.Variable("before"))

    one, other = made(), made()
    one.table.insert(["a", "b"], [1, 2])
    one.text.assign("after")
    other.table.insert(["z"], [9])
    legacy_ckpt.restore(other, one.write(str(tmp_path / "ckpt"))).assert_consumed()
    assert other.text.numpy() == b"after"
    assert other.table.lookup(tf.constant(["a", "b", "z"])).numpy().tolist() == [1, 2, -1]


# Both sides ------------------------------------------------------------------------------------------


def test_what_tensorflow_passes_over_in_silence_is_told(trained: Trained) -> None:
    bias = tf.Variable(tf.zeros([3]), name="dense/bias")
    stock = tf.train.Checkpoint(dense=tf.train.Checkpoint(bias=bias))
    report = legacy_ckpt.restore({"bias": bias}, trained.prefix, mapping={"dense/bias": "bias"})
    np.testing.assert_array_equal(bias, trained.values["dense/bias"])
    assert len(report.unread) == len(trained.values) - 1
    assert _keys(report.unread) == set(trained.values) - {"dense/bias"}
    with pytest.raises(AssertionError, match=r"unread in the checkpoint: out/kernel float32\[3, 1\]"):
        report.assert_consumed()
    assert stock is not None


def test_a_report_reads_well(trained: Trained) -> None:
    report = legacy_ckpt.restore(_model(keras), trained.prefix)
    assert isinstance(report, ObjectReport)
    counts = "4 restored, 0 missing, 11 unread (0 of them left over), 0 kept as they were"
    assert str(report).splitlines()[0] == f"{trained.prefix}: {counts}"
    assert "unread in the checkpoint: dense/kernel/Adam float32[4, 3]: " in str(report)


def test_partial_leaves_the_rest_alone(trained: Trained) -> None:
    net = Net()
    net.extra = tf.Variable([5.0])
    with pytest.raises(UnmappedError, match=r"1 missing from the checkpoint.*nothing was changed") as caught:
        legacy_ckpt.restore(net, trained.prefix)
    assert "extra" in str(caught.value)
    assert not net.dense.bias.numpy().any()
    report = legacy_ckpt.restore(net, trained.prefix, partial=True)
    assert [left.paths for left in report.missing] == [("extra",)]
    assert net.extra.numpy() == [5.0]
    np.testing.assert_array_equal(net.dense.bias, trained.values["dense/bias"])


@pytest.mark.parametrize("partial", [False, True])
def test_what_is_undecided_is_told_and_never_guessed(partial: bool, tmp_path: Path) -> None:
    saver = legacy_ckpt.Saver({name: tf.Variable([1.0, 2.0, 3.0]) for name in ("one", "two")})
    prefix = saver.save(None, tmp_path / "model.ckpt")
    target = tf.train.Checkpoint(other=tf.Variable([0.0, 0.0, 0.0]))
    told = r"1 undecided(.|\n)*mapping decide, with partial=True as well(.|\n)*one, two"
    with pytest.raises(UnmappedError, match=told):
        legacy_ckpt.restore(target, prefix, partial=partial)
    np.testing.assert_array_equal(target.other, [0, 0, 0])


def test_a_model_that_differs_is_told_and_unchanged(trained: Trained) -> None:
    model = _model(keras, outputs=2)
    before = [each.copy() for each in model.get_weights()]
    with pytest.raises(UnmappedError) as caught:
        legacy_ckpt.restore(model, trained.prefix)
    assert "out/kernel: float32[3, 1]: nothing takes it" in str(caught.value)
    assert "float32[3, 2]" in str(caught.value)
    assert _all_equal(before, model.get_weights())


# Rules, mappings, plans ------------------------------------------------------------------------------


def test_rules_a_mapping_and_options_decide(trained: Trained) -> None:
    kernel, step = tf.Variable(tf.zeros([3, 4])), tf.Variable(0, dtype=tf.int32)
    rules = '[[rule]]\nmatch = "dense/kernel"\nto = "kernel"\ntransforms = [{transpose = [1, 0]}]\n'
    target = tf.train.Checkpoint(kernel=kernel, step=step)
    legacy_ckpt.restore(
        target,
        trained.prefix,
        rules=rules + '[[rule]]\nmatch = "global_step"\nto = "step"\ntransforms = [{cast = "int32"}]\n',
    )
    np.testing.assert_array_equal(kernel, trained.values["dense/kernel"].T)
    assert int(step) == 7
    model = _compiled(keras)
    legacy_ckpt.restore(model, trained.prefix, options=Options(optimizer="drop"))
    assert int(model.optimizer.iterations) == 0


def test_a_plan_and_a_plan_file(trained: Trained, tmp_path: Path) -> None:
    plan = make_plan(trained.prefix, legacy_ckpt.template(tf.train.Checkpoint(model=_compiled(keras))))
    write_plan(plan, tmp_path / "plan.toml")
    for given in (plan, tmp_path / "plan.toml", str(tmp_path / "plan.toml")):
        model = _compiled(keras)
        legacy_ckpt.restore(tf.train.Checkpoint(model=model), trained.prefix, plan=given)
        np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)
    with pytest.raises(InputError, match="a plan says all"):
        legacy_ckpt.restore(_compiled(keras), trained.prefix, plan=plan, rules=["a -> b"])
    with pytest.raises(PlanError, match="the plan was made for other objects"):
        legacy_ckpt.restore(_compiled(keras), trained.prefix, plan=plan)
    backwards = make_plan(
        legacy_ckpt.template(tf.train.Checkpoint(model=_compiled(keras))).checkpoint, to="name"
    )
    with pytest.raises((InputError, PlanError)):
        legacy_ckpt.restore(_compiled(keras), trained.prefix, plan=backwards)


# What is not built -----------------------------------------------------------------------------------


class Later(keras.Model):
    """Layers without variables until it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.out = keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.out(self.dense(inputs))


def _unbuilt(flavour: Any) -> Any:
    return flavour.Sequential([flavour.layers.Dense(3), flavour.layers.Dense(1)])


@pytest.mark.parametrize(
    "make",
    [
        lambda: _unbuilt(keras),
        lambda: _unbuilt(tf_keras),
        lambda: tf.train.Checkpoint(model=_unbuilt(keras)),
        lambda: tf.train.Checkpoint(model=_unbuilt(tf_keras)),
        lambda: {"model": _unbuilt(keras)},
        Later,
    ],
)
def test_a_model_that_is_not_built_is_refused(make: Callable[[], Any], trained: Trained) -> None:
    with pytest.raises(
        NotBuiltError, match=r"not built yet(.|\n)*call model.build\(input_shape\), or the model once"
    ):
        legacy_ckpt.restore(make(), trained.prefix)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_optimizer_that_would_lose_its_state_is_refused(flavour: Any, trained: Trained) -> None:
    model = _model(flavour)
    model.compile(optimizer="adam", loss="mse")
    with pytest.raises(NotBuiltError, match=r"call optimizer.build\(model.trainable_variables\)"):
        legacy_ckpt.restore(model, trained.prefix)
    legacy_ckpt.restore(model, trained.prefix, options=Options(optimizer="drop"))
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)


class Spare(tf_keras.Model):
    """Has a layer that it never calls, and one that it calls in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.out = tf_keras.layers.Dense(3, activation="tanh"), tf_keras.layers.Dense(1)
        self.dropout = tf_keras.layers.Dropout(0.5)
        self.spare: Any = None

    def call(self, inputs: Any, training: bool = False) -> Any:
        hidden = self.dense(inputs)
        return self.out(self.dropout(hidden) if training else hidden)


def test_a_layer_that_is_called_in_training_only(trained: Trained) -> None:
    model = Spare()
    model(INPUTS)
    legacy_ckpt.restore(model, trained.prefix)
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)


def test_a_layer_that_is_never_called(trained: Trained, tmp_path: Path) -> None:
    model = Spare()
    model.spare = tf_keras.layers.Dense(9)
    model(INPUTS)
    with pytest.raises(NotBuiltError, match=r"Dense 'dense.*never called it.*partial=True"):
        legacy_ckpt.restore(model, trained.prefix)
    legacy_ckpt.restore(model, trained.prefix, partial=True)
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)
    assert legacy_ckpt.save_names(model, tmp_path / "names").tensors == 4


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_optimizer_that_scales_the_loss(flavour: Any, trained: Trained) -> None:
    model = _model(flavour)
    optimizer = flavour.mixed_precision.LossScaleOptimizer(flavour.optimizers.Adam())
    target = tf.train.Checkpoint(model=model, optimizer=optimizer)
    with pytest.raises(NotBuiltError, match=r"optimizer.build\("):
        legacy_ckpt.restore(target, trained.prefix)
    optimizer.build(model.trainable_variables)
    report = legacy_ckpt.restore(target, trained.prefix)
    assert not report.left_over
    assert not report.missing


def _zero_step(optimizer: Any, variables: Any) -> None:
    optimizer.apply_gradients([(tf.zeros_like(each), each) for each in variables])


@pytest.mark.parametrize(
    ("optimizer", "told", "build"),
    [
        pytest.param(
            tf_keras.optimizers.legacy.Adam,
            r"call optimizer._create_all_weights\(model.trainable_variables\)",
            lambda optimizer, variables: optimizer._create_all_weights(variables),
            id="tf_keras legacy",
        ),
        pytest.param(
            lambda: tf.compat.v1.train.AdamOptimizer(0.1),
            r"call optimizer.apply_gradients\(",
            _zero_step,
            id="tf.compat.v1.train",
        ),
    ],
)
def test_an_optimizer_that_makes_its_slots_at_the_first_step(
    optimizer: Callable[[], Any], told: str, build: Callable[[Any, Any], Any], trained: Trained
) -> None:
    target = tf.train.Checkpoint(model=_model(tf_keras), optimizer=optimizer())
    for unbuilt in (target, target.optimizer):
        with pytest.raises(NotBuiltError, match=told):
            legacy_ckpt.restore(unbuilt, trained.prefix)
    build(target.optimizer, target.model.trainable_variables)
    report = legacy_ckpt.restore(target, trained.prefix)
    assert not report.left_over
    assert sum("/.OPTIMIZER_SLOT/" in step.target for step in report.restored) == 8


def test_gradient_descent_has_no_slots_to_build(trained: Trained) -> None:
    for optimizer in (tf_keras.optimizers.legacy.SGD(), tf.compat.v1.train.GradientDescentOptimizer(0.1)):
        target = tf.train.Checkpoint(model=_model(tf_keras), optimizer=optimizer)
        legacy_ckpt.restore(target, trained.prefix)


def test_a_subclassed_model_once_called(trained: Trained) -> None:
    model = Later()
    model(INPUTS)
    legacy_ckpt.restore(model, trained.prefix)
    np.testing.assert_allclose(model(INPUTS), trained.outputs, rtol=1e-5)


# All or nothing --------------------------------------------------------------------------------------


def _flip(prefix: str) -> None:
    path = Path(prefix + ".data-00000-of-00001")
    raw = bytearray(path.read_bytes())
    raw[Checkpoint.open(prefix).placed("out/kernel")[0][1].offset] ^= 1
    path.write_bytes(raw)


def _shorten(prefix: str) -> None:
    path = Path(prefix + ".data-00000-of-00001")
    path.write_bytes(path.read_bytes()[:-1])


def _remove(prefix: str) -> None:
    Path(prefix + ".data-00000-of-00001").unlink()


@pytest.mark.parametrize("damage", [_flip, _shorten, _remove])
def test_a_partial_or_damaged_file_changes_nothing(
    damage: Callable[[str], None], trained: Trained, tmp_path: Path
) -> None:
    prefix = str(shutil.copytree(Path(trained.prefix).parent, tmp_path / "copy") / "model.ckpt-7")
    damage(prefix)
    net = Net()
    with pytest.raises(FormatError):
        legacy_ckpt.restore(net, prefix)
    assert not any(each.numpy().any() for each in net.variables)


def test_a_file_that_changes_during_the_restore_is_told(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = str(shutil.copytree(Path(trained.prefix).parent, tmp_path / "copy") / "model.ckpt-7")
    verified = reading.verified

    def then_damaged(*arguments: Any) -> Any:
        values = verified(*arguments)
        _shorten(prefix)
        return values

    monkeypatch.setattr("legacy_ckpt.objects.restoring.verified", then_damaged)
    with pytest.raises(FormatError, match=r"changed while it was restored.* restore again"):
        legacy_ckpt.restore(_compiled(keras), prefix)


def test_nothing_is_written(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", None)
    monkeypatch.setattr(tempfile, "mkstemp", None)
    before = {each: each.stat().st_mtime_ns for each in Path(trained.prefix).parent.iterdir()}
    legacy_ckpt.restore(_compiled(keras), trained.prefix)
    assert {each: each.stat().st_mtime_ns for each in Path(trained.prefix).parent.iterdir()} == before


def test_many_tensors_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {f"w{n}": np.full([n + 1], n, np.float32) for n in range(40)}
    variables = [tf.Variable(value, name=name) for name, value in values.items()]
    prefix = legacy_ckpt.Saver(dict(zip(values, variables, strict=True))).save(None, str(tmp_path / "m"))
    monkeypatch.setattr(reading, "_BATCH", 100)
    target = tf.train.Checkpoint(
        **{name: tf.Variable(tf.zeros_like(value)) for name, value in values.items()}
    )
    legacy_ckpt.restore(target, prefix)
    assert all(np.array_equal(getattr(target, name), value) for name, value in values.items())


# Bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path", "error", "told"),
    [
        (
            tf.train.Checkpoint,
            lambda prefix: None,
            InputError,
            "path is None: there is no checkpoint to restore",
        ),
        (Net, lambda prefix: prefix[:-2], CheckpointNotFoundError, r"the nearest that exist: .*model.ckpt-7"),
        (Net, lambda prefix: prefix.replace("-7", "-{step}"), CheckpointNotFoundError, "model.ckpt-7"),
        (object, str, InputError, r"object cannot be restored: .*wrap objects by name"),
        (lambda: tf.Variable([1.0]).numpy(), str, InputError, "ndarray cannot be restored"),
        (tf.train.Checkpoint, str, InputError, "the live Checkpoint holds no variables: attach them first"),
        (tf.Module, str, InputError, "the live Module holds no variables"),
        (dict, str, InputError, "holds no variables"),
    ],
)
def test_bad_input_is_told(target: Any, path: Any, error: Any, told: str, trained: Trained) -> None:
    with pytest.raises(error, match=told):
        legacy_ckpt.restore(target(), path(trained.prefix))


def test_a_mapping_that_is_none(trained: Trained) -> None:
    with pytest.raises(InputError, match="mapping is a dict from one name to another, not a list"):
        legacy_ckpt.restore(Net(), trained.prefix, mapping=["w"])  # type: ignore[arg-type]


def test_graph_mode_is_told(trained: Trained) -> None:
    with (
        tf.Graph().as_default(),
        pytest.raises(InputError, match=r"this is graph mode.*use legacy_ckpt.Saver"),
    ):
        legacy_ckpt.restore(Net(), trained.prefix)
