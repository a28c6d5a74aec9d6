"""TOML files that people edit, read with the line of every key."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from migration.errors import PlanError, Problem
from migration.planning.toml import ESCAPE, spoken
from migration.planning.toml_parser import MOST_DOTS, TOKEN, bounded, parse_toml

_HEADER = re.compile(r"\[(\[?)([A-Za-z0-9_.-]+)\]\]?\s*(?:#.*)?")
_STATEMENT = re.compile(r'([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*")\s*=\s*(.*)')
_SIMPLE_STRING = re.compile(r'"[^"\\\x00-\x1f\x7f]*"')
_KEY = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+))\s*([.=]|$)')

Table = dict[str, Any]
Path = tuple["str | int", ...]


@dataclass(frozen=True)
class Document:
    """A TOML file: its values, and where they stand."""

    values: Table
    text: str
    where: str
    plain: bool  # whether every statement is a line

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
    def _lines(self) -> Mapping[Path, int]:
        found: dict[Path, int] = {}
        table: Path = ()
        counts: dict[str, int] = {}
        for line, statement in _plain_statements(self.text) if self.plain else _statements(self.text):
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
    plain = values is not None
    if values is None:
        values = _parsed(text, where)
    if ESCAPE in text or "10f7ff" in text.lower():
        values = _unescaped(values)
    return Document(values, text, where, plain)


# Statements that are lines: how plans are written, and how most edits leave them; several times as fast.


def _plainly_written(text: str) -> Table | None:
    """The values of a file in which each statement is a line; None if it needs the whole of TOML."""
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
    *parents, name = header[2].split(".")
    brackets = header[0].partition("#")[0].count("]")
    if not all(parents) or not name or brackets != 1 + len(header[1]) or len(parents) > MOST_DOTS:
        return None
    holder: Any = root
    for parent in parents:
        holder = holder.setdefault(parent, {})
        if not isinstance(holder, dict):
            return None
    new: Table = {}
    if not header[1]:
        return new if holder.setdefault(name, new) is new else None
    tables = holder.setdefault(name, [])
    if parents or not isinstance(tables, list) or not all(type(item) is dict for item in tables[:1]):
        return None
    tables.append(new)
    return new


def _refuse(name: str) -> Any:
    raise ValueError(name)


_json = json.JSONDecoder(parse_constant=_refuse)  # NaN and Infinity are not TOML's words


def _plain_value(text: str) -> Any:
    """The value that `text` is; None where it does not end on its line, or is wrong."""
    if _SIMPLE_STRING.fullmatch(text) is not None:
        return text[1:-1]
    if text[:1] in ('"', "[") and "{" not in text:
        try:
            found = _json.decode(text)
            return bounded(found) if text[0] == "[" else found
        except (ValueError, RecursionError):
            pass  # a comment behind it, single quotes, dates ...: the parser knows
    return _parsed_value(text)


@functools.lru_cache(maxsize=4096)
def _parsed_value(text: str) -> Any:
    """The same by the parser; equal texts (transforms repeat) share one value, which nobody changes."""
    try:
        return parse_toml(f"x = {text}")["x"]
    except ValueError:
        return None


def _plain_statements(text: str) -> Iterator[tuple[int, str]]:
    """The number of each statement's line, and the line."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line and line[0] != "#":
            yield number, line


# Everything else.


def _parsed(text: str, where: str) -> Table:
    """The values by the parser."""
    try:
        return parse_toml(text)
    except ValueError as error:
        raise PlanError(f"{where} is not valid TOML", [_syntax_problem(error, where)]) from None


def _syntax_problem(error: ValueError, where: str) -> Problem:
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", str(error))
    if place is None:
        return Problem(kind="syntax", where=where, message=str(error))
    message = str(error).replace(place[0], "")
    return Problem(
        kind="syntax", where=f"{where}:{place[1]}" if place[1] else f"{where} (at its end)", message=message
    )


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement's first line number and its text up to the line's end."""
    line, depth, fresh = 1, 0, True
    for token in TOKEN.finditer(text):
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
    part = _KEY.match(statement)  # never searched for: that takes the square of a key that does not end
    while part is not None:
        quoted, literal, bare, end = part.groups()
        found.append(_unquoted(quoted) if quoted is not None else literal or bare or "")
        part = _KEY.match(statement, part.end()) if end == "." else None
    return tuple(found)


@functools.lru_cache(maxsize=4096)
def _unquoted(text: str) -> str:
    value = _parsed_value(f'"{text}"')
    return spoken(value) if isinstance(value, str) else text


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return spoken(value)
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    if isinstance(value, dict):
        return {spoken(key): _unescaped(item) for key, item in value.items()}
    return value
