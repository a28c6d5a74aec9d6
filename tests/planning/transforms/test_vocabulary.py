"""Each transform: its output before any byte, its values, its inverse, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.planning.transforms import (
    Add,
    Cast,
    Concat,
    Constant,
    PermuteBlocks,
    Power,
    Reshape,
    Scale,
    Slice,
    Split,
    Stack,
    Steps,
    Transform,
    TransformError,
    Transpose,
    Unstack,
)
from migration.planning.transforms.number import is_integer, widens
from migration.tensors import DType, TensorSpec
from tests.installed import of_ml_dtypes
from tests.planning.tensors import INSTALLED, SPECS, arrangements, filled, same_bytes

pytestmark = pytest.mark.quick

COUNTED = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

VALUES = {
    "reshape": (Reshape((4, 6)), COUNTED.reshape(4, 6)),
    "reshape with the rest": (Reshape((-1, 8)), COUNTED.reshape(3, 8)),
    "transpose": (Transpose((2, 0, 1)), COUNTED.transpose(2, 0, 1)),
    "permute blocks": (PermuteBlocks(2, (1, 0)), COUNTED[:, :, [2, 3, 0, 1]]),
    "permute blocks from the back": (PermuteBlocks(-2, (2, 0, 1)), COUNTED[:, [2, 0, 1]]),
    "slice": (Slice((0, 1, 2), (2, -1, 1)), COUNTED[:, 1:, 2:3]),
    "split": (Split(1, (1, 2), 1), COUNTED[:, 1:]),
    "split in equal shares": (Split(-1, (-1, -1), 1), COUNTED[..., 2:]),
    "split with a share": (Split(2, (1, -1), 1), COUNTED[..., 1:]),
    "unstack": (Unstack(1, 2, 3), COUNTED[:, 2]),
    "unstack from the back": (Unstack(-1, 0, 4), COUNTED[..., 0]),
    "scale": (Scale(0.5), COUNTED / 2),
    "divide": (Scale(4.0, divide=True), COUNTED / 4),
    "add": (Add(1.0), COUNTED + 1),
    "add to a block": (Add(1.0, 2, 1, 3), COUNTED + np.float32([0, 1, 1, 0])),
    "cast": (Cast(DType.INT8), COUNTED.astype(np.int8)),
    "cast to complex": (Cast(DType.COMPLEX64), COUNTED.astype(np.complex64)),
    "power": (Power(0.5, 1, DType.FLOAT64), 0.5 ** (COUNTED.astype(np.float64) + 1)),
}


def spec_of(array: np.ndarray[Any, Any]) -> TensorSpec:
    return TensorSpec(DType.from_numpy(array.dtype), array.shape)


@pytest.mark.parametrize(("transform", "wanted"), VALUES.values(), ids=VALUES)
def test_values_and_specs(transform: Transform, wanted: np.ndarray[Any, Any]) -> None:
    assert transform.output((spec_of(COUNTED),)) == spec_of(wanted)
    np.testing.assert_array_equal(transform.apply([COUNTED]), wanted, strict=True)


def test_joins() -> None:
    parts = (COUNTED[:, :1], COUNTED[:, 1:])
    specs = tuple(map(spec_of, parts))
    for join in (Concat(1), Concat(-2, (1, 2))):
        assert join.output(specs) == spec_of(COUNTED)
        np.testing.assert_array_equal(join.apply(parts), COUNTED, strict=True)
    stack = Stack(-1)
    assert stack.output((spec_of(COUNTED),) * 2).shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(stack.apply([COUNTED, COUNTED]), np.stack([COUNTED] * 2, -1), strict=True)


ONE = (TensorSpec(DType.FLOAT32, (2, 3)),)
INTEGERS = (TensorSpec(DType.INT32, (2, 3)),)
STRINGS = (TensorSpec(DType.STRING, (2, 3)),)
TWO = (*ONE, TensorSpec(DType.FLOAT32, (2, 4)))

MISFITS = {
    "reshape to another size": (Reshape((7,)), ONE, "6 elements"),
    "reshape with a remainder": (Reshape((4, -1)), ONE, "6 elements"),
    "reshape with two unknowns": (Reshape((-1, -1)), ONE, "no shape"),
    "reshape to negative": (Reshape((-2, -3)), ONE, "no shape"),
    "transpose of another rank": (Transpose((0, 1, 2)), ONE, "does not permute"),
    "transpose twice the same": (Transpose((0, 0)), ONE, "does not permute"),
    "blocks that do not divide": (PermuteBlocks(1, (1, 0)), ONE, "does not divide"),
    "blocks in no order": (PermuteBlocks(1, (0, 0, 1)), ONE, "no permutation"),
    "no blocks": (PermuteBlocks(1, ()), ONE, "no permutation"),
    "blocks of an absent axis": (PermuteBlocks(2, (0,)), ONE, "axis 2"),
    "slice of another rank": (Slice((0,), (1,)), ONE, "each of the 2 dimensions"),
    "slice beyond the end": (Slice((0, 2), (2, 2)), ONE, "leave axis 1"),
    "slice from before": (Slice((0, -1), (2, 2)), ONE, "leave axis 1"),
    "slice from behind": (Slice((3, 0), (-1, 3)), ONE, "leave axis 0"),
    "split in other sizes": (Split(1, (1, 1), 0), ONE, "does not cut axis 1"),
    "split in too much": (Split(1, (4, -1), 0), ONE, "does not cut axis 1"),
    "split in unequal shares": (Split(1, (-1, -1), 0), ONE, "does not cut axis 1"),
    "split beyond the parts": (Split(1, (1, 2), 2), ONE, "index 2 of 2"),
    "split of a scalar": (Split(0, (1,), 0), (TensorSpec(DType.FLOAT32, ()),), "axis 0"),
    "unstack of another length": (Unstack(0, 0, 3), ONE, "index 0 of 3"),
    "unstack beyond the end": (Unstack(0, 2, 2), ONE, "index 2 of 2"),
    "concat of nothing": (Concat(0), (), "none comes in"),
    "concat that differs beside": (Concat(0), TWO, "differ beside axis 0"),
    "concat of other sizes": (Concat(1, (3, 5)), TWO, "do not have the sizes"),
    "concat of two dtypes": (Concat(0), (*ONE, *INTEGERS), "differ in dtype"),
    "stack of two shapes": (Stack(0), TWO, "differ in shape"),
    "stack at an absent axis": (Stack(4), ONE * 2, "axis 4"),
    "one of two": (Transpose((1, 0)), TWO, "2 come in"),
    "scale of strings": (Scale(2.0), STRINGS, "not computed with"),
    "scale of booleans": (Scale(2.0), (TensorSpec(DType.BOOL, ()),), "not computed with"),
    "half an integer": (Scale(0.5), INTEGERS, "leave the integers"),
    "integers divided": (Scale(2.0, divide=True), INTEGERS, "not divided"),
    "division by zero": (Scale(0.0, divide=True), ONE, "not divided"),
    "add to strings": (Add(1.0), STRINGS, "not computed with"),
    "add beyond the end": (Add(1.0, 1, 2, 4), ONE, "leaves axis 1"),
    "add from behind": (Add(1.0, 1, 3, 2), ONE, "leaves axis 1"),
    "add to a block of no axis": (Add(1.0, None, 1), ONE, "need an axis"),
    "cast of strings": (Cast(DType.FLOAT32), STRINGS, "does not become"),
    "cast to strings": (Cast(DType.STRING), ONE, "does not become"),
    "cast to variant": (Cast(DType.VARIANT), ONE, "does not become"),
    "cast of an imaginary part": (Cast(DType.FLOAT32), (TensorSpec(DType.COMPLEX64, ()),), "imaginary"),
    "constant of something": (Constant(0), ONE, "takes no tensor"),
    "power to an integer": (Power(0.9, 1, DType.INT32), INTEGERS, "real floating-point"),
    "power of a negative base": (Power(-0.9, 1, DType.FLOAT32), INTEGERS, "base -0.9"),
    "steps of base one": (Steps(1.0, 1, DType.INT64), ONE, "base 1.0"),
    "steps of integers": (Steps(0.9, 1, DType.INT64), INTEGERS, "of floating-point"),
}


@pytest.mark.parametrize(("transform", "inputs", "told"), MISFITS.values(), ids=MISFITS)
def test_misfits_are_told(transform: Transform, inputs: tuple[TensorSpec, ...], told: str) -> None:
    with pytest.raises(TransformError, match=f"^{transform.name}: .*{told}"):
        transform.output(inputs)


@pytest.mark.parametrize(
    "transform",
    [Transpose((0,)), Split(0, (1, 1), 0), Unstack(0, 0, 2), Slice((0,), (2,)), PermuteBlocks(0, (0,))],
)
@pytest.mark.parametrize("dtype", [DType.VARIANT, DType.RESOURCE])
def test_what_is_never_decoded_is_not_taken_apart(transform: Transform, dtype: DType) -> None:
    with pytest.raises(TransformError, match="carried over as they are"):
        transform.output((TensorSpec(dtype, (2,)),))


@given(st.data(), SPECS, st.integers(0, 2**32 - 1))
def test_arrangements_of_every_dtype_and_back(data: st.DataObject, spec: TensorSpec, seed: int) -> None:
    transform = data.draw(arrangements(spec))
    before = filled(spec, seed)
    after = transform.apply([before])
    assert spec_of_bytes(after, spec.dtype) == transform.output((spec,))
    inverse = transform.inverse((spec,))
    assert inverse is not None
    assert inverse.output((transform.output((spec,)),)) == spec
    assert same_bytes(before, inverse.apply([after]))


@given(
    st.data(), SPECS.filter(lambda spec: len(spec.shape) > 0), st.integers(1, 3), st.integers(0, 2**32 - 1)
)
def test_joins_of_every_dtype_and_back(data: st.DataObject, spec: TensorSpec, count: int, seed: int) -> None:
    arrays = [filled(spec, seed + at) for at in range(count)]
    axis = data.draw(st.integers(-len(spec.shape), len(spec.shape) - 1))
    for join in (Concat(axis), Stack(axis)):
        joined = join.apply(arrays)
        assert spec_of_bytes(joined, spec.dtype) == join.output((spec,) * count)
        undone = join.undo((spec,) * count)
        assert undone is not None
        for back, before in zip(undone, arrays, strict=True):
            assert back.output((join.output((spec,) * count),)) == spec
            assert same_bytes(before, back.apply([joined]))


def spec_of_bytes(array: np.ndarray[Any, Any], dtype: DType) -> TensorSpec:
    """The array's spec, where its numpy type is the dtype's (quantized kinds are plain integers)."""
    assert array.dtype == dtype.numpy
    return TensorSpec(dtype, array.shape)


# Values ------------------------------------------------------------------------------------------------


def all_values(dtype: DType) -> np.ndarray[Any, Any]:
    """Every value of a dtype of at most 16 bits."""
    if dtype is DType.BOOL:
        return np.array([False, True])
    raw = np.arange(2**8, dtype=np.uint8) if dtype.itemsize == 1 else np.arange(2**16, dtype=np.uint16)
    values = raw.view(dtype.numpy)
    return np.unique(values.astype(np.int64)).astype(dtype.numpy) if is_integer(dtype) else values


SMALL = [dtype for dtype in DType if dtype.itemsize in (1, 2)]


@pytest.mark.parametrize("narrow", of_ml_dtypes(SMALL), ids=str)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # NaN of the small floats
def test_a_widening_cast_loses_no_value(narrow: DType) -> None:
    """Exhaustive, for every pair that is said to widen; NaN comes back as NaN."""
    values = all_values(narrow)
    spec = TensorSpec(narrow, values.shape)
    for wide in INSTALLED:
        if wide is DType.STRING:
            continue
        cast = Cast(wide)
        back = cast.inverse((spec,))
        assert (back is not None) == widens(narrow, wide)
        if back is None:
            continue
        assert back.output((cast.output((spec,)),)) == spec
        again = back.apply([cast.apply([values])])
        assert again.dtype == values.dtype
        np.testing.assert_array_equal(again.astype(np.float64), values.astype(np.float64), strict=True)


@pytest.mark.parametrize(
    ("dtype", "values", "fits"),
    [
        (DType.INT8, [127.9], True),
        (DType.INT8, [-128.9], True),
        (DType.INT8, [128.0], False),
        (DType.INT8, [-129.0], False),
        (DType.UINT8, [-1.0], False),
        (DType.INT64, [np.inf], False),
        (DType.INT64, [np.nan], False),
        (DType.INT64, [2.0**63], False),
        (DType.INT4, [7.0], True),
        (DType.INT4, [8.0], False),
        (DType.UINT64, [2.0**63], True),
        (DType.FLOAT16, [65504.0], True),
        (DType.FLOAT16, [1e6], False),
        (DType.FLOAT16, [np.inf, np.nan], True),
        (DType.BFLOAT16, [3e38], True),
        (DType.FLOAT8_E4M3FN, [448.0], True),
        (DType.FLOAT8_E4M3FN, [1000.0], False),
        (DType.BOOL, [0.5], True),
    ],
)
def test_a_value_beyond_the_dtype_is_refused(dtype: DType, values: list[float], fits: bool) -> None:
    array = np.array(values)
    if not fits:
        with pytest.raises(TransformError, match="cast"):
            Cast(dtype).apply([array])
        return
    result = Cast(dtype).apply([array])
    assert result.dtype == dtype.numpy
    if dtype.is_floating:
        np.testing.assert_allclose(result.astype(np.float64), array, rtol=0.1)
    elif dtype is not DType.BOOL:
        np.testing.assert_array_equal(result.astype(np.float64), np.trunc(array))


@pytest.mark.parametrize("dtype", [DType.INT4, DType.INT8, DType.UINT8, DType.INT64, DType.UINT64], ids=str)
def test_integer_arithmetic_is_exact_and_never_wraps(dtype: DType) -> None:
    low, high = min_and_max(dtype)
    array = np.array([low, 0, high], dtype=object).astype(dtype.numpy)
    for transform in (Scale(2.0), Add(1.0), Add(-1.0)):
        with pytest.raises(TransformError, match=str(dtype)):
            transform.apply([array])
    top = np.array([high - 1], dtype=object).astype(dtype.numpy)
    assert int(Add(1.0).apply([top])[0]) == high
    bottom = np.array([low + 1], dtype=object).astype(dtype.numpy)
    assert int(Add(-1.0).apply([bottom])[0]) == low
    assert int(Scale(1.0).apply([top])[0]) == high - 1


def min_and_max(dtype: DType) -> tuple[int, int]:
    bits = int(dtype.name.rpartition("INT")[2])
    return (0, 2**bits - 1) if dtype.name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64], ids=str)
def test_scaling_rounds_once(dtype: DType) -> None:
    """0.001 is not rounded to the tensor's dtype before it is multiplied."""
    array = np.array([1.5, 3.0, 1000.0]).astype(dtype.numpy)
    wanted = (array.astype(np.float64) * 0.001).astype(dtype.numpy)
    np.testing.assert_array_equal(Scale(0.001).apply([array]), wanted, strict=True)


