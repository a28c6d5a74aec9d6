"""A part of a tensor is found and checked block by block: the tensor may be more than the memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from migration import Checkpoint, execute, make_plan
from migration.contents.streams import BLOCK
from migration.errors import FormatError
from migration.planning.rules import Rules
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

ROWS = 64
RULE = """
[[rule]]
match = "table"
to = "first"
transforms = [{split = {axis = 0, sizes = [3, 61], index = 0}}]

[[rule]]
match = "table"
to = "second"
also = true
transforms = [{split = {axis = 0, sizes = [3, 61], index = 1}}]
"""


@pytest.fixture
def source(tmp_path: Path) -> Checkpoint:
    table = np.arange(ROWS * BLOCK // 4, dtype=np.float32).reshape(ROWS, -1)  # 32 MB
    return Checkpoint.open(write_bundle(tmp_path / "old", {"table": table}))


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    file = tmp_path / "rules.toml"
    file.write_text(RULE)
    return Rules.read(file)


@pytest.mark.parametrize("data", ["link", "copy"])
def test_memory_stays_below_the_tensor(source: Checkpoint, rules: Rules, tmp_path: Path, data: str) -> None:
    plan = make_plan(source, to="rename", rules=rules)
    tracemalloc.start()
    execute(plan, source, tmp_path / "new", data=data)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * BLOCK
    new, whole = Checkpoint.open(tmp_path / "new"), source.read("table")
    assert np.array_equal(new.read("first"), whole[:3])
    assert np.array_equal(new.read("second"), whole[3:])


def test_damage_outside_of_the_part_is_seen(rules: Rules, source: Checkpoint, tmp_path: Path) -> None:
    with open(source.shard_path(0), "r+b") as file:
        file.seek(ROWS * BLOCK - 1)
        file.write(b"\xff")
    with pytest.raises(FormatError, match=r"table.*checksum"):
        execute(make_plan(source, to="rename", rules=rules), source, tmp_path / "new")
