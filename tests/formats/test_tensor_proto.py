"""TensorProto messages as arrays: each field, content, and the value that goes on."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import FormatError
from migration.formats.proto import bundle_pb2
from migration.formats.tensor_proto import decode_tensor_proto, spec_of, value_count
from migration.tensors import DType, TensorSpec
from tests.installed import of_ml_dtypes

pytestmark = pytest.mark.quick

FIXED = [dtype for dtype in DType if dtype.itemsize is not None]
ROWS = [
    (DType.FLOAT32, {"float_val": [1.5, -2]}, [1.5, -2, -2]),
    (DType.FLOAT64, {"double_val": [1.5]}, [1.5, 1.5, 1.5]),
    (DType.INT32, {"int_val": [-3, 4, 5]}, [-3, 4, 5]),
    (DType.INT8, {"int_val": [-3, 4]}, [-3, 4, 4]),
    (DType.UINT16, {"int_val": [65535]}, [65535] * 3),
    (DType.QUINT8, {"int_val": [255, 0]}, [255, 0, 0]),
    (DType.INT4, {"int_val": [-8, 7]}, [-8, 7, 7]),
    (DType.INT64, {"int64_val": [-(2**62)]}, [-(2**62)] * 3),
    (DType.UINT32, {"uint32_val": [2**32 - 1]}, [2**32 - 1] * 3),
    (DType.UINT64, {"uint64_val": [2**64 - 1, 1]}, [2**64 - 1, 1, 1]),
    (DType.BOOL, {"bool_val": [True, False]}, [True, False, False]),
    (DType.FLOAT16, {"half_val": [0x3C00, 0xC000]}, [1, -2, -2]),
    (DType.BFLOAT16, {"half_val": [0x3F80, 0xC000]}, [1, -2, -2]),
    (DType.FLOAT8_E5M2, {"float8_val": bytes([0x3C, 0xC0])}, [1, -2, -2]),
    (DType.COMPLEX64, {"scomplex_val": [1, 2, 3, 4]}, [1 + 2j, 3 + 4j, 3 + 4j]),
    (DType.COMPLEX128, {"dcomplex_val": [1, -2]}, [1 - 2j] * 3),
    (DType.STRING, {"string_val": [b"a", b"\0"]}, [b"a", b"\0", b"\0"]),
    (DType.FLOAT32, {}, [0, 0, 0]),
    (DType.STRING, {}, [b"", b"", b""]),
    (DType.INT32, {"tensor_content": np.array([7, 8, 9], "<i4").tobytes()}, [7, 8, 9]),
]


@pytest.mark.parametrize(("dtype", "fields", "values"), ROWS, ids=lambda value: str(value)[:40])
def test_each_field(dtype: DType, fields: dict[str, object], values: list[object]) -> None:
    message = bundle_pb2.Tensor(dtype=dtype.value, **fields)  # type: ignore[arg-type]
    message.tensor_shape.dim.add(size=3)
    spec = spec_of(message)
    assert spec == TensorSpec(dtype, (3,))
    found = decode_tensor_proto(message, spec)
    assert found.dtype == dtype.numpy
    assert found.tolist() == values


@pytest.mark.parametrize("dtype", of_ml_dtypes(FIXED), ids=str)
def test_content_of_every_dtype(dtype: DType) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype.numpy)
    message = bundle_pb2.Tensor(tensor_content=array.tobytes())
    found = decode_tensor_proto(message, TensorSpec(dtype, (2, 2)))
    assert found.tobytes() == array.tobytes()
    assert value_count(message, dtype) == 4


@pytest.mark.parametrize(
    ("dtype", "shape", "fields", "told"),
    [
        (DType.FLOAT32, (1,), {"float_val": [1, 2]}, "2 values for the 1 elements"),
        (DType.FLOAT32, (2,), {"tensor_content": b"1234567"}, "7 bytes of content"),
        (DType.STRING, (2,), {"tensor_content": b"1234567"}, "7 bytes of content"),
        (DType.INT8, (1,), {"int_val": [128]}, "a value that is no int8"),
        (DType.UINT16, (1,), {"int_val": [-1]}, "a value that is no uint16"),
        (DType.UINT4, (1,), {"int_val": [16]}, "a value that is no uint4"),
        (DType.FLOAT16, (1,), {"half_val": [65536]}, "a value that is no float16"),
        (DType.COMPLEX64, (1,), {"scomplex_val": [1]}, "odd number of parts"),
        (DType.VARIANT, (1,), {}, "variant values have no array form"),
        (DType.FLOAT32, (1,) * 65, {"float_val": [1]}, "65 dimensions"),
        (DType.FLOAT32, (2**61,), {"float_val": [1]}, "larger than any memory"),
    ],
)
def test_what_is_no_tensor_is_told(
    dtype: DType, shape: tuple[int, ...], fields: dict[str, object], told: str
) -> None:
    with pytest.raises(FormatError, match=told):
        decode_tensor_proto(bundle_pb2.Tensor(**fields), TensorSpec(dtype, shape))  # type: ignore[arg-type]


@given(
    st.binary(max_size=60), st.sampled_from(list(DType)), st.lists(st.integers(0, 4), max_size=3).map(tuple)
)
def test_any_message_is_a_tensor_or_told(raw: bytes, dtype: DType, shape: tuple[int, ...]) -> None:
    try:
        message = bundle_pb2.Tensor.FromString(raw)
    except DecodeError:
        return
    try:
        found = decode_tensor_proto(message, TensorSpec(dtype, shape))
    except FormatError:
        return
    assert found.shape == shape


@pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 33, 1 << 55])
def test_twenty_bytes_do_not_ask_for_all_of_the_memory(size: int) -> None:
    message = bundle_pb2.Tensor(float_val=[1.0])
    with pytest.raises(FormatError, match="1 values for the"):
        decode_tensor_proto(message, TensorSpec(DType.FLOAT32, (size,)))
