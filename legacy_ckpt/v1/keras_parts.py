"""`tf.layers` and `tf.nn.rnn_cell`, which TensorFlow offers only while Keras 2 is installed."""

from __future__ import annotations

import importlib
import types

from legacy_ckpt.v1.gone import gone

_LEGACY = "tf_keras.api._v1.keras.__internal__.legacy."


def legacy_keras(part: str, module: str, name: str) -> types.ModuleType:
    """The module `part` ("layers", "rnn_cell") of the package tf_keras.

    Raises AttributeError about `tf.<module>.<name>` where tf_keras is not installed.
    """
    try:
        return importlib.import_module(_LEGACY + part)
    except ImportError as error:
        missing = gone(module, name)
        raise AttributeError(
            f"{missing}; Keras 3 dropped it; the package tf_keras has it: pip install tf_keras ({error})",
            name=name,
        ) from None
