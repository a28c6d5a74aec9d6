"""TOML for files that people edit: read with the line of every key, written plainly and fast.

Strings that TOML cannot hold (a name whose bytes are no UTF-8 carries lone surrogates) are written with
an escape character of the private use area, and read back as they were.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from migration.errors import PlanError, Problem

_parser = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ESCAPE = 0x10F7FF  # before a stand-in of a surrogate (U+D800 + n as U+10F800 + n), or before itself
_STAND_IN = 0x10F800 - 0xD800
_HEADER = re.compile(r"\[(\[?)([A-Za-z0-9_.-]+)\]\]?\s*(?:#.*)?")
_STATEMENT = re.compile(r'([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*")\s*=\s*(.*)')
_SIMPLE_STRING = re.compile(r'"[^"\\\x00-\x1f\x7f]*"')
_UNSPEAKABLE = re.compile(f"[\ud800-\udfff{chr(ESCAPE)}]")
_SPOKEN = re.compile(f"{chr(ESCAPE)}(.)", re.DOTALL)
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]|\n|[^"\'#\[\]{}\n]+|.',
    re.DOTALL,
)

Table = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A TOML file: its values, and where they stand."""

    values: Table
    text: str
    where: str

    def place(self, *path: str | int) -> str:
        """Where a key stands, as file:line, or else the nearest above it.

        `path` names tables, counts repeated ones from 0, and ends with the key.
        """
        for end in range(len(path), 0, -1):
            line = self._lines.get(path[:end])
            if line is not None:
                return f"{self.where}:{line}"
        return f"{self.where}:1"

    @cached_property
    def _lines(self) -> Mapping[tuple[str | int, ...], int]:
        found: dict[tuple[str | int, ...], int] = {}
        table: tuple[str | int, ...] = ()
        counts: dict[str, int] = {}
        for line, statement in _statements(self.text):
            header = _HEADER.match(statement)
            if header is None:
                found.setdefault((*table, *_key_of(statement)), line)
                continue
            name = header[2]
            table = tuple(name.split("."))
            if header[1]:
                table = (name, counts.setdefault(name, 0))
                counts[name] += 1
            found.setdefault(table, line)
        return found


def read_document(text: str, where: str) -> Document:
    """The document that `text` is. Raises PlanError, with the line, where it is no TOML."""
    values = _plainly_written(text)
    if values is None:
        try:
            values = _parser.loads(text)
        except ValueError as error:
            raise PlanError(f"{where} is not valid TOML", [_syntax_problem(error, where)]) from None
        except RecursionError:
            problem = Problem(
                kind="syntax", where=where, message="the values are nested too deeply to be read"
            )
            raise PlanError(f"{where} is not valid TOML", [problem]) from None
    if chr(ESCAPE) in text or "10f7ff" in text.lower():
        values = _unescaped(values)
    return Document(values, text, where)


def _syntax_problem(error: ValueError, where: str) -> Problem:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
    message = str(error).replace(place[0], "") if place else str(error)
    line = place[1] if place and place[1] else None
    return Problem(
        kind="syntax", where=f"{where}:{line}" if line else f"{where} (at its end)", message=message
    )


def _plainly_written(text: str) -> Table | None:
    """The values of a file in which each statement is a line; None if it needs the whole of TOML.

    That is how `write` leaves a file, and most edits too; it is several times faster than the parser.
    """
    root: Table = {}
    table = root
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        statement = _STATEMENT.fullmatch(line)
        if statement is not None:
            key = statement[1] if line[0] != '"' else _plain_value(statement[1])
            value = _plain_value(statement[2])
            if value is None or key is None or key in table:
                return None
            table[key] = value
            continue
        header = _HEADER.fullmatch(line)
        opened = _opened(root, header) if header is not None else None
        if opened is None:
            return None
        table = opened
    return root


def _opened(root: Table, header: re.Match[str]) -> Table | None:
    """The new table that a header begins; None where it is no simple case."""
    parents = header[2].split(".")
    name = parents.pop()
    holder: Any = root
    for parent in parents:
        holder = holder.setdefault(parent, {}) if parent else None
        if not isinstance(holder, dict):
            return None
    new: Table = {}
    if not name or header[0].rstrip().count("]") != 1 + len(header[1]):
        return None
    if not header[1]:
        return None if holder.setdefault(name, new) is not new else new
    tables = holder.setdefault(name, [])
    if parents or not isinstance(tables, list):
        return None
    tables.append(new)
    return new


_json = json.JSONDecoder(parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))


def _plain_value(text: str) -> Any:
    """The value that `text` is; None where it does not end on its line, or is wrong."""
    if _SIMPLE_STRING.fullmatch(text) is not None:
        return text[1:-1]
    if text[:1] in ('"', "[") and "{" not in text:
        try:
            return _json.decode(text)
        except (ValueError, RecursionError):
            pass  # a comment behind it, single quotes, dates ...: the parser knows
    return _parsed_value(text)


@functools.lru_cache(maxsize=4096)
def _parsed_value(text: str) -> Any:
    """The same by the parser; equal texts (transforms repeat) share one value, which nobody changes."""
    try:
        return _parser.loads(f"x = {text}")["x"]
    except (ValueError, RecursionError):
        return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement's first line number and its text up to the line's end."""
    line, depth, fresh = 1, 0, True
    for token in _TOKEN.finditer(text):
        part = token[0]
        if fresh and depth == 0 and part.strip(" \t\r\n") and part[0] != "#":
            end = text.find("\n", token.start())
            yield line, text[token.start() : end if end >= 0 else len(text)].strip()
            fresh = False
        depth += (part in "[{") - (part in "]}")
        if part == "\n" and depth <= 0:
            fresh, depth = True, 0
        line += part.count("\n")


def _key_of(statement: str) -> tuple[str, ...]:
    """The dotted key that a statement begins with."""
    found: list[str] = []
    for part in re.finditer(
        r'\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+))\s*([.=]|$)', statement
    ):
        quoted, literal, bare, end = part.groups()
        found.append(
            _spoken(json.loads(f'"{quoted}"', strict=False)) if quoted is not None else literal or bare
        )
        if end != ".":
            break
    return tuple(found)


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return _spoken(value)
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    if isinstance(value, dict):
        return {_spoken(key): _unescaped(item) for key, item in value.items()}
    return value


def _spoken(text: str) -> str:
    def surrogate(match: re.Match[str]) -> str:
        return match[1] if ord(match[1]) == ESCAPE else chr(ord(match[1]) - _STAND_IN)

    return _SPOKEN.sub(surrogate, text)


_encode = json.JSONEncoder(ensure_ascii=False).encode


def quoted(text: str) -> str:
    """`text` as a TOML string."""
    written = _encode(text).replace("\x7f", "\\u007f")
    if _UNSPEAKABLE.search(written) is None:
        return written
    return _UNSPEAKABLE.sub(_stand_in, written)


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\U{ESCAPE:08x}\\U{code if code == ESCAPE else code + _STAND_IN:08x}"


def key(name: str) -> str:
    """`name` as a key: bare where it can be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


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
