"""Every reader of the package, what it starts from, and how its input is mutated."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from tests.hardening.fuzzing import bundles, documents, graphs, readers, seeds, tables, texts

MOST_BYTES = 1 << 20  # of an input: what grows beyond is cut
_ROUNDS = (1, 1, 1, 2, 2, 3, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One reader: called with any bytes, it returns or raises MigrationError."""

    name: str
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[Random, bytes], bytes]

    def case(self, starts: Sequence[bytes], seed: int, number: int) -> bytes:
        """The input of that number: always the same for the same starts and seed."""
        rng = Random((zlib.crc32(self.name.encode()) << 80) + (seed << 48) + number)
        raw = rng.choice(starts)
        for _ in range(rng.choice(_ROUNDS)):
            raw = self.mutate(rng, raw)[:MOST_BYTES]
        return raw


def _text(rng: Random, raw: bytes) -> bytes:
    return texts.mutated_text(rng, raw.decode("utf-8", "replace")).encode("utf-8", "replace")


def _target(
    name: str,
    read: Callable[[bytes], None],
    starts: Callable[[], Iterable[bytes]],
    mutate: Callable[[Random, bytes], bytes],
) -> Target:
    return Target(name=name, read=read, seeds=starts, mutate=mutate)


TARGETS = (
    _target("sstable", readers.read_table, seeds.indices, tables.mutated_table),
    _target("bundle index", readers.read_index, seeds.indices, tables.mutated_table),
    _target("string tensor", readers.read_strings, seeds.strings, bundles.mutated_strings),
    _target("tensor checksum", readers.read_checksum, seeds.strings, bundles.mutated_strings),
    _target("V1 slices", readers.read_saved_slices, seeds.v1_checkpoints, bundles.mutated_files),
    _target("TensorProto", readers.read_tensor_proto, seeds.tensors, bundles.mutated_tensor),
    _target("object graph", readers.read_object_graph, seeds.object_graphs, graphs.mutated_object_graph),
    _target("meta graph", readers.read_meta_graph, seeds.meta_graphs, graphs.mutated_meta_graph),
    _target("saved model", readers.read_saved_model, seeds.saved_models, graphs.mutated_saved_model),
    _target("state file", readers.read_state, seeds.states, _text),
    _target("plan file", documents.read_plan, seeds.plans, _text),
    _target("rules", documents.read_rules, lambda: seeds.encoded(seeds.RULES), _text),
    _target(
        "mapping, short rules", documents.read_mapping_or_short, lambda: seeds.encoded(seeds.MAPPINGS), _text
    ),
    _target("manifest", documents.read_manifest, seeds.manifests, texts.mutated_json),
    _target("config", documents.read_config, lambda: seeds.encoded(seeds.CONFIGS), _text),
    _target("checkpoint", documents.read_checkpoint, seeds.bundles, bundles.mutated_bundle),
)


def targets_of(module: str) -> tuple[Target, ...]:
    """The targets that a module of that name lists."""
    found: tuple[Target, ...] = importlib.import_module(module).TARGETS
    return found
