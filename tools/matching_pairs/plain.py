"""Names that tell little: default variables, towers, and what nobody could tell apart."""

from __future__ import annotations

from itertools import pairwise

from ckpt_tools.matching_pairs.keras_paths import Functional
from ckpt_tools.matching_pairs.pair import Builder, NamingPair


def default_variables(
    sizes: tuple[int, ...] = (784, 128, 64, 64, 64, 10), has_meta: bool = False
) -> NamingPair:
    """Variable, Variable_1, ... (weights, biases in turn) against a Keras Sequential of dense layers."""
    how = "repeated shapes" if len(set(sizes)) < len(sizes) else "distinct shapes"
    b, places = Builder(f"Variable_N / Keras model, {how}", has_meta=has_meta), Functional()
    number = 0
    for inside, outside in pairwise(sizes):
        places.layer()
        for attribute, shape in (("kernel", (inside, outside)), ("bias", (outside,))):
            name = f"Variable_{number}" if number else "Variable"
            full = f"dense_{places.operation + 4}/{attribute}"
            b.both(name, shape, places.paths(attribute), full)
            number += 1
    return b.build()


def pensieve() -> NamingPair:
    """hongzimao/pensieve's A3C net (tflearn names, conv1d kernels [4, 1, in, out]) against Keras networks."""
    b = Builder("pensieve A3C / Keras actor and critic")
    for scope, last in (("actor", 6), ("critic", 1)):
        rows = [
            ("FullyConnected", "dense", (1, 128), None),
            ("FullyConnected_1", "dense_1", (1, 128), None),
            ("Conv1D", "conv1d", (4, 1, 8, 128), (4, 8, 128)),
            ("Conv1D_1", "conv1d_1", (4, 1, 8, 128), (4, 8, 128)),
            ("Conv1D_2", "conv1d_2", (4, 1, 6, 128), (4, 6, 128)),
            ("FullyConnected_2", "dense_2", (1, 128), None),
            ("FullyConnected_3", "dense_3", (768, 128), None),
            ("FullyConnected_4", "dense_4", (128, last), None),
        ]
        for place, (name, other, shape, into) in enumerate(rows):
            path = f"{scope}/layer_with_weights-{place}"
            b.both(f"{scope}/{name}/W", shape, f"{path}/kernel", f"{scope}/{other}/kernel", into)
            b.both(f"{scope}/{name}/b", shape[-1:], f"{path}/bias", f"{scope}/{other}/bias")
    for name in ("Variable", "Variable_1", "Variable_2"):
        b.source(name, ())
    b.source("is_training", (), "bool")
    return b.build()


def towers(
    ours: tuple[str, str], theirs: tuple[str, str], ambiguous: bool, has_meta: bool = True
) -> NamingPair:
    """Two towers built alike, and a head on both."""
    said = "that say nothing" if ambiguous else "that tell"
    b = Builder(f"two towers, names {said} ({ours[0]}, {theirs[0]})", has_meta=has_meta, ambiguous=ambiguous)
    for one, other in zip(ours, theirs, strict=True):
        for layer, shape in enumerate(((32, 64), (64, 64), (64, 16))):
            name = f"dense_{layer}" if layer else "dense"
            path = f"model/{other}/layer_with_weights-{layer}"
            b.both(f"{one}/{name}/kernel", shape, f"{path}/kernel", f"dense_{layer + 7}/kernel")
            b.both(f"{one}/{name}/bias", shape[1:], f"{path}/bias", f"dense_{layer + 7}/bias")
    b.both("score/kernel", (32, 1), "model/scorer/kernel", "scorer/kernel")
    b.both("score/bias", (1,), "model/scorer/bias", "scorer/bias")
    return b.build()


def no_telling() -> NamingPair:
    """Three square matrices whose names share nothing, without an order of creation."""
    b = Builder("three equal matrices without telling names", ambiguous=True)
    for one, other in (("red", "circle"), ("green", "square"), ("blue", "triangle")):
        b.both(f"{one}/w", (8, 8), f"net/{other}/kernel", f"{other}/kernel")
        b.both(f"{one}/b", (8,), f"net/{other}/bias", f"{other}/bias")
    return b.build()
