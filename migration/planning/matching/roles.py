"""What a variable is to its layer: kernel, bias, gamma, ... told by its name, its scope and its rank."""

from __future__ import annotations

from collections.abc import Sequence

from migration.planning.matching.tokens import Reading

NORMS = frozenset({"batchnorm", "layernorm", "normalization", "groupnorm", "rmsnorm", "instancenorm"})
UNKNOWN = ""
_DIRECT = {
    "kernel": "kernel",
    "matrix": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "scale": "gamma",
    "beta": "beta",
    "offset": "beta",
    "mean": "mean",
    "variance": "variance",
    "embedding": "embedding",
    "table": "embedding",
    "alpha": "alpha",
    "prelu": "alpha",
    "seed": "seed",
}
_STATE = frozenset(  # what optimizers and averages keep beside a variable
    [
        "adam",
        "adamax",
        "rmsprop",
        "momentum",
        "adagrad",
        "adadelta",
        "ftrl",
        "velocity",
        "nadam",
        "amsgrad",
        "vhat",
        "exponentialmovingaverage",
    ]
)
_NORMED = {"kernel": "gamma", "bias": "beta"}
# How well two different roles go together: 1 is the same, -1 contradicts. Not listed: contradicts.
_KIN = {
    frozenset(("kernel", "embedding")): 0.4,
    frozenset(("bias", "beta")): 0.2,
    frozenset(("kernel", "gamma")): -0.2,
}
ROLE_WORDS = frozenset(_DIRECT) | _STATE | {"recurrent", "moving", "running"}


def role_of(reading: Reading, rank: int) -> str:
    """The role that a name gives its variable, UNKNOWN where it gives none."""
    leaf = reading.leaf
    if any(word in _STATE for word in leaf) or ("exponential" in leaf and "average" in leaf):
        return "state"
    role = next((_DIRECT[word] for word in reversed(leaf) if word in _DIRECT), UNKNOWN)
    if role == "kernel" and "bias" in leaf:  # bias_weights
        role = "bias"
    if role == "kernel" and "recurrent" in leaf:
        return "recurrent"
    if role == "kernel" and "embedding" in leaf:
        return "embedding"
    near = (*reading.words[-4:], *leaf)
    if role in _NORMED and rank <= 1 and any(word in NORMS for word in _closest(reading)):
        return _NORMED[role]
    if role == "mean" and not any(word in NORMS for word in near) and rank != 1:
        return UNKNOWN
    return role


def _closest(reading: Reading) -> Sequence[str]:
    """The words of the leaf and of the nearest segment above it that has words."""
    above = next((segment for segment in reversed(reading.segments[:-1]) if segment), ())
    return (*above, *reading.leaf)


def kinship(first: str, second: str) -> float:
    """From -1 (a kernel is no bias) over 0 (nothing known) to 1 (the same role)."""
    if UNKNOWN in (first, second):
        return 0.0
    if first == second:
        return 1.0
    return _KIN.get(frozenset((first, second)), -1.0)
