"""`tf.compat.v1.nn`, with `rnn_cell` from the package tf_keras, as Keras 3 has none."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from legacy_ckpt.v1.gone import gone
from legacy_ckpt.v1.keras_parts import legacy_keras

_stock = tf.compat.v1.nn


def __getattr__(name: str) -> Any:
    if name == "rnn_cell":
        return legacy_keras("rnn_cell", "nn", name)
    try:
        return getattr(_stock, name)
    except AttributeError:
        raise gone("nn", name) from None


def __dir__() -> list[str]:
    return sorted({*dir(_stock), "rnn_cell"})
