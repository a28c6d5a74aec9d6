"""The harness itself: a reader that is broken on purpose is reported, and inputs are what they seem."""

from __future__ import annotations

import re
from random import Random

import pytest

from migration.formats.sstable import BytesSource, Table
from tests.hardening.campaign import Budget, Outcome
from tests.hardening.fuzzing.fuzz import fuzz
from tests.hardening.fuzzing.tables import items_of, table_of
from tests.hardening.fuzzing.targets import TARGETS, Target
from tests.hardening.fuzzing.wire import fields_of, message_of

BROKEN = "tests.hardening.fuzzing.broken"


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """What a run over readers that are broken on purpose finds."""
    return fuzz(Budget(name="short", seconds=20.0, seed=0), BROKEN, guided=False)


@pytest.mark.parametrize(
    "seen",
    [
        "raises: KeyError",
        "recurses: RecursionError",
        "allocates: MemoryError",
        "breaks its promise: BrokenPromiseError: what was read is too short",
        "loops: more than 2 s of CPU",
        "dies: the interpreter ended with -6",
    ],
)
def test_a_broken_reader_is_reported_with_its_input(outcome: Outcome, seen: str) -> None:
    (found,) = [finding for finding in outcome.findings if finding.seen.startswith(seen)]
    digits = re.search(r"bytes ([0-9a-f]*)", found.case)
    assert digits is not None
    assert bytes.fromhex(digits[1]) in (b"", b"012345678" + bytes.fromhex(digits[1])[-1:])


def test_a_refusal_is_none(outcome: Outcome) -> None:
    assert outcome.tried["refuses"] > 100
    assert not [finding for finding in outcome.findings if "refuses" in finding.seen]


def test_a_broken_reader_is_found_by_coverage_too() -> None:
    pytest.importorskip("atheris")
    led = fuzz(Budget(name="short", seconds=24.0, seed=0), BROKEN, guided=True)
    (shares,) = [note for note in led.notes if "led by coverage" in note]
    assert " 0 led by coverage" not in shares
    assert [finding for finding in led.findings if not finding.case.startswith("case ")]


@pytest.mark.quick
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_seeds_are_read_and_cases_repeat(target: Target) -> None:
    starts = list(target.seeds())
    assert starts
    target.read(starts[0])
    first = [target.case(starts, 3, number) for number in range(20)]
    assert first == [target.case(starts, 3, number) for number in range(20)]
    assert len(set(first)) > 10
    assert first != [target.case(starts, 4, number) for number in range(20)]


@pytest.mark.quick
def test_a_table_is_rebuilt_with_sound_checksums() -> None:
    items = [(b"", b"head"), (b"a", b"1"), (b"ab", b"2" * 300)]
    sound = 0
    for number in range(60):
        raw = table_of(Random(number), items)
        sound += items_of(raw) == items
    assert sound > 35
    assert list(Table.open(BytesSource(table_of(Random(2), items))).items()) == items


@pytest.mark.quick
def test_messages_survive_being_taken_apart() -> None:
    raw = b"\x08\x96\x01\x12\x03abc\x1d\x01\x00\x00\x00"
    assert message_of(fields_of(raw) or []) == raw
    assert fields_of(b"\x08") is None
