"""A TensorProto as an array: V1 files and constants of a graph hold their values so.

Source: tensorflow/core/framework/tensor.proto. Values stand either in `tensor_content` as raw bytes, or in
the field of their type, where a list that is too short goes on with its last value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from migration.errors import FormatError
from migration.formats.bundle_entries import check_size, shape_of
from migration.formats.proto import bundle_pb2
from migration.formats.tensor_bytes import Array, check_rank, string_array
from migration.tensors import DType, TensorSpec

_FIELDS = {
    "float_val": "FLOAT32",
    "double_val": "FLOAT64",
    "int_val": "INT32 UINT8 INT16 INT8 UINT16 QINT8 QUINT8 QINT32 QINT16 QUINT16 INT4 UINT4 INT2 UINT2",
    "string_val": "STRING",
    "scomplex_val": "COMPLEX64",
    "dcomplex_val": "COMPLEX128",
    "int64_val": "INT64",
    "bool_val": "BOOL",
    "half_val": "FLOAT16 BFLOAT16",
    "uint32_val": "UINT32",
    "uint64_val": "UINT64",
    "float8_val": "FLOAT8_E5M2 FLOAT8_E4M3FN FLOAT8_E4M3FNUZ FLOAT8_E4M3B11FNUZ FLOAT8_E5M2FNUZ"
    " FLOAT4_E2M1FN",
}
_FIELD_OF = {DType[name]: field for field, names in _FIELDS.items() for name in names.split()}
# Elements that a list's last value may be spread over: twenty bytes must not ask for all of the memory.
# V1 files spell every value out, and a constant of a graph that is larger than this is no hyperparameter.
MOST_FILLED = 1 << 20
# How the values of a field lie in memory, where that is not the tensor's own type.
_CARRIER = {"half_val": "<u2", "scomplex_val": "<f4", "dcomplex_val": "<f8"}


def spec_of(message: bundle_pb2.Tensor) -> TensorSpec:
    """Dtype and shape that a TensorProto tells. Raises FormatError."""
    return TensorSpec(DType.from_number(message.dtype), shape_of(message.tensor_shape))


def value_count(message: bundle_pb2.Tensor, dtype: DType) -> int:
    """How many elements are written out in the message."""
    if message.tensor_content:
        return len(message.tensor_content) // (dtype.itemsize or 1)
    values = getattr(message, _field_of(dtype))
    return len(values) // 2 if "complex" in str(dtype) else len(values)


def decode_tensor_proto(message: bundle_pb2.Tensor, spec: TensorSpec) -> Array:
    """The array of a TensorProto, of the dtype and shape in `spec`; strings are an object array of bytes.

    No values at all are zeros (or empty strings), as in TensorFlow. Raises FormatError where there are more
    values than elements, content of another size, values that the dtype cannot hold, or more than a million
    elements that are not written out.
    """
    check_size(spec)
    check_rank(spec.shape)
    if message.tensor_content:
        return _from_content(message.tensor_content, spec)
    try:
        values = _from_values(message, spec.dtype)
    except (OverflowError, ValueError):
        raise FormatError(f"it holds a value that is no {spec.dtype}") from None
    if len(values) > spec.size:
        raise FormatError(f"{len(values)} values for the {spec.size} elements of {spec}")
    if len(values) < spec.size:
        if spec.size > MOST_FILLED:
            raise FormatError(f"{len(values)} values for the {spec.size} elements of {spec}: it is corrupt")
        values = _filled(values, spec)
    return values.reshape(spec.shape)


def _field_of(dtype: DType) -> str:
    try:
        return _FIELD_OF[dtype]
    except KeyError:
        raise FormatError(f"{dtype} values have no array form") from None


def _from_content(content: bytes, spec: TensorSpec) -> Array:
    if len(content) != spec.nbytes:
        raise FormatError(f"{len(content)} bytes of content, but {spec} takes {spec.nbytes}")
    return np.frombuffer(content, spec.dtype.numpy).reshape(spec.shape)


def _from_values(message: bundle_pb2.Tensor, dtype: DType) -> Array:
    """The values that are written out, one-dimensional."""
    field = _field_of(dtype)
    values = getattr(message, field)
    target = dtype.numpy
    if field == "float8_val":
        return np.frombuffer(values, target)
    if field == "string_val":
        return string_array(list(values), (len(values),))
    if field == "int_val":
        return _narrowed(np.array(values, np.int32), target)
    if field == "half_val":
        return _narrowed(np.array(values, np.int32), np.dtype(np.uint16)).view(target)
    carrier = np.array(values, _CARRIER.get(field, target))
    if field in _CARRIER and len(carrier) % 2:
        raise FormatError(f"an odd number of parts for {dtype} values")
    return carrier.view(target)


def _narrowed(values: Array, target: np.dtype[Any]) -> Array:
    """The values in a narrower integer type. Raises ValueError where one does not fit."""
    narrow = values.astype(target)
    if not np.array_equal(narrow.astype(np.int32), values):
        raise ValueError
    return narrow


def _filled(values: Array, spec: TensorSpec) -> Array:
    """The values, gone on with the last one up to the spec's size."""
    last = (
        values[-1] if len(values) else (b"" if spec.dtype is DType.STRING else np.zeros((), values.dtype)[()])
    )
    whole = np.empty(spec.size, values.dtype)
    whole[: len(values)] = values
    whole[len(values) :] = last
    return whole
