"""Texts mutated word by word, and what is packed in them: TOML, JSON, protobuf's text format."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from random import Random
from typing import Any

from tests.hardening.fuzzing.numbers import damaged
from tests.hardening.fuzzing.wire import mutated_message

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_PACKED = re.compile(r'"([A-Za-z0-9+/]{24,}={0,2})"')
NUMBERS = (
    *("0", "-0", "-1", "1", "2", "64", "65", "2147483648", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551616", "1e400", "-1e400", "1e-400", "nan", "inf", "-inf"),
    *("9" * 400, "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 300, "0.5", "1_000", "²", "٣", "1e308"),
)
VALUES = (
    *('""', "''", '"a"', '"\\u0000"', '"\\U0010f7ff\\U00110000"', '"\\U0010f7ff\\U0010f800"', "[]", "{}"),
    *('"float32[2, 3]"', '"float32[]"', '"float32[4294967296, 4294967296]"', '"string[2]"', '"variant[]"'),
    *(
        '"float32[' + "9" * 5000 + ']"',
        '"float32[' + "1, " * 999 + '1]"',
        '"float32[٣]"',
        '"0,2:0,3"',
        '"-:-"',
    ),
    *('"0,' + "9" * 5000 + '"', "[[]]", "[[1], [2, 3]]", "[1, [2]]", "true", "1979-05-27", "07:32:00"),
    *('"""a"""', "'''b'''", '{base64 = "AA=="}', "{base64 = 3}", "{real = 1.0, imag = 2.0}"),
    *('{real = "x", imag = 2.0}', '"~\\u0000/x"', '"~nobody-here/x"', '"\\uFFFD"', '"' + "a" * 70000 + '"'),
    *("{constant = 0}", "{constant = nan}", '{constant = "x"}', "{constant = [[1, 2], [3]]}", "{stack = 0}"),
    *(
        "{concat = {axis = 0, sizes = [1]}}",
        "{reshape = [-1]}",
        "{reshape = [0, -1]}",
        "{transpose = [1, 0]}",
    ),
    *("{split = {axis = 0, sizes = [-1, -1], index = 0}}", "{unstack = {axis = 0, index = 0, count = 2}}"),
    *("{slice = {starts = [0], sizes = [-1]}}", "{permute_blocks = {axis = 1, order = [1, 0]}}"),
    *("{scale = inf}", "{scale = 0}", '{cast = "int2"}', "{add = {value = 1, axis = 0, start = 1}}"),
    *('{power = {base = 0.9, offset = 1.0, dtype = "float32"}}', "{product = {factor = 1.0}}", "{mean = 0}"),
)
PATTERNS = (
    *("**", "*", "{x}", "{x:int}", "{x:path}", "{x}/{x}", "\\", "{", "}", "{n+1}", "{n-999999999}", "{0}"),
    *("**/**/**/**/x", "*a*a*a*a*a*b", "(a+)+$", "(a|a)*b", "(?i)(a|b)*", "(?:" * 200 + ")" * 200),
    *("a{0,60000}", "((a{0,100}){0,100}){0,100}", "(?P<x>a)(?P=x)", "[[a]--[b]]", "\\p{L}+", "(?R)?", "(?1)"),
    *(
        "(?:a?){3000}a{3000}",
        "(?e)(?:aaaa){e<=9}",
        "(?<=a{1,300})b",
        "\\N{BULLET}",
        "(?(1)a|b)",
        "(?b)(a){i}",
    ),
)
_OPENERS = (
    "[",
    "{",
    "{a = ",
    "[{a = ",
    '{"a": ',
    "<",
    "x <",
    "x {",
    "[[",
    '"',
    "'",
    '"""',
    "(",
    "a.",
    "[a.",
    "a=",
)
_REPEATS = (2, 2, 2, 3, 3, 10, 10, 60, 60, 300, 300, 3000, 20000)


def mutated_text(rng: Random, text: str) -> str:
    """The text with some words changed, or something that is packed in it."""
    if rng.random() < 0.2 and (packed := list(_PACKED.finditer(text))):
        place = rng.choice(packed)
        return text[: place.start(1)] + _repacked(rng, place[1]) + text[place.end(1) :]
    if rng.random() < 0.3:
        return _mutated_lines(rng, text)
    words = _WORD.findall(text)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        _mutate_words(rng, words)
    return "".join(words)


