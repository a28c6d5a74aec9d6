"""Convolutional networks: slim's names against keras.applications, VGG, GAN, segmentation, detection."""

from __future__ import annotations

from ckpt_tools.matching_pairs.keras_paths import Functional, counted
from ckpt_tools.matching_pairs.pair import Builder, NamingPair

NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def resnet50(keras: int = 3, scale: int = 4) -> NamingPair:
    """slim's ResNet-50 v1 (no conv biases) against keras.applications' (with them), widths over `scale`."""
    b, places = Builder(f"slim ResNet-50 v1 / keras.applications (Keras {keras})"), Functional(keras)
    root, stem = "resnet_v1_50", 64 // scale
    places.skip(1)
    _slim_conv(b, places, f"{root}/conv1", (7, 7, 3, stem), "conv1", bias=True)
    inside = stem
    for block, (width, units) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        narrow, wide = width // scale, 4 * width // scale
        for unit in range(1, units + 1):
            ours = f"{root}/block{block}/unit_{unit}/bottleneck_v1"
            theirs = f"conv{block + 1}_block{unit}"
            places.skip(3)
            if unit == 1:
                _slim_conv(b, places, f"{ours}/shortcut", (1, 1, inside, wide), f"{theirs}_0", bias=True)
            _slim_conv(b, places, f"{ours}/conv1", (1, 1, inside, narrow), f"{theirs}_1", bias=True)
            places.skip()
            _slim_conv(b, places, f"{ours}/conv2", (3, 3, narrow, narrow), f"{theirs}_2", bias=True)
            places.skip()
            _slim_conv(b, places, f"{ours}/conv3", (1, 1, narrow, wide), f"{theirs}_3", bias=True)
            inside = wide
    places.skip()
    places.layer()
    b.both(
        f"{root}/logits/weights",
        (1, 1, inside, 1000),
        places.paths("kernel"),
        "predictions/kernel",
        (inside, 1000),
    )
    b.both(f"{root}/logits/biases", (1000,), places.paths("bias"), "predictions/bias")
    b.source("global_step", (), "int64")
    return b.build()


def _slim_conv(
    b: Builder, places: Functional, ours: str, shape: tuple[int, ...], theirs: str, bias: bool
) -> None:
    places.layer()
    b.both(f"{ours}/weights", shape, places.paths("kernel"), f"{theirs}_conv/kernel")
    if bias:
        b.target(places.paths("bias"), f"{theirs}_conv/bias", shape[-1:])
    places.layer()
    for name in NORM:
        b.both(f"{ours}/BatchNorm/{name}", shape[-1:], places.paths(name), f"{theirs}_bn/{name}")


def mobilenet(scale: int = 4) -> NamingPair:
    """slim's MobileNet v1 against keras.applications'."""
    b, places = Builder("slim MobileNet v1 / keras.applications"), Functional(2)
    root, inside = "MobilenetV1/MobilenetV1", 32 // scale

    def normed(ours: str, theirs: str, width: int) -> None:
        places.layer()
        for name in NORM:
            b.both(f"{ours}/BatchNorm/{name}", (width,), places.paths(name), f"{theirs}_bn/{name}")
        places.skip()

    places.layer()
    b.both(f"{root}/Conv2d_0/weights", (3, 3, 3, inside), places.paths("kernel"), "conv1/kernel")
    normed(f"{root}/Conv2d_0", "conv1", inside)
    for number, width in enumerate((64, 128, 128, 256, 256, *[512] * 6, 1024, 1024), 1):
        wide = width // scale
        places.layer()
        b.both(
            f"{root}/Conv2d_{number}_depthwise/depthwise_weights", (3, 3, inside, 1),
            places.paths("depthwise_kernel"), f"conv_dw_{number}/depthwise_kernel",
        )  # fmt: skip
        normed(f"{root}/Conv2d_{number}_depthwise", f"conv_dw_{number}", inside)
        places.layer()
        b.both(
            f"{root}/Conv2d_{number}_pointwise/weights", (1, 1, inside, wide),
            places.paths("kernel"), f"conv_pw_{number}/kernel",
        )  # fmt: skip
        normed(f"{root}/Conv2d_{number}_pointwise", f"conv_pw_{number}", wide)
        inside = wide
    places.layer()
    b.both(
        "MobilenetV1/Logits/Conv2d_1c_1x1/weights",
        (1, 1, inside, 1001),
        places.paths("kernel"),
        "conv_preds/kernel",
    )
    b.both("MobilenetV1/Logits/Conv2d_1c_1x1/biases", (1001,), places.paths("bias"), "conv_preds/bias")
    return b.build()


def vgg16(scale: int = 4) -> NamingPair:
    """slim's VGG-16 (fully connected layers as convolutions) against keras.applications'."""
    b, places = Builder("slim VGG-16 / keras.applications"), Functional()
    inside = 3
    for block, (width, convs) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for conv in range(1, convs + 1):
            ours, theirs = f"vgg_16/conv{block}/conv{block}_{conv}", f"block{block}_conv{conv}"
            places.layer()
            b.both(
                f"{ours}/weights", (3, 3, inside, width // scale), places.paths("kernel"), f"{theirs}/kernel"
            )
            b.both(f"{ours}/biases", (width // scale,), places.paths("bias"), f"{theirs}/bias")
            inside = width // scale
        places.skip()
    places.skip()
    for ours, theirs, shape in (
        ("fc6", "fc1", (7, 7, inside, 256)),
        ("fc7", "fc2", (1, 1, 256, 256)),
        ("fc8", "predictions", (1, 1, 256, 1000)),
    ):
        places.layer()
        into = (shape[0] * shape[1] * shape[2], shape[3])
        b.both(f"vgg_16/{ours}/weights", shape, places.paths("kernel"), f"{theirs}/kernel", into)
        b.both(f"vgg_16/{ours}/biases", shape[-1:], places.paths("bias"), f"{theirs}/bias")
    return b.build()


def layers_stack(keras: int = 2, offset: int = 0) -> NamingPair:
    """tf.compat.v1.layers with default names against a Keras model whose names were counted elsewhere."""
    b, places = Builder(f"tf.compat.v1.layers / Keras {keras} model", has_meta=True), Functional(keras)
    names = {stem: counted(stem) for stem in ("conv2d", "batch_normalization", "dense")}
    others = {stem: counted(stem) for stem in names}
    for stem in names:
        for _ in range(offset):
            next(others[stem])

    def layer(stem: str, tensors: dict[str, tuple[int, ...]]) -> None:
        ours, theirs = next(names[stem]), next(others[stem])
        places.layer()
        for attribute, shape in tensors.items():
            b.both(f"{ours}/{attribute}", shape, places.paths(attribute), f"{theirs}/{attribute}")

    inside = 3
    for width in (16, 16, 32, 32):
        layer("conv2d", {"kernel": (3, 3, inside, width), "bias": (width,)})
        layer("batch_normalization", dict.fromkeys(NORM, (width,)))
        places.skip()
        inside = width
    places.skip()
    for shape in ((512, 64), (64, 64), (64, 10)):
        layer("dense", {"kernel": shape, "bias": shape[1:]})
    return b.build()
