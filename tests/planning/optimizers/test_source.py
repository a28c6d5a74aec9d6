"""Optimizers told by names, shapes and groups alone: no graph, no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from migration.planning.optimizers import SourceState, recognise
from migration.planning.plan import Confidence
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

W, B = (3, 4), (4,)
Values = Mapping[str, Any]


def state_of(shapes: Mapping[str, tuple[int, ...]], scalars: Values | None = None) -> SourceState:
    """What is recognised in float32 tensors of these shapes and in these scalars."""
    values = {name: np.asarray(value) for name, value in (scalars or {}).items()}
    values |= {name: np.zeros((), np.float32) for name, shape in shapes.items() if shape == ()}
    specs = {name: TensorSpec(DType.FLOAT32, shape) for name, shape in shapes.items()}
    specs |= {name: TensorSpec(DType.from_numpy(value.dtype), value.shape) for name, value in values.items()}
    return recognise(specs, None, values.__getitem__)


def slotted(
    variables: Mapping[str, tuple[int, ...]], *names: str, scope: str = ""
) -> dict[str, tuple[int, ...]]:
    """The variables, and a slot of each name for every one."""
    return dict(variables) | {
        f"{scope}{variable}/{name}": shape for variable, shape in variables.items() for name in names
    }


VARIABLES = {"dense/kernel": W, "dense/bias": B}
POWERS = {"beta1_power": np.float32(0.9**8), "beta2_power": np.float32(0.999**8)}

FAMILIES = [
    ("Adam", ("Adam", "Adam_1"), ("m", "v")),
    ("Momentum", ("Momentum",), ("momentum",)),
    ("RMSProp", ("RMSProp", "RMSProp_1"), ("rms", "momentum")),
    ("RMSProp", ("RMSProp", "RMSProp_1", "RMSProp_2"), ("rms", "mg", "momentum")),
    ("Adagrad", ("Adagrad",), ("accumulator",)),
    ("Adadelta", ("Adadelta", "Adadelta_1"), ("accum", "accum_update")),
    ("Ftrl", ("Ftrl", "Ftrl_1"), ("accum", "linear")),
    ("AdamWeightDecay", ("adam_m", "adam_v"), ("m", "v")),
]


@pytest.mark.parametrize("scope", ["", "optimizer/", "a/b/train/", "training_scope/"])
@pytest.mark.parametrize(
    ("kind", "names", "slots"), FAMILIES, ids=[f"{row[0]} x{len(row[1])}" for row in FAMILIES]
)
def test_families(kind: str, names: tuple[str, ...], slots: tuple[str, ...], scope: str) -> None:
    state = state_of(slotted(VARIABLES, *names, scope=scope))
    (optimizer,) = state.optimizers
    assert optimizer.kind == kind
    assert optimizer.slots == {
        (variable, slot): f"{scope}{variable}/{name}"
        for variable in VARIABLES
        for slot, name in zip(slots, names, strict=True)
    }
    assert optimizer.variables == set(VARIABLES)
    assert not state.undecided


KERAS = [
    ("training/Ftrl", "Ftrl", {"accumulator": "accum", "linear": "linear"}),
    ("training/Adam", "Adam", {"m": "m", "v": "v"}),
    ("Adam", "Adam", {"m": "m", "v": "v"}),
    ("training_1/SGD", "Momentum", {"momentum": "momentum"}),
    ("training/RMSprop", "RMSProp", {"rms": "rms", "momentum": "momentum", "mg": "mg"}),
    ("training/Adagrad", "Adagrad", {"accumulator": "accumulator"}),
    ("training/Adadelta", "Adadelta", {"accum_grad": "accum", "accum_var": "accum_update"}),
]


@pytest.mark.parametrize(("scope", "kind", "slots"), KERAS, ids=[row[0] for row in KERAS])
def test_keras_optimizers_saved_by_name(scope: str, kind: str, slots: dict[str, str]) -> None:
    shapes = slotted(VARIABLES, *slots, scope=f"{scope}/")
    state = state_of(shapes, {f"{scope}/learning_rate": np.float32(0.1), f"{scope}/iter": np.int64(5)})
    (optimizer,) = state.optimizers
    assert (optimizer.kind, optimizer.scaled) == (kind, kind == "Momentum")
    assert optimizer.slots == {
        (variable, slot): f"{scope}/{variable}/{name}"
        for variable in VARIABLES
        for name, slot in slots.items()
    }
    assert optimizer.scalars == {"iterations": f"{scope}/iter"}
    assert optimizer.numbers["learning_rate"].key == f"{scope}/learning_rate"


@pytest.mark.parametrize(
    "names",
    [
        {"weights": W, "weights_1": W, "weights_2": W},
        {"bias": B, "bias_9": B, "bias_10": B},
        {"Adam/kernel": W, "Adam/bias": B},
        {"w": W, "w/Adam": B},
        {"v/Adam": W, "v/Adam_1": W},
        {"layer": W, "layer/kernel": W},
    ],
    ids=[
        "weights_1",
        "bias_9",
        "a scope named Adam",
        "another shape",
        "no variable",
        "a variable that is a scope",
    ],
)
def test_what_is_no_slot(names: dict[str, tuple[int, ...]]) -> None:
    state = state_of(names)
    assert (state.optimizers, state.undecided, state.claimed) == ((), (), frozenset())


def test_two_adams_over_the_same_variables() -> None:
    powers = {**POWERS, "beta1_power_1": np.float32(0.9), "beta2_power_1": np.float32(0.999)}
    state = state_of(slotted(VARIABLES, "Adam", "Adam_1", "Adam_2", "Adam_3"), powers)
    first, second = state.optimizers
    assert first.slots["dense/bias", "v"] == "dense/bias/Adam_1"
    assert second.slots["dense/bias", "m"] == "dense/bias/Adam_2"
    assert first.scalars == {"beta1_power": "beta1_power", "beta2_power": "beta2_power"}
    assert second.scalars == {"beta1_power": "beta1_power_1", "beta2_power": "beta2_power_1"}


def test_more_beta_powers_than_adams_are_a_doubt() -> None:
    powers = {**POWERS, "beta1_power_1": np.float32(0.9), "beta2_power_1": np.float32(0.999)}
    (optimizer,) = state_of(slotted(VARIABLES, "Adam", "Adam_1"), powers).optimizers
    assert optimizer.doubts == {
        "beta1_power": ("beta1_power", "beta1_power_1"),
        "beta2_power": ("beta2_power", "beta2_power_1"),
    }


def test_an_incomplete_set_is_undecided() -> None:
    state = state_of(slotted(VARIABLES, "Adam", "Adam_1") | {"dense/kernel/Adam_2": W})
    assert {one.key for one in state.undecided} == {
        "dense/kernel/Adam",
        "dense/kernel/Adam_1",
        "dense/kernel/Adam_2",
    }
    assert all(one.candidates == ("dense/kernel",) for one in state.undecided)
    assert state.optimizers[0].variables == {"dense/bias"}


def test_a_name_of_the_programs_own_is_likely_an_adam_beside_beta_powers() -> None:
    names = slotted(VARIABLES, "policy_optimizer", "policy_optimizer_1")
    assert state_of(names).optimizers == ()
    (optimizer,) = state_of(names, POWERS).optimizers
    assert (optimizer.kind, optimizer.confidence) == ("Adam", Confidence.LIKELY)


def test_partitioned_variables_in_part_scopes() -> None:
    parts = {"emb/weights/part_0": (5, 4), "emb/weights/part_1": (5, 4)}
    (optimizer,) = state_of(slotted(parts, "Adagrad")).optimizers
    assert optimizer.slots["emb/weights/part_1", "accumulator"] == "emb/weights/part_1/Adagrad"


BETAS = [(0.9, 0.999, 151), (0.9, 0.98, 1), (0.5, 0.9, 20), (0.975, 0.999, 300), (0.0, 0.999, 5)]


@pytest.mark.parametrize(("beta1", "beta2", "step"), BETAS)
def test_betas_are_the_roots_of_their_powers(beta1: float, beta2: float, step: int) -> None:
    powers = {}
    for name, beta in (("beta1_power", beta1), ("beta2_power", beta2)):
        power = np.float32(beta)
        for _ in range(step):
            power = np.float32(power * np.float32(beta))
        powers[name] = power
    (optimizer,) = state_of(
        slotted(VARIABLES, "Adam", "Adam_1"), {**powers, "global_step": np.int64(step)}
    ).optimizers
    for name, beta in (("beta1", beta1), ("beta2", beta2)):
        assert optimizer.numbers[name].value == float(np.float32(beta))


AVERAGES = [
    ({"w/ExponentialMovingAverage": W}, {"w/ExponentialMovingAverage": "w"}),
    ({"ema/w/ExponentialMovingAverage": W}, {"ema/w/ExponentialMovingAverage": "w"}),
    ({"w/ExponentialMovingAverage_1": W}, {"w/ExponentialMovingAverage_1": "w"}),
    ({"loss/avg/ExponentialMovingAverage": ()}, {"loss/avg/ExponentialMovingAverage": ""}),
    ({"w/moving_average": W}, {"w/moving_average": "w"}),
    ({"bn/moving_mean": B, "w/other": W}, {}),
]


@pytest.mark.parametrize(("shapes", "averages"), AVERAGES, ids=[next(iter(row[0])) for row in AVERAGES])
def test_averages(shapes: dict[str, tuple[int, ...]], averages: dict[str, str]) -> None:
    state = state_of({"w": W, "v": B, **shapes})
    assert state.averages == averages
    assert state.claimed == set(averages)


def test_an_averages_own_name_is_no_slot() -> None:
    state = state_of(slotted(VARIABLES, "Adam", "Adam_1", "ExponentialMovingAverage"))
    assert len(state.optimizers) == 1
    assert set(state.averages.values()) == set(VARIABLES)
