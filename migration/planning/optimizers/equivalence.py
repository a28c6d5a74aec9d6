"""Where two optimizers are not the same, and which setting of the target makes them so.

The updates, with g the gradient and w the weight (sources: `training_ops.cc` for the fused ops of TF1 and
tf_keras legacy, `update_step` in tf_keras and Keras 3; each was run against the other, see the matrix of
`tests/optimizers`):

- Adam, everywhere: w -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon). Epsilon stands outside
  the root in all of them; TF1's default is 1e-8, Keras's 1e-7.
- BERT's AdamWeightDecay: w -= lr * (m / (sqrt(v) + epsilon) + decay * w), without bias correction.
- RMSProp, TF1, tf_keras and Keras 3: epsilon inside the root, lr * g / sqrt(rms + epsilon); the legacy one
  does so with momentum > 0, and without: lr * g / (sqrt(rms) + epsilon).
- Adagrad, TF1: lr * g / sqrt(accumulator); legacy: lr * g / (sqrt(accumulator) + epsilon); tf_keras and
  Keras 3: lr * g / sqrt(accumulator + epsilon).
- Adadelta, Ftrl: the same everywhere, given the same rho, epsilon, l1, l2 and powers.
- Momentum: accum = momentum * accum + g, w -= lr * accum in TF1; velocity = momentum * velocity - lr * g,
  w += velocity in Keras; Nesterov takes one more such step ahead in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migration.planning.optimizers.hyperparameters import shown
from migration.planning.optimizers.state import SourceOptimizer, TargetOptimizer

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[str], "np.ndarray[Any, Any]"]
_TF1_DEFAULTS: Mapping[str, Mapping[str, str]] = {  # of the settings that a graph would tell
    "Adam": {"beta1": "0.9", "beta2": "0.999", "epsilon": "1e-8"},
    "Momentum": {"momentum": "", "nesterov": "False"},
    "RMSProp": {"rho": "0.9", "momentum": "0", "epsilon": "1e-10"},
    "Adadelta": {"rho": "0.95", "epsilon": "1e-8"},
    "Ftrl": {"l1": "0", "l2": "0", "learning_rate_power": "-0.5"},
}
_REGULARISATION = {  # as the constructors of TF1 and Keras call them
    "l1": "l1_regularization_strength",
    "l2": "l2_regularization_strength",
    "l2_shrinkage": "l2_shrinkage_regularization_strength",
    "learning_rate_power": "learning_rate_power",
}
_ARGUMENTS = {
    **{name: name for name in ("beta1", "beta2", "epsilon", "momentum", "nesterov")},
    **_REGULARISATION,
    "rho": "decay rate (rho)",
}
_KERAS_NAMES = {
    "Adam": "Adam",
    "Momentum": "SGD",
    "GradientDescent": "SGD",
    "RMSProp": "RMSprop",
    "Adagrad": "Adagrad",
    "Adadelta": "Adadelta",
    "Ftrl": "Ftrl",
    "AdamWeightDecay": "AdamW",
    "Adamax": "Adamax",
    "Nadam": "Nadam",
}


def differences(source: SourceOptimizer, target: TargetOptimizer, read: Read) -> Iterator[str]:
    """Sentences for the report: the settings that the target needs, and what stays different.

    `read` gives the hyperparameters that the source keeps as variables.
    """
    numbers = _values(source, read)
    settings = list(_settings(source, numbers, target))
    unknown = list(_unknown(source, numbers, target))
    name = source.kind if target.flavour == "v1" else _KERAS_NAMES.get(source.kind, source.kind)
    if settings or unknown:
        made = f"{name}({', '.join(settings)})"
        yield f"{_where(target)} continues exactly if it is made as {made}{_own(unknown)}"
    if source.kind == "GradientDescent" and target.kind == "Momentum":
        yield f"{_where(target)} has momentum, the source none: they are the same only with momentum=0"
    if numbers.get("decay") and "decay" not in target.scalars:
        yield (
            f"{_where(target)}: the source divides its learning rate by 1 + {shown(numbers['decay'])} * step "
            "(Keras's decay); an InverseTimeDecay schedule with decay_steps=1 does the same"
        )
    if source.kind == "Adam" and source.nesterov:
        yield f"{_where(target)}: the source's Adam looks ahead (contrib's Nadam), the template's does not"
    if source.kind == "Nadam":
        yield f"{_where(target)}: Nadam's product of momentum schedules starts anew there"
    if source.kind == "AdamWeightDecay":
        yield (
            f"{_where(target)}: the source's AdamWeightDecay corrects no bias; Adam's correction is 1 only "
            "after many steps (some 10,000 with beta_2=0.999), until then its steps differ"
        )
    if target.flavour != "v1" and source.kind == "Adagrad" and source.numbers.get("epsilon") is None:
        yield _adagrad(target)
    if (
        source.kind == "RMSProp"
        and target.flavour == "tf_keras_legacy"
        and "momentum" not in target.slot_names
    ):
        yield (
            f"{_where(target)} puts epsilon outside the root where it has no momentum, the source inside: "
            "lr * g / (sqrt(rms) + epsilon) against lr * g / sqrt(rms + epsilon); with epsilon=1e-10 they "
            "differ by 1e-5 relative only where rms is below 1e-5"
        )


def _adagrad(target: TargetOptimizer) -> str:
    if target.flavour == "tf_keras_legacy":
        return (
            f"{_where(target)} divides by sqrt(accumulator) + epsilon, the source by sqrt(accumulator): "
            "epsilon=1e-30 makes it exact (0 means the default 1e-7); with 1e-7 it differs by "
            "1e-7 / sqrt(accumulator)"
        )
    return (
        f"{_where(target)} divides by sqrt(accumulator + epsilon), the source by sqrt(accumulator): "
        "epsilon=0 makes it exact; with the default 1e-7 it differs by 5e-8 / accumulator"
    )


def _values(source: SourceOptimizer, read: Read) -> dict[str, float]:
    """Every hyperparameter that is known."""
    values = {name: one.value for name, one in source.numbers.items() if one.value is not None}
    stored = {
        name: one.key for name, one in source.numbers.items() if one.value is None and one.key is not None
    }
    return values | {name: float(read(key).reshape(-1)[0]) for name, key in stored.items()}


def _settings(source: SourceOptimizer, number: dict[str, float], target: TargetOptimizer) -> Iterator[str]:
    """Constructor arguments, as far as no variable of the target holds them."""
    keras, held = target.flavour != "v1", target.scalars
    if source.kind in ("Adam", "AdamWeightDecay", "Adamax", "Nadam"):
        for name in ("beta1", "beta2"):
            if name in number and name not in held:
                yield f"{name.replace('beta', 'beta_') if keras else name}={shown(number[name])}"
    if source.kind in ("RMSProp", "Adadelta") and "rho" in number and "rho" not in held:
        name = "decay" if not keras and source.kind == "RMSProp" else "rho"
        yield f"{name}={shown(number['rho'])}"
    if source.kind in ("Momentum", "RMSProp") and number.get("momentum"):
        yield f"momentum={shown(number['momentum'])}"
    if source.kind == "Momentum" and source.nesterov:
        yield "nesterov=True" if keras else "use_nesterov=True"
    if source.kind == "RMSProp" and "mg" in source.slot_names:
        yield "centered=True"
    yield from _regularisation(source, number)
    if "epsilon" in number:
        yield f"epsilon={shown(number['epsilon'])}"


def _unknown(source: SourceOptimizer, number: dict[str, float], target: TargetOptimizer) -> Iterator[str]:
    """Settings of the source's that nothing tells and no variable of the target holds, with the defaults."""
    by_names, keras = source.nesterov is None, "iterations" in source.scalars
    defaults = _TF1_DEFAULTS.get(source.kind, {}) if by_names else {}
    computed = {name: "" for name in source.numbers if name in _ARGUMENTS and name not in number}
    for name, default in {**computed, **defaults}.items():
        if name not in number and name not in target.scalars:
            yield _ARGUMENTS[name] + (f" (TF1's default: {default})" if default and not keras else "")


def _own(unknown: Sequence[str]) -> str:
    """The end of the sentence, which names the settings that nobody knows."""
    return f" with the source's own {', '.join(unknown)}, which nothing here tells" if unknown else ""


def _regularisation(source: SourceOptimizer, number: dict[str, float]) -> Iterator[str]:
    if source.kind != "Ftrl":
        return
    for name, argument in _REGULARISATION.items():
        if name in number and number[name] != (-0.5 if name == "learning_rate_power" else 0):
            yield f"{argument}={shown(number[name])}"


def _where(target: TargetOptimizer) -> str:
    return f"the template's optimizer at {target.path or 'the root'}"
