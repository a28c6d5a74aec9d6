"""`tf.compat.v1.layers`, from the package tf_keras, as Keras 3 has none."""

from __future__ import annotations

from typing import Any

from legacy_ckpt.v1.gone import gone
from legacy_ckpt.v1.keras_parts import legacy_keras


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    module = legacy_keras("layers", "layers", name)
    try:
        return getattr(module, name)
    except AttributeError:
        raise gone("layers", name) from None


def __dir__() -> list[str]:
    return sorted({*dir(legacy_keras("layers", "layers", "dense")), *globals()})