def test_an_imaginary_part_is_never_lost() -> None:
    narrow = Cast(DType.FLOAT32, widened=True)
    assert narrow.apply([np.complex64([1, 2])]).tolist() == [1.0, 2.0]
    with pytest.raises(TransformError, match="imaginary"):
        narrow.apply([np.complex64([1, 2j])])


def test_complex_numbers_are_computed_with() -> None:
    array = np.array([1 + 2j], dtype=np.complex64)
    assert Scale(2.0).apply([array]) == np.complex64(2 + 4j)
    assert Add(1.0).apply([array]) == np.complex64(2 + 2j)


@given(st.floats(width=32, min_value=2.0**-60, max_value=2.0**60), st.integers(-20, 20), st.booleans())
def test_a_power_of_two_comes_back_exactly(value: float, exponent: int, divide: bool) -> None:
    transform = Scale(2.0**exponent, divide)
    assert transform.exact
    array = np.float32([value, -value])
    inverse = transform.inverse((TensorSpec(DType.FLOAT32, (2,)),))
    assert inverse is not None
    assert same_bytes(inverse.apply([transform.apply([array])]), array)


@pytest.mark.parametrize(
    ("factor", "exact"), [(1.0, True), (-0.25, True), (3.0, False), (0.1, False), (0.0, False)]
)
def test_exactness_of_a_scale(factor: float, exact: bool) -> None:
    assert Scale(factor).exact is exact


