"""`import legacy_ckpt.tf1 as tf`: `legacy_ckpt.v1` for a script that was written for TensorFlow 1 itself.

Importing it switches TensorFlow to its version 1 behaviour (graphs, sessions, reference variables, no
control flow v2) by `tf.compat.v1.disable_v2_behavior()`, for the whole process.
"""

from __future__ import annotations

from typing import Any

from legacy_ckpt import v1

v1.disable_v2_behavior()


def __getattr__(name: str) -> Any:
    return getattr(v1, name)


def __dir__() -> list[str]:
    return dir(v1)
