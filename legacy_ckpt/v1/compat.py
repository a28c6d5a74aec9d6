"""`tf.compat`, whose `v1` is this package: `tf.compat.v1.train.Saver` is `legacy_ckpt.Saver` here too."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from legacy_ckpt.v1.gone import gone


def __getattr__(name: str) -> Any:
    if name == "v1":
        import legacy_ckpt.v1

        return legacy_ckpt.v1
    try:
        return getattr(tf.compat, name)
    except AttributeError:
        raise gone("compat", name) from None


def __dir__() -> list[str]:
    return sorted(dir(tf.compat))