@given(st.integers(0, 100_000), st.sampled_from([0.9, 0.999, 0.99]))
def test_steps_count_what_a_power_saw_or_say_that_they_cannot(steps: int, base: float) -> None:
    spec = TensorSpec(DType.INT64, ())
    power = Power(base, 1, DType.FLOAT32)
    value = power.apply([np.array(steps, np.int64)])
    counting = power.inverse((spec,))
    assert counting == Steps(base, 1, DType.INT64)
    normal = value >= np.finfo(np.float32).tiny
    if normal:
        assert counting.apply([value]) == steps
    elif value == 0:
        with pytest.raises(TransformError, match="underflowed"):
            counting.apply([value])


def test_beta_powers_of_training_are_counted() -> None:
    """As TensorFlow keeps them: a float32 product, one factor a step, beginning at beta."""
    power, beta = np.float32(0.999), np.float32(0.999)
    for _ in range(5000):
        power *= beta
    assert Steps(0.999, 1, DType.INT64).apply([power]) == 5000


CONSTANTS = {
    "zero": (0, TensorSpec(DType.FLOAT32, (2, 3)), np.zeros((2, 3), np.float32)),
    "one as bfloat16": (1, TensorSpec(DType.BFLOAT16, (2,)), np.ones(2, DType.BFLOAT16.numpy)),
    "int4": (-8, TensorSpec(DType.INT4, ()), np.array(-8, DType.INT4.numpy)),
    "boolean": (True, TensorSpec(DType.BOOL, (1,)), np.array([True])),
    "a row": ((1.0, 2.0), TensorSpec(DType.FLOAT32, (2, 2)), np.float32([[1, 2], [1, 2]])),
    "a column": (((1,), (2,)), TensorSpec(DType.INT32, (2, 2)), np.int32([[1, 1], [2, 2]])),
    "complex": (1 + 2j, TensorSpec(DType.COMPLEX64, ()), np.array(1 + 2j, np.complex64)),
    "text": ("é", TensorSpec(DType.STRING, (2,)), np.array(["é".encode()] * 2, object)),
    "bytes": (b"\xff", TensorSpec(DType.STRING, ()), np.array(b"\xff", object)),
    "texts": (("a", b"b"), TensorSpec(DType.STRING, (2,)), np.array([b"a", b"b"], object)),
}


