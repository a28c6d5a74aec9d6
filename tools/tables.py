"""Text for people and JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from migration.printable import printable

MOST_RICH_ROWS = 1000  # a drawn table of more takes longer than the work it tells of
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Print a table to standard output: drawn on a terminal, aligned text elsewhere and where it is long.

    `right` are the columns that are aligned to the right.
    """
    if sys.stdout.isatty() and len(rows) <= MOST_RICH_ROWS:
        _draw(columns, rows, right)
    else:
        sys.stdout.write(aligned(columns, rows, right))


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """The table as lines of text, cells padded to their column's width."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max([len(name), *map(len, cells)])
        for name, cells in zip(columns, _columns(columns, rows), strict=True)
    ]
    marks = [">" if name in right else "<" for name in columns]
    line = "  ".join(f"{{:{mark}{width}}}" for mark, width in zip(marks, widths, strict=True))
    lines = [line.format(*columns), "  ".join("-" * width for width in widths)]
    lines += [line.format(*row) for row in rows]
    return "".join(f"{each.rstrip()}\n" for each in lines)


def _columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    return list(zip(*rows, strict=True)) if rows else [()] * len(columns)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def size(nbytes: int) -> str:
    """A number of bytes for people, e.g. "1.6 MB" (of 1000s)."""
    amount, unit = float(nbytes), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{nbytes} bytes" if unit == 0 else f"{amount:.3g} {_UNITS[unit]}"


def write_json(value: Any) -> None:
    """Print the value to standard output as one JSON document in ASCII; NaN and infinities become strings.

    Names stand in it exactly: each byte that is no UTF-8 as a lone surrogate, U+DC00 and the byte, which
    Python's `name.encode("utf-8", "surrogateescape")` turns back.
    """
    try:
        text = json.dumps(value, indent=2, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=2, default=_plain)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")  # JSON lets this control character through


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, complex):
        return [value.real, value.imag]
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, complex):
        return [_finite(value.real), _finite(value.imag)]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
