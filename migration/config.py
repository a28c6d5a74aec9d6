"""Paths in one place: a small TOML file that the tools read, and that a training script can read as well.

    [paths]
    model_dir = "runs/old"        # relative to the file
    output_dir = "runs/new"

    [migrate]
    data = "link"

`[paths]` serves every tool; a table named after a tool sets that tool's other flags.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migration.errors import InputError, Problem, ProblemsError
from migration.planning.toml_parser import parse_toml

PATHS = (
    "checkpoint", "output", "migrated", "model_dir", "output_dir", "template", "plan", "rules", "mapping",
)  # fmt: skip
TOOLS = ("inspect", "migrate", "verify", "plan", "diff", "doctor")
_END_OF_KEY = re.compile(r"[=\]]")
Value = str | int | float | bool


class ConfigError(ProblemsError, InputError):
    """A config file that cannot be used: every problem, each with its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the file says. Relative paths are already joined to the file's own directory."""

    file: str
    paths: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Config:
        """The config of that file. Raises ConfigError where it is absent, no TOML, or has unknown keys."""
        name = os.fspath(file)
        try:
            with open(name, encoding="utf-8") as stream:
                text = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError(f"{name}: cannot be read ({reason}): check the path", ()) from None
        return cls.from_text(text, name)

    @classmethod
    def from_text(cls, text: str, file: str) -> Config:
        """The config of a file's text; `file` stands in errors, and relative paths start beside it."""
        try:
            tables = parse_toml(text)
        except ValueError as error:
            raise ConfigError(f"{file}: this is no TOML ({error})", ()) from None
        problems = [*_unknown_tables(tables), *_bad_paths(tables.get("paths", {})), *_bad_tools(tables)]
        if problems:
            lines = _lines_of_keys(text)
            located = [_located(problem, lines, file) for problem in problems]
            raise ConfigError(f"{file}: {len(problems)} problems", located)
        beside = os.path.dirname(file)
        return cls(
            file=file,
            paths={
                key: os.path.join(beside, os.path.expanduser(path))
                for key, path in tables.get("paths", {}).items()
            },
            tools={tool: tables[tool] for tool in TOOLS if tool in tables},
        )

    def flags_of(self, tool: str) -> dict[str, Value]:
        """The values for the flags of that tool: the paths, and then the tool's own table."""
        return {**self.paths, **self.tools.get(tool, {})}


def _unknown_tables(tables: Mapping[str, Any]) -> list[Problem]:
    known = ("paths", *TOOLS)
    problems = []
    for name, table in tables.items():
        if name not in known:
            problems.append(Problem(kind="key", where=name, message=f"unknown; known are {', '.join(known)}"))
        elif not isinstance(table, dict):
            problems.append(Problem(kind="type", where=name, message=f"must be a table: write [{name}]"))
    return problems


def _bad_paths(table: Any) -> list[Problem]:
    if not isinstance(table, dict):
        return []
    problems = []
    for name, path in table.items():
        if name not in PATHS:
            problems.append(Problem(kind="key", where=name, message=f"unknown; known are {', '.join(PATHS)}"))
        elif not isinstance(path, str) or not path or "\0" in path:
            problems.append(Problem(kind="type", where=name, message="must be a path in quotes"))
    return problems


def _bad_tools(tables: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(kind="type", where=name, message="must be a string, a number, true or false")
        for tool in TOOLS
        if isinstance(tables.get(tool), dict)
        for name, value in tables[tool].items()
        if not isinstance(value, (str, int, float, bool))
    ]


def _lines_of_keys(text: str) -> dict[str, int]:
    """The first line on which each key, or table, stands."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        head, *rest = _END_OF_KEY.split(line, maxsplit=1)
        if rest:
            found.setdefault(head.strip().removeprefix("[").strip().strip("\"'"), number)
    return found


def _located(problem: Problem, lines: Mapping[str, int], file: str) -> Problem:
    """The problem with the line on which its key stands."""
    number = lines.get(problem.where)
    line = f"{file}, line {number}" if number else file
    return Problem(kind=problem.kind, where=line, message=f"{problem.where}: {problem.message}")
