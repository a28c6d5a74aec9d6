"""Which of the dtypes the installed libraries know; tests of the others are skipped, with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from migration.tensors import DType


def of_ml_dtypes(dtypes: Iterable[DType]) -> list[Any]:
    """The types as parameters of a test that makes arrays of them."""
    return [
        pytest.param(
            dtype,
            marks=pytest.mark.skipif(
                dtype.itemsize is not None and not dtype.has_array_form,
                reason=f"the installed ml_dtypes has no {dtype}",
            ),
        )
        for dtype in dtypes
    ]


def of_tensorflow(dtypes: Iterable[DType]) -> list[Any]:
    """The types as parameters of a test that makes TensorFlow's tensors of them."""
    return [
        pytest.param(
            dtype,
            marks=pytest.mark.skipif(
                not _tensorflow_has(dtype), reason=f"the installed TensorFlow has no {dtype}"
            ),
        )
        for dtype in dtypes
    ]


def _tensorflow_has(dtype: DType) -> bool:
    import tensorflow as tf

    try:
        tf.dtypes.as_dtype(dtype.value)
    except TypeError:
        return False
    return True
