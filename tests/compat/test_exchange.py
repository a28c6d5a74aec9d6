"""The exchange between installations, this one on both sides: it holds, and would tell what does not."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from migration import Checkpoint
from tests.compat.exchange import Cell, exchange, report
from tests.compat.facts import Facts, digest


@pytest.fixture(scope="module")
def installed_and_matrix(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """What one exchange of this installation with itself gives, and where its files are."""
    scratch = tmp_path_factory.mktemp("exchange")
    return *exchange([sys.executable], scratch), scratch


def test_it_reads_what_it_writes(installed_and_matrix: tuple) -> None:
    installed, matrix, _ = installed_and_matrix
    (cell,) = matrix.values()
    assert cell.failed == ()
    assert cell.beyond == ()
    assert len(cell.held) == 6
    assert min(cell.held.values()) >= 6
    assert str(cell.held.total()) in report(installed, matrix)


def test_a_changed_byte_and_a_changed_fact_are_told(installed_and_matrix: tuple) -> None:
    import tests.compat.reading as reading

    _, _, scratch = installed_and_matrix
    (folder,) = scratch.glob("written-*")
    facts = json.loads((folder / "facts.json").read_text())
    one = next(each for each in facts["written"] if each["label"] == "tf.train.Checkpoint: keras 3")
    shard = Path(f"{folder / one['prefix']}.data-00000-of-00001")
    content = bytearray(shard.read_bytes())
    source = Checkpoint.open(folder / one["prefix"])
    key = max(one["tensors"], key=lambda key: source.spec(key).size)
    content[source.ranges(key)[0].offset] ^= 1
    shard.write_bytes(content)
    one["tensors"][next(iter(one["tensors"]))] = ["float32", "another"]
    facts["written"] = [one]
    (folder / "facts.json").write_text(json.dumps(facts))
    found = reading.read(folder)
    assert {text.split(": ")[2] for text in found.failed} >= {"read by TensorFlow", "read by the library"}


@pytest.mark.quick
def test_a_failure_makes_the_cell() -> None:
    assert str(Cell(held=Counter(a=3, b=4), failed=(), beyond=())) == "7"
    assert str(Cell(held=Counter(a=3), failed=("x", "y"), beyond=())) == "2 FAILED"


@pytest.mark.quick
def test_the_report_names_writer_reader_and_fault() -> None:
    installed = {version: {"tensorflow": version, "numpy": "1"} for version in ("2.14.1", "2.21.0")}
    held = Cell(held=Counter({"read by TensorFlow": 5}), failed=(), beyond=())
    fault = Cell(held=Counter(), failed=("Saver: strings: read by TensorFlow: other",), beyond=("no int2",))
    matrix = {(one, other): held for one in installed for other in installed}
    matrix["2.21.0", "2.14.1"] = fault
    text = report(installed, matrix)
    assert "| 2.21.0 | 1 FAILED | 5 |" in text
    assert "2.21.0 in 2.14.1: failed: Saver: strings: read by TensorFlow: other" in text
    assert "2.21.0 in 2.14.1: cannot be asked: no int2" in text


@pytest.mark.quick
def test_a_digest_is_of_shape_and_bytes() -> None:
    import numpy as np

    assert digest(np.zeros(2, np.int8)) == digest(np.zeros(2, np.uint8)) != digest(np.zeros((2, 1), np.int8))
    assert digest(b"a\0") == digest(np.array(b"a\0", object)) != digest(b"a")


@pytest.mark.quick
def test_facts_come_back(tmp_path: Path) -> None:
    facts = Facts(versions={"numpy": "1"}, written=[])
    facts.save(tmp_path)
    assert Facts.load(tmp_path) == facts
