"""A tensor times a scalar of the checkpoint, and step counts where beta powers have underflowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.planning.transforms import Product, Steps, TransformError, from_table, to_table
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

MATRIX, SCALAR = TensorSpec(DType.FLOAT32, (2, 3)), TensorSpec(DType.FLOAT32, ())


@given(st.floats(1e-6, 1e3), st.floats(-1e3, 1e3, allow_subnormal=False), st.booleans())
def test_it_multiplies_or_divides_in_double_precision(scalar: float, factor: float, divide: bool) -> None:
    x, s = np.arange(6, dtype=np.float32).reshape(2, 3), np.float32(scalar)
    result = Product(factor, divide).apply([x, np.asarray(s)])
    expected = x.astype(np.float64) * (factor / float(s) if divide else factor * float(s))
    np.testing.assert_array_equal(result, expected.astype(np.float32))
    assert from_table(to_table(Product(factor, divide))) == Product(factor, divide)


def test_its_output_is_the_tensors_spec() -> None:
    assert Product(-1.0).output((MATRIX, SCALAR)) == MATRIX
    assert Product(-1.0).output((MATRIX, TensorSpec(DType.FLOAT64, (1,)))) == MATRIX


@pytest.mark.parametrize(
    "inputs",
    [(MATRIX,), (MATRIX, MATRIX), (MATRIX, TensorSpec(DType.INT64, ())), (MATRIX, SCALAR, SCALAR)],
    ids=["one", "no scalar", "an integer", "three"],
)
def test_what_does_not_fit_is_refused(inputs: tuple[TensorSpec, ...]) -> None:
    with pytest.raises(TransformError, match="product"):
        Product(1.0).output(inputs)


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(TransformError, match="zero"):
        Product(1.0, divide=True).apply([np.ones(2, np.float32), np.zeros((), np.float32)])


@pytest.mark.parametrize("power", [0.0, 6e-45, 7e-43, 1e-38])
def test_a_power_that_float32_no_longer_tells_is_refused(power: float) -> None:
    with pytest.raises(TransformError, match="underflowed"):
        Steps(0.999, 1, DType.INT64).apply([np.asarray(power, np.float32)])


@pytest.mark.parametrize(("beta", "steps"), [(0.9, 0), (0.9, 7), (0.9, 820), (0.5, 100), (0.999, 10_000)])
def test_powers_that_training_multiplied_tell_their_steps(beta: float, steps: int) -> None:
    power = np.float32(beta)
    for _ in range(steps):
        power = np.float32(power * np.float32(beta))
    found = Steps(float(np.float32(beta)), 1, DType.INT64).apply([np.asarray(power)])
    assert abs(int(found) - steps) <= (0 if beta < 0.99 else 1)
