"""The optimizers that are known, and what each family of programs calls their slots.

A slot goes by the name that `tf.compat.v1.train` gives it ("m", "rms", "accumulator"), whatever the file
at hand calls it. The order of a kind's slots is the order in which TF1 creates them, which is how the
suffixes of name-based keys come about: `w/Adam` is m, `w/Adam_1` is v.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Flavour = Literal["v1", "tf_keras_legacy", "tf_keras", "keras3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One optimizer. `slots` come in TF1's order, `optional` are those that an option adds or leaves out."""

    name: str
    slots: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    tf1_name: str = ""
    numbers: tuple[str, ...] = ("learning_rate",)
    counts_steps: bool = False  # whether an update depends on how many there have been


_ADAM_NUMBERS = ("learning_rate", "beta1", "beta2", "epsilon")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="Adam",
            slots=("m", "v", "vhat"),
            optional=frozenset({"vhat"}),
            tf1_name="Adam",
            numbers=_ADAM_NUMBERS,
            counts_steps=True,
        ),
        Kind(name="AdamWeightDecay", slots=("m", "v"), numbers=_ADAM_NUMBERS),
        Kind(name="Adamax", slots=("m", "v"), tf1_name="AdaMax", numbers=_ADAM_NUMBERS, counts_steps=True),
        Kind(name="Nadam", slots=("m", "v"), tf1_name="Nadam", numbers=_ADAM_NUMBERS, counts_steps=True),
        Kind(
            name="Momentum", slots=("momentum",), tf1_name="Momentum", numbers=("learning_rate", "momentum")
        ),
        Kind(
            name="RMSProp",
            slots=("rms", "mg", "momentum"),
            optional=frozenset({"mg", "momentum"}),
            tf1_name="RMSProp",
            numbers=("learning_rate", "rho", "momentum", "epsilon"),
        ),
        Kind(
            name="Adagrad", slots=("accumulator",), tf1_name="Adagrad", numbers=("learning_rate", "epsilon")
        ),
        Kind(
            name="Adadelta",
            slots=("accum", "accum_update"),
            tf1_name="Adadelta",
            numbers=("learning_rate", "rho", "epsilon"),
        ),
        Kind(
            name="Ftrl",
            slots=("accum", "linear"),
            tf1_name="Ftrl",
            numbers=("learning_rate", "l1", "l2", "learning_rate_power", "l2_shrinkage"),
        ),
        Kind(
            name="ProximalAdagrad",
            slots=("accumulator",),
            tf1_name="ProximalAdagrad",
            numbers=("learning_rate", "l1", "l2"),
        ),
        Kind(
            name="AdagradDA",
            slots=("gradient_accumulator", "gradient_squared_accumulator"),
            tf1_name="AdagradDA",
            numbers=("learning_rate", "l1", "l2"),
            counts_steps=True,
        ),
        Kind(name="GradientDescent", slots=(), tf1_name="GradientDescent"),
    )
}


@dataclass(frozen=True, slots=True)
class OpKind:
    """What a fused op of the graph is: the optimizer, its argument names as slots, and as numbers."""

    kind: str
    slots: Mapping[str, str] = field(default_factory=dict)
    scaled: bool = False  # the slot is a velocity, -learning_rate times TF1's accumulator


_ADAM_OP = {"m": "m", "v": "v", "vhat": "vhat"}
_RMS_OP = {"ms": "rms", "mom": "momentum", "mg": "mg"}
_ACCUMULATOR_OP = {"accum": "accumulator"}
_AVERAGING_OP = {
    slot: slot for slot in ("gradient_accumulator", "gradient_squared_accumulator")
}  # of dual averaging
_FTRL_OP = {"accum": "accum", "linear": "linear"}

OP_KINDS: Mapping[str, OpKind] = {
    "Adam": OpKind("Adam", _ADAM_OP),
    "AdamWithAmsgrad": OpKind("Adam", _ADAM_OP),
    "AdamWeightDecay": OpKind("AdamWeightDecay", _ADAM_OP),
    "AdaMax": OpKind("Adamax", _ADAM_OP),
    "Momentum": OpKind("Momentum", {"accum": "momentum"}),
    "KerasMomentum": OpKind("Momentum", {"accum": "momentum"}, scaled=True),
    "RMSProp": OpKind("RMSProp", _RMS_OP),
    "CenteredRMSProp": OpKind("RMSProp", _RMS_OP),
    "Adagrad": OpKind("Adagrad", _ACCUMULATOR_OP),
    "AdagradV2": OpKind("Adagrad", _ACCUMULATOR_OP),
    "Adadelta": OpKind("Adadelta", {"accum": "accum", "accum_update": "accum_update"}),
    "Ftrl": OpKind("Ftrl", _FTRL_OP),
    "FtrlV2": OpKind("Ftrl", _FTRL_OP),
    "ProximalAdagrad": OpKind("ProximalAdagrad", _ACCUMULATOR_OP),
    "AdagradDA": OpKind("AdagradDA", _AVERAGING_OP),
    "GradientDescent": OpKind("GradientDescent"),
}
OP_NUMBERS: Mapping[str, str] = {"lr": "learning_rate", "lr_power": "learning_rate_power"}

# What Keras calls its hyperparameters, in variables and in names -> what they are called here.
KERAS_NUMBERS = {
    "learning_rate": "learning_rate",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "rho": "rho",
    "momentum": "momentum",
    "l1_regularization_strength": "l1",
    "l2_regularization_strength": "l2",
    "learning_rate_power": "learning_rate_power",
    "decay": "decay",
    "beta": "beta",
    "momentum_cache": "momentum_cache",
}
# tf_keras optimizers.legacy (and OptimizerV2 in TF 2.x estimators): slot name -> (kind's slot) by kind.
LEGACY_SLOTS: Mapping[str, Mapping[str, str]] = {
    "Adam": {"m": "m", "v": "v", "vhat": "vhat"},
    "Adamax": {"m": "m", "v": "v"},
    "Nadam": {"m": "m", "v": "v"},
    "Momentum": {"momentum": "momentum"},
    "RMSProp": {"rms": "rms", "momentum": "momentum", "mg": "mg"},
    "Adagrad": {"accumulator": "accumulator"},
    "Adadelta": {"accum_grad": "accum", "accum_var": "accum_update"},
    "Ftrl": {"accumulator": "accum", "linear": "linear"},
}

# tf_keras and Keras 3: the label of a slot variable (its list's name, else its own) -> slot, by kind.
KERAS_SLOTS: Mapping[str, Mapping[str, str]] = {
    "Adam": {"momentum": "m", "velocity": "v", "velocity_hat": "vhat"},
    "Adamax": {"momentum": "m", "norm": "v"},
    "Nadam": {"momentum": "m", "velocity": "v"},
    "Momentum": {"momentum": "momentum"},
    "RMSProp": {"velocity": "rms", "momentum": "momentum", "average_gradient": "mg"},
    "Adagrad": {"accumulator": "accumulator"},
    "Adadelta": {"accumulated_grad": "accum", "accumulated_delta_var": "accum_update"},
    "Ftrl": {"accumulator": "accum", "linear": "linear"},
    "GradientDescent": {},
}


def tf1_slots(kind: str, present: frozenset[str]) -> tuple[str, ...]:
    """The slots of `kind` that are `present`, in the order of TF1's suffixes."""
    return tuple(slot for slot in KINDS[kind].slots if slot in present)
