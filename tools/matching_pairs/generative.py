"""Networks that make pictures: DCGAN and U-Net, against re-implementations with lists of layers."""

from __future__ import annotations

from itertools import pairwise

from ckpt_tools.matching_pairs.keras_paths import counted
from ckpt_tools.matching_pairs.pair import Builder, NamingPair

_NORM = (("beta", "offset"), ("gamma", "scale"), ("moving_mean", "mean"), ("moving_variance", "var"))


def dcgan() -> NamingPair:
    """carpedm20's DCGAN against tf.Modules."""
    b = Builder("DCGAN / tf.Module")
    widths = (512, 256, 128, 64, 3)
    _linear(b, "generator/g_h0_lin", "generator/project", (100, 16 * widths[0]))
    for place, (inside, outside) in enumerate(pairwise(widths)):
        _norm(b, f"generator/g_bn{place}", f"generator/norms/{place}", inside)
        b.both(f"generator/g_h{place + 1}/w", (5, 5, outside, inside), f"generator/ups/{place}/w", "w")
        b.both(f"generator/g_h{place + 1}/biases", (outside,), f"generator/ups/{place}/b", "b")
    inside = 3
    for place, outside in enumerate((64, 128, 256, 512)):
        ours, theirs = f"discriminator/d_h{place}_conv", f"discriminator/downs/{place}"
        b.both(f"{ours}/w", (5, 5, inside, outside), f"{theirs}/w", "w")
        b.both(f"{ours}/biases", (outside,), f"{theirs}/b", "b")
        if place:
            _norm(b, f"discriminator/d_bn{place}", f"discriminator/norms/{place - 1}", outside)
        inside = outside
    _linear(b, "discriminator/d_h3_lin", "discriminator/logit", (16 * inside, 1))
    return b.build()


def _linear(b: Builder, ours: str, theirs: str, shape: tuple[int, int]) -> None:
    b.both(f"{ours}/Matrix", shape, f"{theirs}/w", "w")
    b.both(f"{ours}/bias", shape[1:], f"{theirs}/b", "b")


def _norm(b: Builder, ours: str, theirs: str, width: int) -> None:
    for name, other in _NORM:
        b.both(f"{ours}/{name}", (width,), f"{theirs}/{other}", other)


def unet() -> NamingPair:
    """A U-Net of tf.compat.v1.layers with default names against nested lists of layers."""
    b = Builder("U-Net of tf.compat.v1.layers / nested lists", has_meta=True)
    names, ups = counted("conv2d"), counted("conv2d_transpose")
    widths, inside = (16, 32, 64, 128), 3

    def layer(ours: str, theirs: str, shape: tuple[int, int, int, int], width: int) -> None:
        b.both(f"{ours}/kernel", shape, f"model/{theirs}/kernel", f"{theirs}/kernel")
        b.both(f"{ours}/bias", (width,), f"model/{theirs}/bias", f"{theirs}/bias")

    def twice(theirs: str, inside: int, width: int) -> None:
        for place, channels in enumerate((inside, width)):
            layer(next(names), f"{theirs}/convs/{place}", (3, 3, channels, width), width)

    for place, width in enumerate(widths):
        twice(f"down/{place}", inside, width)
        inside = width
    for place, width in enumerate(reversed(widths[:-1])):
        layer(next(ups), f"up/{place}/up", (2, 2, width, inside), width)
        twice(f"up/{place}", 2 * width, width)
        inside = width
    layer(next(names), "head", (1, 1, inside, 2), 2)
    return b.build()
