"""Real checkpoints of other people: each tensor is what TensorFlow's reader makes of it."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from migration.formats.checkpoint_state import CheckpointState
from migration.formats.saved_slices import SavedSlices
from migration.formats.sstable import BytesSource, Table
from migration.formats.sstable_blocks import SNAPPY, Footer, Handle, decode_block, read_block
from migration.formats.tensor_bundle import BundleIndex
from tests.formats.bundle_files import read_bundle


def prefixes(corpus: Path, wanted: Callable[[dict[str, Any]], bool]) -> list[Path]:
    """Prefixes of the catalogued checkpoints; a SavedModel's is that of its variables."""
    rows = json.loads((corpus / "catalog.json").read_text())
    return [corpus / row["prefix"] for row in rows if wanted(row)]


def test_every_bundle_reads_as_tensorflow_reads_it(corpus: Path) -> None:
    bundles = sorted(corpus.rglob("*.index"))
    assert len(bundles) == len(prefixes(corpus, lambda row: row["format"] != "V1"))
    for path in bundles:
        prefix = path.with_name(path.name.removesuffix(".index"))
        reader = tf.train.load_checkpoint(str(prefix))
        found = read_bundle(prefix)
        assert sorted(found) == sorted(reader.get_variable_to_shape_map()), prefix
        for key, array in found.items():
            np.testing.assert_array_equal(array, np.asarray(reader.get_tensor(key), array.dtype), strict=True)


def test_every_index_is_written_again_with_the_same_items(corpus: Path) -> None:
    for path in sorted(corpus.rglob("*.index")):
        raw = path.read_bytes()
        again = BundleIndex.from_bytes(raw, path.name).to_bytes()
        assert list(Table.open(BytesSource(again)).items()) == list(Table.open(BytesSource(raw)).items())


def kinds_of_blocks(raw: bytes) -> set[int]:
    source = BytesSource(raw)
    footer = Footer.from_bytes(raw[-48:], len(raw))
    handles = [Handle.from_bytes(value, 0)[0] for _, value in decode_block(read_block(source, footer.index))]
    return {raw[handle.offset + handle.size] for handle in handles}


def test_the_snappy_ones_are_snappy(corpus: Path) -> None:
    snappy = [path for path in corpus.rglob("*.index") if SNAPPY in kinds_of_blocks(path.read_bytes())]
    assert len(snappy) == 3


def test_every_v1_file_reads_as_tensorflow_reads_it(corpus: Path) -> None:
    patterns = prefixes(corpus, lambda row: row["format"] == "V1")
    assert len(patterns) >= 6
    for pattern in map(str, patterns):
        paths = sorted(glob.glob(pattern))
        found = SavedSlices.open([BytesSource(Path(path).read_bytes()) for path in paths], paths)
        reader = tf.train.load_checkpoint(pattern)
        assert sorted(found.specs) == sorted(reader.get_variable_to_shape_map())
        for name in found.specs:
            np.testing.assert_array_equal(found.read(name), reader.get_tensor(name), strict=True)


def test_every_state_file_is_read(corpus: Path) -> None:
    files = sorted(corpus.rglob("checkpoint"))
    assert files
    for path in files:
        state = CheckpointState.from_text(path.read_bytes().decode(), str(path))
        assert state.model_checkpoint_path
        assert state.all_model_checkpoint_paths
