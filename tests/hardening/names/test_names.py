"""The campaign of names would notice what shows or carries a name wrongly; and single trials find nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ckpt_tools import tables, terminal

from migration import errors
from migration.checkpoint import Checkpoint
from migration.errors import MissingKeyError
from migration.printable import MOST_WORD, printable
from tests.bundles import write_bundle
from tests.hardening.campaign import Budget, Record
from tests.hardening.names import carried, shown
from tests.hardening.names.hostile import FAKE, NAMES, faults_of, text_of


@pytest.fixture
def record() -> Record:
    return Record("names", Budget(name="long", seconds=5, seed=1))


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_every_name_is_shown_safely_and_showing_it_twice_changes_nothing(name: bytes) -> None:
    text = printable(f"before {text_of(name)} after")
    assert not faults_of(text)
    assert "\n" not in text
    assert len(text) < 5000
    assert printable(text) == text


def test_what_can_be_printed_is_left_alone() -> None:
    for text in ("", "a/b_1", "dir with spaces/\u6f22\u5b57", "back\\slash [red]", "x" * MOST_WORD):
        assert printable(text) == text


def test_a_long_name_is_cut_and_its_length_is_told() -> None:
    assert "... (65536 characters) ..." in printable("x" * 65536)


@pytest.mark.parametrize(
    "printed",
    [
        "\x1b[2J",
        f"a\n{FAKE}",
        f"a\n  {FAKE} b",
        "\x9b",
        "a\rb",
        "\x7f",
        "\u202e",
        "\u2028",
        "\udcff",
        "x" * 30_000,
    ],
    ids=ascii,
)
def test_what_is_unsafe_is_told(printed: str) -> None:
    assert faults_of(printed)


@pytest.mark.parametrize("name", NAMES[::6], ids=lambda name: ascii(name[:20]))
def test_single_names_find_nothing(record: Record, name: bytes, tmp_path: Path) -> None:
    carried.trip(record, name, tmp_path / "trip")
    assert not record.findings


def test_a_file_name_finds_nothing(record: Record, tmp_path: Path) -> None:
    shown.file_names(record, NAMES[3], tmp_path)
    shown.texts_of_users(record, NAMES[3], tmp_path)
    assert not record.findings


def test_a_terminal_that_prints_what_it_gets_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "printable", lambda text: text)
    shown.file_names(record, NAMES[0], tmp_path)
    assert record.findings


def test_a_table_that_prints_what_it_gets_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "printable", lambda text: text)
    prefix = write_bundle(tmp_path / "ckpt", {text_of(NAMES[0]): np.ones(1)})
    shown.tool(record, "inspect", f"--checkpoint={prefix}", formats=("table",))
    assert {"terminal" in finding.case for finding in record.findings} == {True, False}


def test_errors_that_say_what_they_get_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(tmp_path / "ckpt", {text_of(NAMES[4]): np.ones(1), "x": np.ones(1)})
    monkeypatch.setattr(errors, "printable", lambda text: text)
    opened = Checkpoint.open(tmp_path / "ckpt")
    shown.error(record, "a key that is not there", lambda: opened.read(f"{text_of(NAMES[4])}!"))
    assert record.findings


def test_a_writer_that_changes_names_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stripped(prefix: str) -> list[bytes]:
        return [key.strip() for key in keys_of(prefix)]

    keys_of = carried.keys_of
    monkeypatch.setattr(carried, "keys_of", stripped)
    carried.trip(record, b" leading and trailing ", tmp_path / "trip")
    assert record.findings


def test_an_error_is_printable_and_keeps_what_is_exact(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(write_bundle(tmp_path / "ckpt", {"a\n\x1b[2J": np.ones(1)}))
    with pytest.raises(MissingKeyError) as raised:
        checkpoint.read("a\n\x1b[2")
    assert "; the nearest: a\\n\\x1b[2J" in str(raised.value)
    assert "; the nearest: a\n\x1b[2J" in raised.value.exact


def test_nothing_prints_but_by_the_one_module() -> None:
    """Every print of the tools is in `terminal` or `tables`, or prints text of the tool's own."""
    folder = Path(terminal.__file__).parent
    allowed = {"terminal.py", "tables.py"}
    found = {
        f"{path.name}: {line.strip()}"
        for path in folder.glob("*.py")
        if path.name not in allowed and not path.name.startswith("benchmark")
        for line in path.read_text().splitlines()
        if "print(" in line.replace("_print(", "") or "sys.stdout" in line or "sys.stderr" in line
    }
    assert found == {
        "doctor.py: print()",
        'doctor.py: print("healthy")',
        "inspect_checkpoint.py: print()",
        "plan_migration.py: print()",
        "plan_migration.py: print(summary(plan))",
    }
