"""The campaign of flips would notice a reader that checks too little; and short ones find nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import FormatError
from migration.formats import sstable, sstable_blocks, tensor_checksum
from migration.planning.planner import make_plan
from migration.verify import VerificationReport, verify
from tests.bundles import write_bundle
from tests.hardening.campaign import Budget, Record
from tests.hardening.flips import migrating, reading, unguarded
from tests.hardening.flips.flipping import flipped, order
from tests.hardening.flips.seen import look
from tests.hardening.flips.subjects import Subject, every_kind, large, v1_table


@pytest.fixture
def record() -> Record:
    return Record("flips", Budget(name="short", seconds=5, seed=1))


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    (tmp_path / "small").mkdir()
    array = np.array([1.5, -2], np.float32)
    return Subject(name="small", prefix=write_bundle(tmp_path / "small" / "ckpt", {"a": array}))


def test_an_order_has_every_place_once() -> None:
    for total in (0, 1, 2, 10, 97):
        assert sorted(order(total, 3)) == list(range(total))


def test_a_flip_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with flipped(str(path), 1, 0xFF):
        assert path.read_bytes() == b"a\x9dc"
    assert path.read_bytes() == b"abc"


def test_every_bit_of_a_bundle_counts(record: Record, subject: Subject) -> None:
    reading.every_bit(record, subject, 60)
    assert not record.findings
    size = sum(Path(path).stat().st_size for path in subject.files)
    assert record.tried == {"bits of small checkpoints, all read": 8 * size}
    assert record.notes[0].endswith(", 0 changed nothing")


def test_every_bit_of_a_v1_file_counts_but_those_of_the_block_that_nobody_reads(
    record: Record, tmp_path: Path
) -> None:
    raw = v1_table({"a": np.array([7], np.int64)})
    (tmp_path / "ckpt").write_bytes(raw)
    reading.every_bit(record, Subject(name="v1", prefix=str(tmp_path / "ckpt")), 60)
    assert not record.findings
    metaindex = sstable_blocks.Footer.from_bytes(raw[-48:], len(raw)).metaindex
    assert record.notes[0].endswith(f", {8 * (metaindex.end - metaindex.offset)} changed nothing")


def test_tensors_without_a_checksum_would_be_found(
    record: Record, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_checksum.TensorChecksum, "check", lambda *_: None)
    reading.every_bit(record, subject, 60)
    assert len(record.findings) == 64  # the bits of two floats


def test_an_index_without_a_checksum_would_be_found(
    record: Record, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(source: sstable_blocks.ByteSource, handle: sstable_blocks.Handle) -> bytes:
        return source.read(handle.offset, handle.size)

    monkeypatch.setattr(sstable, "read_block", unchecked)
    reading.every_bit(record, subject, 60)
    assert record.findings


def test_a_larger_one_without_a_checksum_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = large(tmp_path, tensors=4, rows=2)
    reading.every_byte(record, prefix, 60)
    assert not record.findings
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert record.tried == {"flips in a larger checkpoint": 2 * size}
    monkeypatch.setattr(tensor_checksum.TensorChecksum, "check", lambda *_: None)
    reading.every_byte(record, prefix, 60)
    assert len(record.findings) == 2 * 4 * 64


def test_migrations_and_verifications_of_damage_find_nothing(record: Record, tmp_path: Path) -> None:
    kinds = {kind.name: kind for kind in every_kind(tmp_path)}
    (tmp_path / "out").mkdir()
    migrating.migrations(record, kinds["V2, one shard"], tmp_path / "out", 0.3)
    migrating.verifications(record, kinds["result of link"], 0.3)
    assert not record.findings
    assert len(record.tried) >= 3


def test_a_verification_that_reads_nothing_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = next(kind for kind in every_kind(tmp_path) if kind.name == "result of link")

    def read_nothing(source: str, migrated: str) -> VerificationReport:
        return verify(source, migrated, data=False)

    monkeypatch.setattr(migrating, "verify", read_nothing)
    monkeypatch.setattr(Subject, "files", property(lambda self: (f"{self.prefix}.data-00000-of-00002",)))
    migrating.verifications(record, subject, 0.3)
    assert record.findings


def test_a_state_file_that_leads_elsewhere_would_be_found(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    unguarded.state_file(record, tmp_path / "run", 0.3)
    assert not record.findings
    elsewhere = Checkpoint.open(write_bundle(tmp_path / "x", {"a": np.zeros(1)}))
    monkeypatch.setattr(Checkpoint, "open", lambda _: elsewhere)
    unguarded.state_file(record, tmp_path / "run", 0.1)
    assert record.findings


def test_a_damaged_graph_changes_no_value(record: Record, tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    unguarded.graph(record, tmp_path / "graph", 0.5)
    assert not record.findings
    assert "of its flips" in record.notes[0]


@pytest.mark.parametrize("keep_names", [False, True])
def test_a_flip_in_a_linked_shard_is_refused_where_it_is_read(tmp_path: Path, keep_names: bool) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "old", {"a": np.arange(4, dtype=np.int32)}))
    execute(make_plan(source), source, str(tmp_path / "new"), data="link", keep_names=keep_names)
    with (
        flipped(str(tmp_path / "old.data-00000-of-00001"), 5, 2),
        pytest.raises(FormatError, match="checksum is wrong"),
    ):
        look(str(tmp_path / "new"))
