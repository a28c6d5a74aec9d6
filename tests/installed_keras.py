"""Which Keras the package `keras` is: with TensorFlow 2.14 and 2.15 Keras 2, which tf_keras is as well."""

from __future__ import annotations

import keras
import pytest

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3
FLAVOUR = "keras3" if KERAS_3 else "tf_keras"  # what an optimizer of the package `keras` is recognised as

only_keras_3 = pytest.mark.skipif(
    not KERAS_3, reason=f"what Keras 3 is or does: Keras {keras.__version__} has no such thing"
)
