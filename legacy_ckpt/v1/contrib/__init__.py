"""What is left of `tf.contrib`: the checkpoint functions of `tf.contrib.framework`."""

from __future__ import annotations

import importlib
from typing import Any

from legacy_ckpt.v1.gone import gone


def __getattr__(name: str) -> Any:
    if name == "framework":
        return importlib.import_module(f"{__name__}.framework")
    raise gone("contrib", name)


def __dir__() -> list[str]:
    return ["framework"]
