"""A tensor's bytes in a shard, and the numpy array that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from migration.errors import FormatError, InputError
from migration.formats.bundle_entries import BundleEntry
from migration.formats.coding import masked_crc32c
from migration.formats.located import located
from migration.formats.string_tensors import decode_strings, encode_strings
from migration.formats.tensor_checksum import TensorChecksum
from migration.tensors import DType

if TYPE_CHECKING:
    import numpy as np

# numpy is imported where arrays are made: to rename tensors, none is needed
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_NUMPY_MAX_RANK = 64


def check_tensor(entry: BundleEntry, raw: bytes | memoryview, where: str) -> None:
    """Raises FormatError unless `raw` is, by its size and checksum, what the entry says; `where` is told."""
    checksum = TensorChecksum(entry.spec.dtype, entry.spec.size)
    with located(where):
        _check_size(entry, raw)
        checksum.update(raw)
        checksum.check(entry.crc32c)


def decode_tensor(entry: BundleEntry, raw: bytes | memoryview, where: str) -> Array:
    """The array of an entry's bytes, checked against its crc first.

    Shape and dtype are the entry's; strings come as an object array of bytes. Numbers are a view of `raw`
    (read-only if it is), nothing is copied. Raises FormatError where size or checksum are wrong, and for
    variant and resource tensors, which have no array form.
    """
    import numpy as np

    spec = entry.spec
    with located(where):
        check_rank(spec.shape)
        if spec.dtype is DType.STRING:
            return _decode_string_tensor(entry, raw)
        dtype = spec.dtype.numpy
    check_tensor(entry, raw, where)
    if spec.size == 0:
        return np.empty(spec.shape, dtype)
    return np.frombuffer(raw, dtype).reshape(spec.shape)


def check_rank(shape: tuple[int, ...]) -> None:
    """Raises FormatError for more dimensions than numpy's arrays have."""
    if len(shape) > _NUMPY_MAX_RANK:
        raise FormatError(f"{len(shape)} dimensions, and an array has {_NUMPY_MAX_RANK} at most")


def encode_tensor(array: Array, dtype: DType) -> tuple[bytes, int]:
    """The bytes of an array in a shard, and their masked crc.

    Strings are an array of bytes or str (written as UTF-8). Raises InputError where the array's own dtype
    is not the one that `dtype` is read as: nothing is cast.
    """
    import numpy as np

    array = np.asarray(array)
    if dtype is DType.STRING:
        return encode_strings([_as_bytes(element) for element in array.ravel().tolist()])
    if array.dtype != dtype.numpy:
        raise InputError(f"an array of {array.dtype} cannot be written as {dtype}: cast it first")
    payload = array.tobytes()
    return payload, masked_crc32c(payload)


def _check_size(entry: BundleEntry, raw: bytes | memoryview) -> None:
    size = memoryview(raw).nbytes
    if size != entry.size:
        raise FormatError(f"{size} bytes, the index needs {entry.size}: copy the file again")


def _decode_string_tensor(entry: BundleEntry, raw: bytes | memoryview) -> Array:
    _check_size(entry, raw)
    return string_array(decode_strings(raw, entry.spec.size, entry.crc32c), entry.spec.shape)


def string_array(elements: list[bytes], shape: tuple[int, ...]) -> Array:
    """The elements as an object array; numpy would cut trailing zero bytes off its own bytes type."""
    import numpy as np

    array = np.empty(len(elements), object)
    array[:] = elements
    return array.reshape(shape)


def _as_bytes(element: object) -> bytes:
    if isinstance(element, str):
        return element.encode("utf-8", "surrogateescape")
    if isinstance(element, bytes):
        return element
    raise InputError(f"a string tensor cannot hold a {type(element).__name__}")
