"""Optimizers of real models are recognised from their object graphs: kind, slots, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration.planning.optimizers import TargetOptimizer, claimed_targets, recognise_template
from migration.planning.targets import Template
from tests.installed_keras import FLAVOUR, only_keras_3

v1 = tf.compat.v1.train
legacy = tf_keras.optimizers.legacy
Lists = dict[str, str]  # slot -> the list of the Keras optimizer that holds it

KERAS: dict[str, tuple[Callable[[Any], Any], str, Lists]] = {
    "Adam": (lambda lib: lib.Adam(), "Adam", {"m": "_momentums", "v": "_velocities"}),
    "AdamW": (lambda lib: lib.AdamW(), "Adam", {"m": "_momentums", "v": "_velocities"}),
    "amsgrad": (
        lambda lib: lib.Adam(amsgrad=True),
        "Adam",
        {"m": "_momentums", "v": "_velocities", "vhat": "_velocity_hats"},
    ),
    "named Adam": (lambda lib: lib.Adam(name="mine"), "Adam", {"m": "_momentums", "v": "_velocities"}),
    "Nadam": (lambda lib: lib.Nadam(), "Nadam", {"m": "_momentums", "v": "_velocities"}),
    "Adamax": (lambda lib: lib.Adamax(), "Adamax", {"m": "_m", "v": "_u"}),
    "SGD with momentum": (lambda lib: lib.SGD(momentum=0.9), "Momentum", {"momentum": "momentums"}),
    "RMSprop": (lambda lib: lib.RMSprop(), "RMSProp", {"rms": "_velocities"}),
    "RMSprop with momentum": (
        lambda lib: lib.RMSprop(momentum=0.5, name="mine"),
        "RMSProp",
        {"rms": "_velocities", "momentum": "_momentums"},
    ),
    "centered RMSprop": (
        lambda lib: lib.RMSprop(centered=True),
        "RMSProp",
        {"rms": "_velocities", "mg": "_average_gradients"},
    ),
    "centered RMSprop with momentum": (
        lambda lib: lib.RMSprop(centered=True, momentum=0.5),
        "RMSProp",
        {"rms": "_velocities", "momentum": "_momentums", "mg": "_average_gradients"},
    ),
    "Adagrad": (lambda lib: lib.Adagrad(), "Adagrad", {"accumulator": "_accumulators"}),
    "Adadelta": (
        lambda lib: lib.Adadelta(),
        "Adadelta",
        {"accum": "_accumulated_grads", "accum_update": "_accumulated_delta_vars"},
    ),
    "Ftrl": (lambda lib: lib.Ftrl(), "Ftrl", {"accum": "_accumulators", "linear": "_linears"}),
    "with averages": (
        lambda lib: lib.Adam(use_ema=True),
        "Adam",
        {"m": "_momentums", "v": "_velocities"},
    ),
    "scheduled": (
        lambda lib: lib.Adam(lib.schedules.ExponentialDecay(0.1, 10, 0.9)),
        "Adam",
        {"m": "_momentums", "v": "_velocities"},
    ),
}
LIBRARIES = {"keras": (FLAVOUR, keras), "tf_keras": ("tf_keras", tf_keras)}


def model(library: Any) -> Any:
    """Two layers of one shape and a third: shapes alone do not tell the variables apart."""
    layers = [
        library.layers.Input((4,)),
        library.layers.Dense(4, name="one"),
        library.layers.Dense(4, name="two"),
        library.layers.Dense(2, use_bias=False, name="three"),
    ]
    return library.Sequential(layers)


def numbered(variables: list[Any], start: float) -> None:
    """Give every variable a value of its own."""
    for place, variable in enumerate(variables):
        variable.assign(np.full(variable.shape, start + place, np.float32))


def template_of(folder: Path, **objects: Any) -> Template:
    return Template.of(str(tf.train.Checkpoint(**objects).write(str(folder / "template"))))


def found_values(template: Template, optimizer: TargetOptimizer, slot: str) -> dict[float, float]:
    """Value of the variable -> value of its slot, as the keys that were recognised hold them."""
    read = template.checkpoint.read
    return {
        float(read(template.by_node[node].key).flat[0]): float(read(key).flat[0])
        for (node, name), key in optimizer.slots.items()
        if name == slot
    }


def check(template: Template, optimizer: TargetOptimizer, slots: Lists, live: Any, count: int) -> None:
    assert optimizer.slot_names == set(slots)
    for slot, attribute in slots.items():
        values = [float(np.asarray(one).flat[0]) for one in getattr(live, attribute)]
        assert found_values(template, optimizer, slot) == dict(
            zip((float(place) for place in range(count)), values, strict=True)
        )


@pytest.mark.parametrize("way", ["separate", "compiled", "saved before it was built"])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", KERAS)
def test_keras_optimizers(name: str, library: str, way: str, tmp_path: Path) -> None:
    make, kind, slots = KERAS[name]
    flavour, package = LIBRARIES[library]
    net, live = model(package), make(package.optimizers)
    objects: dict[str, Any] = {"model": net, "optimizer": live}
    if way == "compiled":
        net.compile(live, "mse")
        objects = {"model": net}
    if way == "saved before it was built":
        tf.train.Checkpoint(**objects).write(str(tmp_path / "before"))
    live.build(net.trainable_variables)
    numbered(net.trainable_variables, 0.0)
    for place, attribute in enumerate(slots.values()):
        numbered(getattr(live, attribute), 100.0 * (place + 1))
    template = template_of(tmp_path, **objects)
    (optimizer,) = recognise_template(template)
    if name == "Nadam" and not any("_u_product" in target.key for target in template.targets):
        assert (flavour, way) == ("tf_keras", "saved before it was built")
        kind = "Adam"  # Keras 2 from 2.15 on has not tracked it then: only the source can tell
    assert (optimizer.flavour, optimizer.kind, optimizer.built) == (flavour, kind, True)
    check(template, optimizer, slots, live, len(net.trainable_variables))
    assert {"iterations"} <= optimizer.scalars.keys() <= {"iterations", "learning_rate"}
    assert ("learning_rate" in optimizer.scalars) == (name != "scheduled")
    assert len(optimizer.averages) == (5 if name == "with averages" else 0)
    names = {target.key for target in template.targets if "optimizer" in target.key.split("/", 2)[:2]}
    weights = {target.key for target in template.targets if target.spec.shape and target.key in names} & {
        key for key in names if "_trainable_variables" in key
    }
    assert names - weights <= claimed_targets((optimizer,))


@pytest.mark.parametrize("library", LIBRARIES)
def test_keras_sgd_without_momentum(library: str, tmp_path: Path) -> None:
    flavour, package = LIBRARIES[library]
    net, live = model(package), package.optimizers.SGD()
    live.build(net.trainable_variables)
    (optimizer,) = recognise_template(template_of(tmp_path, model=net, optimizer=live))
    # Keras 2 makes momentum slots all the same
    assert (optimizer.kind, optimizer.built) == (
        "GradientDescent" if flavour == "keras3" else "Momentum",
        True,
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_optimizer_before_it_is_built(library: str, tmp_path: Path) -> None:
    _, package = LIBRARIES[library]
    net, live = model(package), package.optimizers.Adam()
    (optimizer,) = recognise_template(template_of(tmp_path, model=net, optimizer=live))
    assert not optimizer.built
    assert not optimizer.slots
    assert "iterations" in optimizer.scalars


def test_trained_by_fit(tmp_path: Path) -> None:
    """Keras 2 builds inside a tf.function then: names grow a prefix, and lists are not tracked."""
    for library, (_, package) in LIBRARIES.items():
        net = model(package)
        net.compile(package.optimizers.Adam(), "mse")
        net.fit(np.zeros((2, 4), np.float32), np.zeros((2, 2), np.float32), verbose=0)
        numbered(net.trainable_variables, 0.0)
        (optimizer,) = recognise_template(template_of(tmp_path / library, model=net))
        assert (optimizer.kind, len(optimizer.slots)) == ("Adam", 10)


@only_keras_3
def test_a_loss_scale_wrapper_of_keras_3(tmp_path: Path) -> None:
    net, live = model(keras), keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    live.build(net.trainable_variables)
    template = template_of(tmp_path, model=net, optimizer=live)
    outer, inner = recognise_template(template)
    assert (outer.kind, inner.kind) == ("wrapper", "Adam")
    assert len(inner.slots) == 10
    assert any("dynamic_scale" in key for key in outer.others)


def test_a_loss_scale_wrapper_of_tf_keras(tmp_path: Path) -> None:
    for folder, inner in (("new", tf_keras.optimizers.Adam()), ("legacy", legacy.Adam())):
        net, live = model(tf_keras), tf_keras.mixed_precision.LossScaleOptimizer(inner)
        live.apply_gradients([(tf.zeros_like(one), one) for one in net.trainable_variables])
        template = template_of(tmp_path / folder, model=net, optimizer=live)
        (optimizer,) = recognise_template(template)
        assert (optimizer.kind, len(optimizer.slots)) == ("Adam", 10)
        assert any("current_loss_scale" in key for key in optimizer.others)


LEGACY: dict[str, tuple[Callable[[], Any], str, dict[str, str]]] = {
    "Adam": (lambda: legacy.Adam(), "Adam", {"m": "m", "v": "v"}),
    "amsgrad": (lambda: legacy.Adam(amsgrad=True), "Adam", {"m": "m", "v": "v", "vhat": "vhat"}),
    "Adamax": (lambda: legacy.Adamax(), "Adamax", {"m": "m", "v": "v"}),
    "Nadam": (lambda: legacy.Nadam(), "Nadam", {"m": "m", "v": "v"}),
    "SGD": (lambda: legacy.SGD(), "GradientDescent", {}),
    "SGD with momentum": (lambda: legacy.SGD(momentum=0.9), "Momentum", {"momentum": "momentum"}),
    "RMSprop": (lambda: legacy.RMSprop(), "RMSProp", {"rms": "rms"}),
    "centered RMSprop": (
        lambda: legacy.RMSprop(centered=True, momentum=0.5),
        "RMSProp",
        {"rms": "rms", "momentum": "momentum", "mg": "mg"},
    ),
    "Adagrad": (lambda: legacy.Adagrad(), "Adagrad", {"accumulator": "accumulator"}),
    "Adadelta": (lambda: legacy.Adadelta(), "Adadelta", {"accum": "accum_grad", "accum_update": "accum_var"}),
    "Ftrl": (lambda: legacy.Ftrl(), "Ftrl", {"accum": "accumulator", "linear": "linear"}),
}
V1: dict[str, tuple[Callable[[], Any], str, dict[str, str]]] = {
    "Adam": (lambda: v1.AdamOptimizer(), "Adam", {"m": "m", "v": "v"}),
    "Momentum": (lambda: v1.MomentumOptimizer(0.1, 0.9), "Momentum", {"momentum": "momentum"}),
    "RMSProp": (lambda: v1.RMSPropOptimizer(0.1), "RMSProp", {"rms": "rms", "momentum": "momentum"}),
    "centered RMSProp": (
        lambda: v1.RMSPropOptimizer(0.1, centered=True),
        "RMSProp",
        {"rms": "rms", "momentum": "momentum", "mg": "mg"},
    ),
    "Adagrad": (lambda: v1.AdagradOptimizer(0.1), "Adagrad", {"accumulator": "accumulator"}),
    "Adadelta": (
        lambda: v1.AdadeltaOptimizer(),
        "Adadelta",
        {"accum": "accum", "accum_update": "accum_update"},
    ),
    "Ftrl": (lambda: v1.FtrlOptimizer(0.1), "Ftrl", {"accum": "accum", "linear": "linear"}),
}
ROWS = [("tf_keras_legacy", name, row) for name, row in LEGACY.items()] + [("v1", *row) for row in V1.items()]


@pytest.mark.parametrize(("flavour", "name", "row"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS])
def test_optimizers_with_slots(
    flavour: str, name: str, row: tuple[Callable[[], Any], str, dict[str, str]], tmp_path: Path
) -> None:
    make, kind, slots = row
    net, live = model(tf_keras), make()
    live.apply_gradients([(tf.zeros_like(one), one) for one in net.trainable_variables])
    numbered(net.trainable_variables, 0.0)
    for place, own in enumerate(slots.values()):
        numbered([live.get_slot(one, own) for one in net.trainable_variables], 100.0 * (place + 1))
    template = template_of(tmp_path, model=net, optimizer=live)
    (optimizer,) = recognise_template(template)
    assert (optimizer.flavour, optimizer.kind, optimizer.slot_names) == (flavour, kind, set(slots))
    for place, slot in enumerate(slots):
        expected = {float(n): 100.0 * (place + 1) + n for n in range(len(net.trainable_variables))}
        assert found_values(template, optimizer, slot) == expected
    assert claimed_targets((optimizer,)) == {
        target.key for target in template.targets if "/optimizer/" in f"/{target.key}"
    }


def test_a_model_without_an_optimizer(tmp_path: Path) -> None:
    assert recognise_template(template_of(tmp_path, model=model(keras))) == ()


def test_variables_of_one_name_are_told_apart_by_order(tmp_path: Path) -> None:
    variables = [tf.Variable(np.full(3, float(place), np.float32), name="w") for place in range(3)]
    live = tf_keras.optimizers.Adam()
    live.build(variables)
    numbered(live._momentums, 100.0)
    template = template_of(tmp_path, all=variables, optimizer=live)
    (optimizer,) = recognise_template(template)
    assert found_values(template, optimizer, "m") == {0.0: 100.0, 1.0: 101.0, 2.0: 102.0}
