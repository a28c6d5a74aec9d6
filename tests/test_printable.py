"""What is shown of a text, and that errors show it so."""

from __future__ import annotations

import pytest

from migration.config import ConfigError
from migration.errors import FormatError, MissingKeyError, Problem, ProblemsError, UnmappedError
from migration.printable import MOST_LINE, MOST_WORD, printable

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a/b", "a/b"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x07\x00\x7f\x9b", "\\x1b[2J\\x07\\x00\\x7f\\x9b"),
        ("\u202eabc\u2069\u200b\u2028", "\\u202eabc\\u2069\\u200b\\u2028"),
        ("\udcff\U000e0001", "\\udcff\\U000e0001"),
        ("back\\slash", "back\\slash"),
        ("\u6f22\u5b57 \u00e9", "\u6f22\u5b57 \u00e9"),
    ],
)
def test_what_cannot_be_printed_is_spelled(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_long_word_is_cut_and_the_words_around_it_are_not() -> None:
    shown = printable(f"tensor {'x' * 65536} of model: its bytes are gone")
    assert shown.startswith("tensor xxx")
    assert "... (65536 characters) ..." in shown
    assert shown.endswith("xxx of model: its bytes are gone")
    assert len(shown) < 2 * MOST_WORD


def test_a_long_line_is_cut_too() -> None:
    assert len(printable("y " * 65536)) < MOST_LINE
    assert printable("y " * 100) == "y " * 100


def test_every_error_is_safe_to_log() -> None:
    name = "a\nFAKE\x1b[2J"
    assert str(FormatError(f"{name}: wrong")) == "a\\nFAKE\\x1b[2J: wrong"
    assert str(MissingKeyError(name)) == "a\\nFAKE\\x1b[2J"
    assert FormatError(f"{name}: wrong").exact == f"{name}: wrong"
    problems = [Problem(kind="k", where=name, message="one"), Problem(kind="k", where="", message=name)]
    for kind in (ProblemsError, UnmappedError, ConfigError):
        lines = str(kind(name, problems)).split("\n")
        assert lines == ["a\\nFAKE\\x1b[2J", "  a\\nFAKE\\x1b[2J: one", "  a\\nFAKE\\x1b[2J"]
