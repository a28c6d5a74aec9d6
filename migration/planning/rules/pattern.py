r"""Patterns of names, and the texts that are made of what they captured.

`*` is any run of characters within one part of a name (parts are separated by `/`), `**` any number of
whole parts, `{x}` a run of at least one character within a part, under the name x; `{x:int}` digits,
`{x:word}` letters, digits and underscores, `{x:path}` one or more whole parts. `\` takes the meaning
from the character behind it. Each takes as little as it can, from left to right, and is not tried
again, so that a match takes time linear in the name; a capture that stands twice must be the same
text twice.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import regex

from migration.errors import InputError

MOST_SECONDS_A_NAME = 0.2  # for a plain regular expression: a catastrophic one is stopped
MOST_EXPRESSION = 10_000  # characters: compiling takes time and memory in step with them, and is cached
MOST_SECONDS_A_RULE = 10.0  # for all names together

_TOKEN = re.compile(r"\\(.)|(\*\*)|(\*)|\{([A-Za-z_]\w*)(?::(\w+))?\}|([^\\*{}]+)|(.)", re.DOTALL)
_RUNS = {None: "[^/]+?", "word": "[A-Za-z0-9_]+?"}
_SEVERAL_PARTS = re.compile(r"\{([A-Za-z_]\w*):path\}")


class TooSlowError(InputError):
    """A regular expression that would hang; the text names the name that it hung on."""


class Matcher(Protocol):
    """What finds names and captures parts of them."""

    @property
    def text(self) -> str: ...
    @property
    def captures(self) -> frozenset[str]: ...
    @property
    def first_part(self) -> str | None: ...
    def match(self, name: str) -> Mapping[str, str] | None: ...


@dataclass(frozen=True)
class Pattern:
    """A pattern with named captures; `match` gives them for a whole name, or None."""

    text: str
    captures: frozenset[str]
    _start: str  # what every match starts with
    _compiled: Any = field(repr=False, compare=False)
    _groups: tuple[str, ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """The pattern that `text` writes. Raises InputError that says what is wrong with it."""
        groups: list[str] = []
        compiled = regex.compile(_expression(text, groups), regex.DOTALL)
        return cls(text, frozenset(groups), _literal_start(text), compiled, tuple(groups))

    @property
    def first_part(self) -> str | None:
        """The first part of every name that matches, where that is always the same."""
        first = self.text.partition("/")[0]
        return _unescaped(first) if _literal_start(first) == _unescaped(first) else None

    @property
    def is_literal(self) -> bool:
        """Whether the pattern is just a name."""
        return not self._groups and self._start == _unescaped(self.text)

    def match(self, name: str) -> Mapping[str, str] | None:
        """The captures in the whole of `name`; None where it does not match."""
        if not name.startswith(self._start):
            return None
        found = self._compiled.fullmatch(name + "/")
        if found is None:
            return None
        captured: dict[str, str] = {}
        for group, value in zip(self._groups, found.groups(), strict=True):
            value = value.removesuffix("/")
            if captured.setdefault(group, value) != value:
                return None
        return captured


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _literal_start(text: str) -> str:
    start = re.match(r"(?:[^*{}\\]|\\.)*", text, re.DOTALL)
    return _unescaped(start[0] if start else "").removesuffix("/")


def _expression(text: str, groups: list[str]) -> str:
    """The regular expression for a name with a slash after it, so that every part ends with one.

    What follows a gap of whole parts is atomic with it: the first place where it fits is the one.
    """
    if not text:
        raise InputError("an empty pattern matches no name")
    runs: list[list[str]] = [[]]
    for part in text.split("/"):
        capture = _SEVERAL_PARTS.fullmatch(part)
        if part == "**":
            runs.append(["(?:[^/]*/)*?"])
        elif capture is not None:
            groups.append(capture[1])
            runs.append(["((?:[^/]*/)+?)"])
        else:
            runs[-1].append(_part(part, groups) + "/")
    ends = [""] * (len(runs) - 1) + [r"\Z"]
    first, *rest = ("".join(run) + end for run, end in zip(runs, ends, strict=True))
    return first + "".join(f"(?>{run})" for run in rest)


def _part(part: str, groups: list[str]) -> str:
    """The regular expression of one part: after each open run, what closes it, atomic with it."""
    pieces = [""]
    opens = False  # whether a run or digits end here, so that no other may follow
    for token in _TOKEN.finditer(part):
        escaped, stars, star, name, kind, literal, stray = token.groups()
        if stars or stray or (kind not in (None, "int", "word")):
            raise InputError(_misplaced(part, stars, stray, kind))
        if literal or escaped:
            pieces[-1] += re.escape(literal or escaped)
            opens = False
            continue
        if opens and not (kind == "int" and not pieces[-1].endswith("++)")):
            raise InputError(f"{part!r}: two captures side by side: nothing tells where one ends")
        if name:
            groups.append(name)
        if kind == "int":
            pieces[-1] += "([0-9]++)"
        else:
            pieces.append("[^/]*?" if star else f"({_RUNS[kind]})")
        opens = True
    first, *rest = pieces
    if rest:
        rest[-1] += "(?=/)"
    return first + "".join(f"(?>{piece})" for piece in rest)


def _misplaced(part: str, stars: str | None, stray: str | None, kind: str | None) -> str:
    if stars:
        return f"{part!r}: ** stands for whole parts: write it between slashes, or * within a part"
    if kind == "path":
        return f"{part!r}: a capture of kind path is a whole part by itself"
    if kind:
        return f"{part!r}: unknown kind {kind!r}: use int, word or path"
    return f"{part!r}: {stray!r} does not belong there: write {{name}}, or a backslash before it"


@dataclass
class Expression:
    """A plain regular expression for whole names; groups are captures, by number and by name.

    Raises TooSlowError in `match` for one that would hang, on one name or on all of them together.
    """

    text: str
    captures: frozenset[str]
    _compiled: Any = field(repr=False, compare=False)
    _spent: float = field(default=0.0, repr=False, compare=False)
    first_part: None = None  # not known

    @classmethod
    def parse(cls, text: str) -> Expression:
        """The expression that `text` writes. Raises InputError that says what is wrong with it."""
        if len(text) > MOST_EXPRESSION:
            raise InputError(
                f"{text!r} is no regular expression to use: {len(text)} characters, "
                f"at most {MOST_EXPRESSION}: write a mapping of names"
            )
        try:
            compiled = regex.compile(text)
        except (regex.error, RecursionError, ValueError, OverflowError) as error:
            raise InputError(f"{text!r} is no regular expression: {error}") from None
        numbers = map(str, range(compiled.groups + 1))
        return cls(text, frozenset([*numbers, *compiled.groupindex]), compiled)

    def match(self, name: str) -> Mapping[str, str] | None:
        """The groups in the whole of `name`, "0" being all of it; None where it does not match."""
        started = time.perf_counter()
        try:
            found = self._compiled.fullmatch(name, timeout=MOST_SECONDS_A_NAME)
        except TimeoutError:
            raise TooSlowError(
                f"{self.text!r} takes too long on {name!r}: write it without nested repeats"
            ) from None
        self._spent += time.perf_counter() - started
        if self._spent > MOST_SECONDS_A_RULE:
            raise TooSlowError(f"{self.text!r} takes too long on so many names: write it as a pattern")
        if found is None:
            return None
        captured = {str(number): found[number] or "" for number in range(self._compiled.groups + 1)}
        return captured | {name: value or "" for name, value in found.groupdict().items()}


@dataclass(frozen=True)
class Wording:
    r"""A text with captures put in: `{x}`, or `{n+1}` and `{n-1}` for integers. `\` as in patterns."""

    text: str
    captures: frozenset[str]
    _pieces: tuple[tuple[str, str, int], ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Wording:
        """The wording that `text` writes. Raises InputError that says what is wrong with it."""
        pieces: list[tuple[str, str, int]] = []
        for token in _WORDING.finditer(text):
            literal, escaped, name, sign, number, stray = token.groups()
            if stray:
                raise InputError(
                    f"{text!r}: {stray!r} does not belong there: write {{name}}, or a backslash before it"
                )
            pieces.append((literal or escaped or "", name or "", int(f"{sign}{number}") if sign else 0))
        return cls(text, frozenset(name for _, name, _ in pieces if name), tuple(pieces))

    def fill(self, captured: Mapping[str, str]) -> str:
        """The text with these captures. Raises InputError where one to be counted with is no integer."""
        return "".join(self._filled(captured, *piece) for piece in self._pieces)

    def _filled(self, captured: Mapping[str, str], literal: str, name: str, shift: int) -> str:
        if not name:
            return literal
        value = captured[name]
        if not shift:
            return value
        if not (value.isascii() and value.isdigit()) or int(value) + shift < 0:
            raise InputError(f"{self.text!r}: {name} is {value!r}, which {shift:+d} makes no number of")
        return str(int(value) + shift)


_WORDING = re.compile(r"([^\\{}]+)|\\(.)|\{([A-Za-z_]\w*|\d+)(?:([+-])(\d{1,9}))?\}|(.)", re.DOTALL)
