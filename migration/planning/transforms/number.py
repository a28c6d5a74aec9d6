"""What a dtype's numbers are: their kind, their limits, and which dtype holds all of another's."""

from __future__ import annotations

from migration.tensors import DType

# (bits of the significand with the implicit one, smallest exponent, largest exponent), value = m * 2**e
# with m an integer of so many bits: IEEE 754, and the papers and headers of ml_dtypes for the small ones.
_FLOATS = {
    DType.FLOAT64: (53, -1074, 971),
    DType.FLOAT32: (24, -149, 104),
    DType.FLOAT16: (11, -24, 5),
    DType.BFLOAT16: (8, -133, 120),
    DType.FLOAT8_E5M2: (3, -16, 13),
    DType.FLOAT8_E5M2FNUZ: (3, -17, 13),
    DType.FLOAT8_E4M3FN: (4, -9, 5),
    DType.FLOAT8_E4M3FNUZ: (4, -10, 4),
    DType.FLOAT8_E4M3B11FNUZ: (4, -13, 1),
    DType.FLOAT4_E2M1FN: (2, -1, 1),
}
_COMPLEX = {DType.COMPLEX64: DType.FLOAT32, DType.COMPLEX128: DType.FLOAT64}
_FULL_FLOATS = (DType.FLOAT64, DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16)  # infinities, NaN, and -0


def is_integer(dtype: DType) -> bool:
    """Whether values are integers, the quantized kinds included (as their plain integers)."""
    return "INT" in dtype.name and not dtype.is_floating


def is_complex(dtype: DType) -> bool:
    """Whether values have an imaginary part."""
    return dtype in _COMPLEX


def is_number(dtype: DType) -> bool:
    """Whether values can be computed with: integers, real and complex numbers."""
    return is_integer(dtype) or dtype in _FLOATS or is_complex(dtype)


def integer_limits(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest value of an integer dtype."""
    bits = int(dtype.name.rpartition("INT")[2])
    unsigned = dtype.name.removeprefix("Q").startswith("U")
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def widens(narrow: DType, wide: DType) -> bool:
    """Whether every value of `narrow` is a value of `wide`, so that a cast there and back changes none."""
    if narrow is wide:
        return True
    if narrow is DType.BOOL:
        return is_number(wide)
    if wide in _COMPLEX:
        return widens(_COMPLEX.get(narrow, narrow), _COMPLEX[wide])
    if is_integer(narrow):
        return _holds_integers(narrow, wide)
    return _holds_floats(narrow, wide)


def _holds_integers(narrow: DType, wide: DType) -> bool:
    low, high = integer_limits(narrow)
    if is_integer(wide):
        least, most = integer_limits(wide)
        return least <= low and high <= most
    if wide not in _FULL_FLOATS:
        return False
    return max(-low - 1, high).bit_length() <= _FLOATS[wide][0]


def _holds_floats(narrow: DType, wide: DType) -> bool:
    if narrow not in _FLOATS or wide not in _FULL_FLOATS:
        return False
    ours, theirs = _FLOATS[narrow], _FLOATS[wide]
    return ours[0] <= theirs[0] and ours[1] >= theirs[1] and ours[2] <= theirs[2]
