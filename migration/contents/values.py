"""What the values of a tensor are like: extremes, mean, NaNs, and the first few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migration.contents.streams import blocks, open_stream
from migration.tensors import DType

if TYPE_CHECKING:
    import numpy as np

    from migration.checkpoint import Checkpoint

FIRST = 8  # values that are shown
LONGEST = 80  # bytes of a string that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSummary:
    """`least`, `greatest` and `mean` leave NaN and infinities out, and are None where no number is left.

    Strings, variants and complex numbers have none of the three. `first` holds up to 8 values, row-major.
    """

    count: int
    least: float | int | None = None
    greatest: float | int | None = None
    mean: float | None = None
    nan: int = 0
    infinite: int = 0
    first: tuple[Any, ...] = ()


def summarize(checkpoint: Checkpoint, key: str) -> ValueSummary:
    """The summary of one tensor, read block by block, every byte checked.

    Raises MissingKeyError, or FormatError for damaged bytes.
    """
    spec = checkpoint.spec(key)
    if spec.dtype is DType.STRING:
        elements = checkpoint.read(key).ravel()
        return ValueSummary(count=spec.size, first=tuple(elements[:FIRST].tolist()))
    if spec.dtype.itemsize is None:
        for _ in blocks(open_stream(checkpoint, key)):
            pass
        return ValueSummary(count=spec.size)
    return _of_numbers(checkpoint, key)


def _of_numbers(checkpoint: Checkpoint, key: str) -> ValueSummary:
    import numpy as np

    spec = checkpoint.spec(key)
    least: Any = None
    greatest: Any = None
    total, finite, nan, infinite = 0.0, 0, 0, 0
    first: tuple[Any, ...] = ()
    for block in blocks(open_stream(checkpoint, key)):
        part = np.frombuffer(block, spec.dtype.numpy)
        first = first or tuple(map(plain, part[:FIRST]))
        if part.dtype.kind == "c":
            nan += int(np.isnan(part).sum())
            infinite += int(np.isinf(part).sum())
            continue
        numbers = widened(part)
        if numbers.dtype.kind == "f":
            nan += int(np.isnan(numbers).sum())
            infinite += int(np.isinf(numbers).sum())
            numbers = numbers[np.isfinite(numbers)]
        if not numbers.size:
            continue
        low, high = plain(numbers.min()), plain(numbers.max())
        least = low if least is None else min(least, low)
        greatest = high if greatest is None else max(greatest, high)
        total += float(numbers.sum(dtype=np.float64))
        finite += numbers.size
    return ValueSummary(
        count=spec.size,
        least=least,
        greatest=greatest,
        mean=total / finite if finite else None,
        nan=nan,
        infinite=infinite,
        first=first,
    )


def widened(part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers in a type that numpy itself can compute with: ml_dtypes' become float32 or int8."""
    import numpy as np

    if part.dtype.kind in "biufc" and part.dtype.isbuiltin == 1:
        return part.astype(np.uint8) if part.dtype.kind == "b" else part
    return part.astype(np.int8 if "int" in part.dtype.name else np.float32)


def plain(value: Any) -> Any:
    """A number of numpy's or ml_dtypes' as Python's own."""
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, (bool, int, float, complex, bytes, str)):
        return found
    return float(found)
