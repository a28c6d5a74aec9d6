"""TOML with lines: the quick reader is the parser's equal, and every key knows its line."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.errors import PlanError
from migration.planning.document import read_document
from migration.planning.toml import ESCAPE, lines, quoted, value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.quick

SCALARS = st.one_of(
    st.text(st.characters()), st.booleans(), st.integers(-(2**63), 2**64), st.floats(allow_nan=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
TABLES = st.dictionaries(st.text(st.characters()), VALUES, max_size=4)


@given(TABLES)
def test_what_is_written_is_read(table: dict[str, Any]) -> None:
    document = read_document("\n".join(lines(table)), "f")
    assert document.values == table
    assert document.plain
    assert [document.place(key) for key in table] == [f"f:{number}" for number in range(1, len(table) + 1)]


@pytest.mark.parametrize("text", ["\udc80", "a\ud800b", ESCAPE, f"{ESCAPE}\udcff", f"{ESCAPE}{ESCAPE}\x7f"])
def test_what_toml_cannot_hold(text: str) -> None:
    quoted(text).encode()
    assert read_document(f"{quoted(text)} = {value([text])}", "f").values == {text: [text]}


DOCUMENTS = {
    "nothing": "",
    "a comment": "# only\n",
    "plain": 'a = 1\n"b c" = "d"\n[t.u]\nx = [1, 2]\n[[s]]\ny = 2\n[[s]]\ny = 3\n',
    "a comment behind": "a = [1] # one\nb = 'x' # two\n",
    "literals": "a = 'b\\c'\nb = 0x10\nc = 1_000\nd = 1979-05-27\ne = inf\nf = nan\n",
    "several lines": 'a = [\n  1,\n  2, # two\n]\nb = """\nx = 1\n[y]\n"""\nc = \'\'\'\n= "\n\'\'\'\n',
    "dotted": "a.b = 1\n'c'.\"d\".e = 2\n[f]\ng.h = 3\n",
    "indented": "  a = 1\n\t[t]\n  b = 2\n",
    "inline": "a = {b = {c = 1}, 'd' = [{e = 2}]}\n",
    "escapes": 'a = "\\u00e9\\t\\"\\\\"\n"\\u00e9" = 1\n',
    "spaces in headers": "[ t ]\na = 1\n[[ s ]]\nb = 2\n",
    "a subtable of the last": "[[s]]\na = 1\n[s.t]\nb = 2\n[[s]]\n",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_spelling_is_read_as_by_the_parser(text: str) -> None:
    assert str(read_document(text, "f").values) == str(tomllib.loads(text))


WRONG = {
    "key twice": "a = 1\na = 2",
    "table twice": "[a]\n[a]",
    "table of a list": "[[a]]\n[a]",
    "list of a table": "[a]\n[[a]]",
    "table of a value": "a = 1\n[a.b]",
    "no value": "a =",
    "no key": "= 1",
    "two values": "a = 1 2",
    "a word": "a = NaN",
    "words in a list": "a = [NaN, Infinity]",
    "control characters": 'a = "\x01"',
    "open string": 'a = "b',
    "open list": "a = [1,",
    "half a header": "[a",
    "brackets": "[a]]",
    "leading zero": "a = 01",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_the_parser_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the parser's own error)
        tomllib.loads(text)
    with pytest.raises(PlanError, match="f is not valid TOML\n  f"):
        read_document(text, "f")


def test_places() -> None:
    text = 'a = [\n1]\n# b = 2\n[t.u]\n"x y" = 1\n\'z\'.w = 2\n[[s]]\nk = """\nm = 1\n"""\n[[s]]\nk = 2\n'
    document = read_document(text, "f")
    rows = {
        ("a",): 1,
        ("t", "u"): 4,
        ("t", "u", "x y"): 5,
        ("t", "u", "z", "w"): 6,
        ("s", 0): 7,
        ("s", 0, "k"): 8,
    }
    rows |= {("s", 1): 11, ("s", 1, "k"): 12, ("s", 1, "absent"): 11, ("absent",): 1}
    assert {path: document.place(*path) for path in rows} == {
        path: f"f:{line}" for path, line in rows.items()
    }
