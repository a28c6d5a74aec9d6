"""What a tensor is before its bytes are read: an element type and a shape.

`DType` carries TensorFlow's numbers (types.proto) beside the numpy type that holds the same bytes,
in memory as in a checkpoint: little-endian, and one byte an element for the 2- and 4-bit kinds.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from migration.errors import FormatError

if TYPE_CHECKING:
    import numpy as np


class DType(enum.Enum):
    """An element type, named and numbered as TensorFlow does. `value` is the number on disk."""

    FLOAT32 = 1
    FLOAT64 = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    STRING = 7
    COMPLEX64 = 8
    INT64 = 9
    BOOL = 10
    QINT8 = 11
    QUINT8 = 12
    QINT32 = 13
    BFLOAT16 = 14
    QINT16 = 15
    QUINT16 = 16
    UINT16 = 17
    COMPLEX128 = 18
    FLOAT16 = 19
    RESOURCE = 20
    VARIANT = 21
    UINT32 = 22
    UINT64 = 23
    FLOAT8_E5M2 = 24
    FLOAT8_E4M3FN = 25
    FLOAT8_E4M3FNUZ = 26
    FLOAT8_E4M3B11FNUZ = 27
    FLOAT8_E5M2FNUZ = 28
    INT4 = 29
    UINT4 = 30
    INT2 = 31
    UINT2 = 32
    FLOAT4_E2M1FN = 33

    # Each member is the only one of its value; Enum's own hash, of the name, runs in Python every time.
    __hash__ = object.__hash__

    @classmethod
    def from_number(cls, number: int) -> DType:
        """The type of that number; a reference type (number + 100, of TF1 graphs) is its base.

        Raises FormatError for a number that TensorFlow 2.21 does not have.
        """
        try:
            return cls(number - 100 if number > 100 else number)
        except ValueError:
            raise FormatError(
                f"dtype number {number} is unknown: the file is corrupt, or newer than this tool"
            ) from None

    @classmethod
    def from_name(cls, name: str) -> DType:
        """The type of TensorFlow's name for it, e.g. "float32", "bfloat16"; `str(dtype)` is its inverse."""
        try:
            return cls[{"half": "FLOAT16", "float": "FLOAT32", "double": "FLOAT64"}.get(name, name.upper())]
        except KeyError:
            raise FormatError(f"{name!r} is no dtype: use a name such as float32 or int64") from None

    @classmethod
    def from_numpy(cls, dtype: np.dtype[Any]) -> DType:
        """The type that holds arrays of this numpy type; object, bytes and str arrays are strings."""
        if dtype.kind in "OSU":
            return cls.STRING
        name = dtype.names[0] if dtype.names else dtype.name
        return cls.from_name(name)

    def __str__(self) -> str:
        return self.name.lower()

    @property
    def itemsize(self) -> int | None:
        """Bytes an element takes on disk; None where elements vary (string, variant, resource)."""
        return _ITEMSIZE.get(self)

    @property
    def is_floating(self) -> bool:
        """Whether values are real floating-point numbers of any width."""
        return "FLOAT" in self.name

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type of the same bytes: ml_dtypes' where numpy has none, object for strings.

        Quantized kinds come as their plain integer. Raises FormatError for variant and resource, whose
        bytes are carried and never decoded, and for a type that is newer than the installed ml_dtypes.
        """
        import numpy as np

        if self is DType.STRING:
            return np.dtype(object)
        if self.itemsize is None:
            raise FormatError(f"{self} tensors have no array form: their bytes can only be carried over")
        plain = self.name.lower().removeprefix("q") if self.name.startswith("Q") else self.name.lower()
        if self in _ML_DTYPES:
            return _of_ml_dtypes(plain)
        return np.dtype(plain)

    @property
    def has_array_form(self) -> bool:
        """Whether `numpy` is there: the type is neither opaque nor newer than the installed ml_dtypes."""
        try:
            return self.numpy is not None
        except FormatError:
            return False


def _of_ml_dtypes(name: str) -> np.dtype[Any]:
    import ml_dtypes
    import numpy as np

    kind = getattr(ml_dtypes, name, None)
    if kind is None:
        raise FormatError(
            f"{name} arrays need ml_dtypes 0.5.0 or newer, and {ml_dtypes.__version__} is installed: "
            "upgrade it (a tensor that is copied as it is does without)"
        )
    found: np.dtype[Any] = np.dtype(kind)
    return found


_ML_DTYPES = frozenset(
    dtype
    for dtype in DType
    if dtype.name.startswith(("BFLOAT", "FLOAT8", "FLOAT4")) or dtype.name.endswith(("INT4", "INT2"))
)
_BY_SIZE = {
    1: "UINT8 INT8 BOOL QINT8 QUINT8",
    2: "INT16 UINT16 BFLOAT16 FLOAT16 QINT16 QUINT16",
    4: "FLOAT32 INT32 UINT32 QINT32",
    8: "FLOAT64 INT64 UINT64 COMPLEX64",
    16: "COMPLEX128",
}
_ITEMSIZE: dict[DType, int] = {
    **dict.fromkeys(_ML_DTYPES, 1),
    **{DType[name]: size for size, names in _BY_SIZE.items() for name in names.split()},
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's element type and its shape, all dimensions known; `()` is a scalar."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int | None:
        """How many bytes on disk; None where elements vary (string, variant)."""
        itemsize = self.dtype.itemsize
        return None if itemsize is None else itemsize * self.size

    def __str__(self) -> str:
        return _spelled(self.dtype, self.shape)


@lru_cache(maxsize=4096)
def _spelled(dtype: DType, shape: tuple[int, ...]) -> str:
    """Most tensors of a large checkpoint share dtype and shape with others."""
    return f"{dtype}[{', '.join(map(str, shape))}]"
