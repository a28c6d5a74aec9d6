"""Mobile networks: slim's MobileNet v2 and the official EfficientNet-B0 against keras.applications."""

from __future__ import annotations

from ckpt_tools.matching_pairs.keras_paths import Functional, counted
from ckpt_tools.matching_pairs.pair import Builder, NamingPair

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_V2 = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
_B0 = (
    (1, 3, 16, 1), (6, 3, 24, 2), (6, 5, 40, 2), (6, 3, 80, 3), (6, 5, 112, 3), (6, 5, 192, 4), (6, 3, 320, 1)
)  # fmt: skip


def _normed(b: Builder, places: Functional, ours: str, theirs: str, width: int) -> None:
    places.layer()
    for name in _NORM:
        b.both(f"{ours}/{name}", (width,), places.paths(name), f"{theirs}/{name}")


def mobilenet_v2() -> NamingPair:
    """slim's MobileNet v2 against keras.applications'."""
    b, places = Builder("slim MobileNet v2 / keras.applications"), Functional()
    inside = 32

    def conv(ours: str, theirs: str, norm: str, shape: tuple[int, int, int, int]) -> None:
        places.layer()
        deep = "depthwise" in ours
        kernel = places.paths("depthwise_kernel" if deep else "kernel")
        b.both(f"MobilenetV2/{ours}/{'depthwise_' * deep}weights", shape, kernel, f"{theirs}/kernel")
        width = shape[2] if deep else shape[3]
        _normed(b, places, f"MobilenetV2/{ours}/BatchNorm", norm, width)
        places.skip()

    conv("Conv", "Conv1", "bn_Conv1", (3, 3, 3, inside))
    block = 0
    for expansion, width, repeats in _V2:
        for _ in range(repeats):
            ours = f"expanded_conv_{block}" if block else "expanded_conv"
            theirs, wide = f"block_{block}" if block else "expanded_conv", expansion * inside
            if block:
                conv(f"{ours}/expand", f"{theirs}_expand", f"{theirs}_expand_BN", (1, 1, inside, wide))
            conv(f"{ours}/depthwise", f"{theirs}_depthwise", f"{theirs}_depthwise_BN", (3, 3, wide, 1))
            conv(f"{ours}/project", f"{theirs}_project", f"{theirs}_project_BN", (1, 1, wide, width))
            inside, block = width, block + 1
    conv("Conv_1", "Conv_1", "Conv_1_bn", (1, 1, inside, 1280))
    return b.build()


def efficientnet(keras: int = 2) -> NamingPair:
    """The official EfficientNet-B0 (default layer names in numbered blocks) against keras.applications'."""
    b, places = Builder("official EfficientNet-B0 / keras.applications"), Functional(keras)
    places.skip(3)
    root, inside, block = "efficientnet-b0", 32, 0
    _conv(b, places, f"{root}/stem/conv2d", "stem_conv", (3, 3, 3, inside))
    _normed(b, places, f"{root}/stem/tpu_batch_normalization", "stem_bn", inside)
    for stage, (expansion, size, width, repeats) in enumerate(_B0, 1):
        for letter in "abcd"[:repeats]:
            shape = (expansion, size, inside, width)
            _block(b, places, f"{root}/blocks_{block}", f"block{stage}{letter}", shape)
            inside, block = width, block + 1
    _conv(b, places, f"{root}/head/conv2d", "top_conv", (1, 1, inside, 1280))
    _normed(b, places, f"{root}/head/tpu_batch_normalization", "top_bn", 1280)
    places.layer()
    b.both(f"{root}/head/dense/kernel", (1280, 1000), places.paths("kernel"), "predictions/kernel")
    b.both(f"{root}/head/dense/bias", (1000,), places.paths("bias"), "predictions/bias")
    return b.build()


def _conv(b: Builder, places: Functional, ours: str, theirs: str, shape: tuple[int, int, int, int]) -> None:
    places.layer()
    b.both(f"{ours}/kernel", shape, places.paths("kernel"), f"{theirs}/kernel")


def _block(b: Builder, places: Functional, ours: str, theirs: str, shape: tuple[int, int, int, int]) -> None:
    expansion, size, inside, width = shape
    wide, narrow = expansion * inside, max(1, inside // 4)
    convs, norms = counted(f"{ours}/conv2d"), counted(f"{ours}/tpu_batch_normalization")
    if expansion > 1:
        _conv(b, places, next(convs), f"{theirs}_expand_conv", (1, 1, inside, wide))
        _normed(b, places, next(norms), f"{theirs}_expand_bn", wide)
        places.skip()
    places.layer()
    deep = places.paths("depthwise_kernel")
    b.both(
        f"{ours}/depthwise_conv2d/depthwise_kernel",
        (size, size, wide, 1),
        deep,
        f"{theirs}_dwconv/depthwise_kernel",
    )
    _normed(b, places, next(norms), f"{theirs}_bn", wide)
    places.skip(3)
    for name, other, channels in (
        ("conv2d", "se_reduce", (wide, narrow)),
        ("conv2d_1", "se_expand", (narrow, wide)),
    ):
        _conv(b, places, f"{ours}/se/{name}", f"{theirs}_{other}", (1, 1, *channels))
        b.both(f"{ours}/se/{name}/bias", channels[1:], places.paths("bias"), f"{theirs}_{other}/bias")
    places.skip()
    _conv(b, places, next(convs), f"{theirs}_project_conv", (1, 1, wide, width))
    _normed(b, places, next(norms), f"{theirs}_project_bn", width)
