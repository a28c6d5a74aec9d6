"""The harness would notice: memory that grows, a result that is not complete. TensorFlow reads a terabyte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ckpt_tools.benchmark_sources import crc_of_zeros

from migration.checkpoint import Checkpoint
from migration.formats.coding import masked_crc32c
from tests.hardening.campaign import Budget, Record
from tests.hardening.size import holes, sources
from tests.hardening.size.bench import Bench, UnexpectedError, expect_verified
from tests.hardening.size.measured import FailedError, measured

BUDGET = Budget(name="short", seconds=60.0, seed=0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Record("size", BUDGET), tmp_path)


@pytest.mark.quick
@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 4096, 100_003, 1 << 20])
def test_the_checksum_of_zeros_is_theirs(count: int) -> None:
    assert crc_of_zeros(count) == masked_crc32c(bytes(count))


@pytest.mark.quick
def test_a_job_that_fails_is_told() -> None:
    with pytest.raises(FailedError, match="no checkpoint"):
        measured("inspect", seconds=60.0, path="nowhere/model.ckpt")


@pytest.mark.quick
def test_a_job_that_does_not_end_is_told(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="not done"):
        measured("make", seconds=1.0, kind="many", folder=tmp_path / "many", keys=10_000_000)


@pytest.mark.quick
def test_too_much_memory_is_told(bench: Bench) -> None:
    source = bench.make("equal", "source", size=1 << 20, tensors=2)
    with pytest.raises(UnexpectedError, match="MB at the peak"):
        bench.job("migrate", source=source, target=bench.out("there"), most_megabytes=5.0)


@pytest.mark.quick
@pytest.mark.parametrize(
    "told",
    [
        {"complete": False, "verdicts": {"EQUAL": 2}},
        {"complete": True, "verdicts": {"EQUAL": 1, "UNREAD": 1}},
        {"complete": True, "verdicts": {"EQUAL": 1}},
    ],
)
def test_a_report_that_is_not_the_promised_one_is_told(told: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedError):
        expect_verified(told, EQUAL=2)


@pytest.mark.quick
def test_a_sparse_source_is_what_its_index_says(tmp_path: Path) -> None:
    prefix = sources.sparse(tmp_path / "source", size=1 << 26, shards=3, tensors=6)
    checkpoint = Checkpoint.open(prefix)
    assert len(checkpoint.specs) == 8
    assert not checkpoint.read("layer_5/kernel").any()
    assert checkpoint.read(sources.SMALL[0]).tolist() == sources.SMALL[1].tolist()


def test_tensorflow_reads_of_a_linked_terabyte(bench: Bench) -> None:
    source = bench.make("sparse", "source", size=holes.TERABYTE, shards=4, tensors=64)
    there = bench.out("there")
    bench.job("migrate", source=source, target=there, data="link")
    key = f"{sources.SMALL[0]}/.ATTRIBUTES/VARIABLE_VALUE"
    told = bench.job("by_tensorflow", path=there, key=key).told
    assert told["sha256"] == hashlib.sha256(sources.SMALL[1].tobytes()).hexdigest()
    assert told["keys"] == 64 + 2 + 3  # with the counter, the object graph and the manifest