def _mutate_words(rng: Random, words: list[str]) -> None:
    if not words:
        words.append(rng.choice(VALUES))
    at = rng.randrange(len(words))
    choice = rng.randrange(9)
    if choice == 0:
        del words[at]
    elif choice == 1:
        words[at] = words[at] * rng.choice(_REPEATS[:8])
    elif choice == 2:
        words[at] = rng.choice(NUMBERS)
    elif choice == 3:
        words[at] = rng.choice(PATTERNS)
    elif choice == 4:
        words[at] = rng.choice(words)
    elif choice == 5:
        words.insert(at, rng.choice(_OPENERS) * rng.choice(_REPEATS))
    elif choice == 6:
        end = at + rng.randint(1, 12)
        words[at:at] = words[at:end] * rng.choice(_REPEATS[:7])
    elif choice == 7:
        words[at] = damaged(rng, words[at].encode()).decode("utf-8", "replace")
    else:
        words[at] = rng.choice(VALUES)


def _mutated_lines(rng: Random, text: str) -> str:
    """A line gone, doubled or moved, or another value behind its `=` or `:`."""
    lines = text.splitlines(keepends=True) or ["\n"]
    at = rng.randrange(len(lines))
    choice = rng.randrange(5)
    if choice == 0:
        del lines[at]
    elif choice == 1:
        lines[at:at] = lines[at : at + rng.randint(1, 5)] * rng.choice(_REPEATS[:7])
    elif choice == 2:
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    else:
        start, mark, rest = lines[at].partition(rng.choice((" = ", ": ")))
        if mark:
            wrapped = rng.choice(("{}", "{}", "[{}]", '"{}"', "[" * 400 + "{}" + "]" * 400))
            word = rng.choice((*VALUES, *NUMBERS, *PATTERNS, rest.strip()))
            lines[at] = start + mark + wrapped.replace("{}", word) + "\n"
    return "".join(lines)


def _repacked(rng: Random, packed: str) -> str:
    """What was packed (zlib, base64), mutated and packed again; a bomb now and then."""
    try:
        raw = zlib.decompress(base64.b64decode(packed))
    except (binascii.Error, ValueError, zlib.error):
        return packed[::-1]
    if rng.random() < 0.02:
        raw = rng.choice((raw[:1], b"\n\0", b"a")) * 3_000_000
    else:
        raw = mutated_message(rng, raw)
    return _pack(rng, raw)


def _pack(rng: Random, raw: bytes) -> str:
    squeezed = zlib.compress(raw)
    if rng.random() < 0.1:
        squeezed = damaged(rng, squeezed)
    return base64.b64encode(squeezed).decode()


def mutated_json(rng: Random, raw: bytes) -> bytes:
    """A manifest: JSON, and a plan file packed in it."""
    if rng.random() < 0.15:
        return mutated_text(rng, raw.decode("utf-8", "replace")).encode("utf-8", "replace")
    try:
        table = json.loads(raw)
        if isinstance(table, dict) and rng.random() < 0.4:
            plan = zlib.decompress(base64.b64decode(table["plan"])).decode()
            table["plan"] = _pack(rng, mutated_text(rng, plan).encode("utf-8", "replace"))
        else:
            table = _mutated_value(rng, table)
        return json.dumps(table).encode()
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return damaged(rng, raw)


_JSON_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 10**400, float("nan"), float("inf"), "", "x", [], {}, [[1], [2, 3]]),
    *(
        "float32[3]",
        "float32[" + "9" * 5000 + "]",
        "0,1",
        "\ud800",
        {"re": 1, "im": 2},
        {"re": 10**400, "im": 0},
    ),
    *({"re": "x", "im": None}, ["0,2:0,3"], "bfloat16[]", "nodtype[2]", "string[]", "float32[9, 9]"),
)


def _mutated_value(rng: Random, value: Any) -> Any:
    """The value with one thing in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        if rng.random() < 0.1:
            rest = {key: item for key, item in value.items() if key != name}
            return (
                rest
                if rng.random() < 0.5
                else {**rest, rng.choice(("", "x", "\ud800", name * 2)): value[name]}
            )
        return {**value, name: _mutated_value(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _mutated_value(rng, value[at]), *value[at + 1 :]]
    if rng.random() < 0.1:
        for _ in range(rng.choice((1, 50, 900))):
            value = [value]
        return value
    return rng.choice(_JSON_VALUES)
