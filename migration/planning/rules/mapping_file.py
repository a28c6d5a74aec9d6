"""A plain mapping from names to places, as a TOML or JSON file: `"pooler/dense/kernel" = "pooler.kernel"`."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from migration.errors import PlanError, Problem
from migration.planning.document import read_document

_JSON_KEY = re.compile(r'("(?:[^"\\]|\\.)*")\s*:')


def read_mapping(content: str, where: str) -> dict[str, str]:
    """The names and places in a file's text; a file that begins with `{` or ends in .json is JSON.

    A TOML key with dots is the name with dots. Raises PlanError with every entry that is no string, and
    every name that stands twice, each with its line.
    """
    if content.lstrip()[:1] == "{" or os.path.splitext(where)[1].lower() == ".json":
        return _of_json(content, where)
    document = read_document(content, where)
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path, value in _entries(document.values, ()):
        name = ".".join(path)
        if not isinstance(value, str):
            problems.append(_no_place(document.place(*path), name, value))
        elif name in found:
            problems.append(_doubled(document.place(*path), name))
        else:
            found[name] = value
    return _checked(found, problems, where)


def _entries(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _entries(value, (*path, key))
        else:
            yield (*path, key), value


def _of_json(content: str, where: str) -> dict[str, str]:
    pairs: list[tuple[str, Any]] = []
    depths: list[list[tuple[str, Any]]] = []

    def keep(found: list[tuple[str, Any]]) -> dict[str, Any]:
        depths.append(found)
        return dict(found)

    try:
        outermost = json.loads(content, object_pairs_hook=keep)
    except json.JSONDecodeError as error:
        problem = Problem(kind="syntax", where=f"{where}:{error.lineno}", message=error.msg)
        raise PlanError(f"{where} is not valid JSON", [problem]) from None
    except (RecursionError, ValueError) as error:  # a number of more digits than Python reads is the latter
        deep = isinstance(error, RecursionError)
        message = "the values are nested too deeply to be read" if deep else "a number is too long to be read"
        problem = Problem(kind="syntax", where=where, message=message)
        raise PlanError(f"{where} is not valid JSON", [problem]) from None
    if not isinstance(outermost, dict):
        problem = Problem(
            kind="wrong value", where=f"{where}:1", message="an object of names and places is wanted"
        )
        raise PlanError(f"{where} is no mapping", [problem])
    pairs = depths[-1] if depths else []
    found: dict[str, str] = {}
    wrong: list[tuple[str, int, Any]] = []
    seen: dict[str, int] = {}
    for name, value in pairs:
        seen[name] = seen.get(name, 0) + 1
        if not isinstance(value, str) or seen[name] > 1:
            wrong.append((name, seen[name], value))
        else:
            found[name] = value
    return _checked(found, _json_problems(content, wrong, where) if wrong else [], where)


def _json_problems(content: str, wrong: list[tuple[str, int, Any]], where: str) -> list[Problem]:
    """What is wrong with the n-th entry of each name, each with its line."""
    lines = _json_lines(content)
    problems: list[Problem] = []
    for name, occurrence, value in wrong:
        known = lines.get(name, [])
        place = f"{where}:{known[occurrence - 1] if occurrence <= len(known) else 1}"
        problems.append(_doubled(place, name) if isinstance(value, str) else _no_place(place, name, value))
    return problems


def _json_lines(content: str) -> dict[str, list[int]]:
    """The lines on which each key stands, in one pass."""
    found: dict[str, list[int]] = {}
    line, position = 1, 0
    for match in _JSON_KEY.finditer(content):
        line += content.count("\n", position, match.start())
        position = match.start()
        with contextlib.suppress(ValueError):
            found.setdefault(json.loads(match[1]), []).append(line)
    return found


def _no_place(where: str, name: str, value: object) -> Problem:
    return Problem(kind="wrong value", where=where, message=f"{name!r} goes to {value!r}: a string is wanted")


def _doubled(where: str, name: str) -> Problem:
    return Problem(kind="duplicate", where=where, message=f"{name!r} stands there twice: delete one")


def _checked(found: dict[str, str], problems: list[Problem], where: str) -> dict[str, str]:
    if problems:
        raise PlanError(f"{where}: this mapping cannot be used", problems)
    return found
