"""TOML written plainly and fast: one statement a line.

A person reads the file: what cannot be printed (control characters, bidirectional overrides) is escaped.
Strings that TOML cannot hold (a name whose bytes are no UTF-8 carries lone surrogates) are written with
an escape character of the private use area, and `spoken` reads them back as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

ESCAPE = chr(0x10F7FF)  # before a stand-in of a surrogate (U+D800 + n as U+10F800 + n), or before itself
_STAND_IN = 0x10F800 - 0xD800
_UNSPEAKABLE = re.compile(f"[\ud800-\udfff{ESCAPE}]")
_SPOKEN = re.compile(f"{ESCAPE}(.)", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_encode = json.JSONEncoder(ensure_ascii=False).encode


def quoted(text: str) -> str:
    """`text` as a TOML string."""
    written = _encode(text)
    return written if written.isprintable() else "".join(map(_spelled, written))


def _spelled(letter: str) -> str:
    if letter.isprintable():
        return letter
    if _UNSPEAKABLE.fullmatch(letter):
        return _UNSPEAKABLE.sub(_stand_in, letter)
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\U{ord(ESCAPE):08x}\\U{code if match[0] == ESCAPE else code + _STAND_IN:08x}"


def spoken(text: str) -> str:
    """A string as it was before `quoted`, once TOML's own escapes are read."""
    return _SPOKEN.sub(_surrogate, text)


def _surrogate(match: re.Match[str]) -> str:
    code = ord(match[1])
    return chr(code - _STAND_IN) if code >= _STAND_IN + 0xD800 else match[1]


def key(name: str) -> str:
    """`name` as a key: bare where it can be."""
    return name if _BARE.fullmatch(name) else quoted(name)


def value(item: Any) -> str:
    """A string, number, boolean, list or mapping as a TOML value on one line."""
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{key(name)} = {value(part)}" for name, part in item.items()) + "}"
    if isinstance(item, Iterable):
        return "[" + ", ".join(map(value, item)) + "]"
    return repr(item)


def lines(values: Mapping[str, Any]) -> list[str]:
    """One `key = value` line for each item."""
    return [f"{key(name)} = {value(item)}" for name, item in values.items()]
