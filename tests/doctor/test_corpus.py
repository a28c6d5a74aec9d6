"""The doctor on every corpus file, and on a broken copy of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from migration.checkpoint import Checkpoint
from migration.doctor import examine
from tests.corpus.catalog import ROWS

pytestmark = pytest.mark.quick

STATE = {"stale-path", "state-names-absent", "state-latest-absent"}  # what the corpus' own state files have


@pytest.mark.parametrize("name", ROWS)
def test_every_corpus_file(corpus: Path, name: str) -> None:
    row = ROWS[name]
    found = examine(corpus / row["prefix"])
    assert found.findings == ()
    assert ("object-based" if row["object_based"] else "name-based") in found.what
    assert ("V1" if row["format"] == "V1" else "V2") in found.what
    directory = examine(corpus / name)
    assert {finding.kind for finding in directory.findings} <= STATE
    assert all(finding.fixable for finding in directory.findings)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 4
    path.write_bytes(raw)


def point(path: Path) -> None:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


BROKEN: dict[tuple[str, str], tuple[Callable[[Path], None], set[str]]] = {
    ("index", "truncated"): (truncate, {"truncated"}),
    ("index", "bit flipped"): (flip, {"corrupt-index", "truncated"}),
    ("index", "gone"): (Path.unlink, {"missing-index"}),
    ("index", "pointer"): (point, {"lfs-pointer"}),
    ("shard", "truncated"): (truncate, {"short-shard"}),
    ("shard", "bit flipped"): (flip, {"checksum"}),
    ("shard", "gone"): (Path.unlink, {"missing-shard"}),
    ("shard", "pointer"): (point, {"lfs-pointer"}),
    ("V1", "truncated"): (truncate, {"truncated"}),
    ("V1", "bit flipped"): (flip, {"corrupt", "checksum"}),
    ("V1", "gone"): (Path.unlink, {"missing-index", "state-latest-absent"}),
    ("V1", "pointer"): (point, {"lfs-pointer"}),
}


@pytest.mark.parametrize(("part", "how"), BROKEN)
@pytest.mark.parametrize("name", ROWS)
def test_a_broken_copy_of_each(corpus: Path, tmp_path: Path, name: str, part: str, how: str) -> None:
    original = Checkpoint.open(corpus / ROWS[name]["prefix"])
    if (part == "V1") is not (original.format == "V1"):
        return
    shard = (
        original.shard_path(original.index.shards()[-1]) if part == "shard" else original.location.files[0]
    )
    shutil.copytree(corpus / name, tmp_path / name)
    victim = tmp_path / name / Path(shard).relative_to(corpus / name)
    breaks, words = BROKEN[part, how]
    breaks(victim)
    found = {finding.kind for finding in examine(tmp_path / name).findings}
    assert found & words
    assert found - words <= STATE | {
        "object-graph"
    }  # a graph in a shard that is broken cannot be read either
