"""TOML read by its parser, with bounds: what is hostile is refused as what is no TOML is."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

MOST_DOTS = 50  # in one key; the parser's time grows with their square
MOST_DEEP = 100  # lists and tables within each other; an array has 64 dimensions at most
MOST_DIGITS = 4000  # of a number: Python itself prints no more than 4300
TOO_DEEP = "keys or values are nested too deeply to be read"

_LIMIT = 10**MOST_DIGITS
_parser = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
_BETWEEN_KEYS = re.compile(r"[=,\n\[\]{}]")
TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*'
    r'|[\[{]|[\]}]|\n|[^"\'#\[\]{}\n]+|.',
    re.DOTALL,
)


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError, with the line where the parser knows it, for any other
    text, for numbers that cannot be printed, and for what is nested too deeply."""
    if most_dots(text) > MOST_DOTS:
        raise ValueError(TOO_DEEP)
    try:
        tables: dict[str, Any] = bounded(_parser.loads(text))
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return tables


def bounded(value: Any, depth: int = MOST_DEEP) -> Any:
    """The value itself. Raises ValueError for a number in it that cannot be printed, and for too deep a
    nesting: those who use it need not look out for either."""
    if isinstance(value, (dict, list)):
        if not depth:
            raise ValueError(TOO_DEEP)
        for item in value.values() if isinstance(value, dict) else value:
            bounded(item, depth - 1)
    elif isinstance(value, int) and not -_LIMIT < value < _LIMIT:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return value


def most_dots(text: str) -> int:
    """The most dots that one key has, wherever keys can stand."""
    most = dots = 0
    for token in TOKEN.finditer(text) if text.count(".") > MOST_DOTS else ():
        part = token[0]
        if part[0] in "\"'#":
            continue
        first, *others = (piece.count(".") for piece in _BETWEEN_KEYS.split(part))
        most = max(most, dots + first, *others)
        dots = others[-1] if others else dots + first
    return most