@pytest.mark.parametrize(("value", "spec", "wanted"), CONSTANTS.values(), ids=CONSTANTS)
def test_constants(value: Any, spec: TensorSpec, wanted: np.ndarray[Any, Any]) -> None:
    assert Constant(value).filled(spec) == spec
    np.testing.assert_array_equal(Constant(value).apply([], spec), wanted, strict=True)


@pytest.mark.parametrize(
    ("value", "spec", "told"),
    [
        (0.5, TensorSpec(DType.INT32, ()), "no value of int32"),
        (300, TensorSpec(DType.UINT8, ()), "no value of uint8"),
        (float("nan"), TensorSpec(DType.INT8, ()), "no value of int8"),
        (1j, TensorSpec(DType.FLOAT32, ()), "no value of float32"),
        ("a", TensorSpec(DType.FLOAT32, ()), "no value of float32"),
        (0, TensorSpec(DType.STRING, ()), "no value of string"),
        (0, TensorSpec(DType.VARIANT, ()), "no value of variant"),
        ((1, 2, 3), TensorSpec(DType.FLOAT32, (2,)), "does not broadcast"),
        (((1,),), TensorSpec(DType.FLOAT32, (2,)), "does not broadcast"),
        ((1, (2, 3)), TensorSpec(DType.FLOAT32, (2,)), "ragged"),
        ((1, "a"), TensorSpec(DType.FLOAT32, (2,)), "mixes"),
        ((None,), TensorSpec(DType.FLOAT32, (2,)), "no number"),
    ],
)
def test_constants_that_do_not_fit(value: Any, spec: TensorSpec, told: str) -> None:
    with pytest.raises(TransformError, match=told):
        Constant(value).filled(spec)
