"""The mean transform: its output, its values, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from migration.planning.transforms import Mean, TransformError, from_table, to_table
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    "dtype", [DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16, DType.COMPLEX64]
)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_values(dtype: DType, axis: int) -> None:
    array = np.arange(8).reshape(2, 4).astype(dtype.numpy)
    spec = Mean(axis).output((TensorSpec(dtype, (2, 4)),))
    made = Mean(axis).apply([array])
    assert (spec.dtype, spec.shape) == (dtype, made.shape)
    assert made.dtype == array.dtype
    np.testing.assert_array_equal(made.astype(np.complex128), np.arange(8).reshape(2, 4).mean(axis=axis))


def test_large_values_do_not_overflow_on_the_way() -> None:
    np.testing.assert_array_equal(Mean(0).apply([np.full((2, 1), 60000, np.float16)]), [60000])


@pytest.mark.parametrize(
    ("spec", "axis"),
    [
        (TensorSpec(DType.INT32, (2, 4)), 0),
        (TensorSpec(DType.STRING, (2,)), 0),
        (TensorSpec(DType.FLOAT32, (2, 4)), 2),
        (TensorSpec(DType.FLOAT32, ()), 0),
        (TensorSpec(DType.FLOAT32, (0, 4)), 0),
    ],
)
def test_misfits(spec: TensorSpec, axis: int) -> None:
    with pytest.raises(TransformError, match="mean"):
        Mean(axis).output((spec,))


def test_it_is_written_and_read_and_has_no_way_back() -> None:
    assert to_table(Mean(0)) == {"mean": 0}
    assert from_table({"mean": 0}) == Mean(0)
    assert Mean(0).inverse((TensorSpec(DType.FLOAT32, (2, 4)),)) is None
