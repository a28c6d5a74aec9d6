"""What reads the project's own files: plans, rules, mappings, manifests, configs, and whole checkpoints."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from migration.checkpoint import Checkpoint
from migration.config import TOOLS, Config
from migration.errors import InputError, MigrationError
from migration.formats.tensor_bundle import shard_name
from migration.planning.manifest import Manifest, restores, source_digest_of, template_digest_of
from migration.planning.plan import Plan
from migration.planning.plan_file import from_toml, to_toml
from migration.planning.rules import Rules, apply_rules
from migration.planning.rules.mapping_file import read_mapping
from migration.tensors import DType, TensorSpec
from tests.hardening.fuzzing.container import parted
from tests.hardening.fuzzing.promises import check_slices, check_spec, promised

_SPECS = {
    name: TensorSpec(DType.FLOAT32, shape)
    for name, shape in (
        ("bert/encoder/layer_0/attention/kernel", (4, 4)),
        ("bert/encoder/layer_1/attention/kernel", (4, 4)),
        ("cell_0/w_ih", (2, 3)),
        ("cell_0/w_hh", (2, 3)),
        ("tower_1/w/Adam_1", ()),
        ("a" * 40, (3,)),
        ("\udcff/\n", (1,)),
    )
}
_MOST_RULES = 8  # each may take some tenths of a second before it is given up


def read_plan(raw: bytes) -> None:
    """A plan file: read, turned round, and written again."""
    plan = from_toml(_text(raw), "p")
    _check_plan(plan)
    with contextlib.suppress(MigrationError):
        plan.reverse()


def _check_plan(plan: Plan) -> None:
    written = to_toml(plan)
    again = from_toml(written, "again")
    promised(to_toml(again) == written, "written and read again, the plan differs")
    targets = [step.target for step in plan.steps]
    promised(len(set(targets)) == len(targets), "two steps have one target")


def read_rules(raw: bytes) -> None:
    """A rule file, and what its rules make of some names."""
    rules = Rules.from_toml(_text(raw), "r")
    rules = replace(rules, rules=rules.rules[:_MOST_RULES])
    with contextlib.suppress(InputError):
        for name in _SPECS:
            rules.rename(name)
    result = apply_rules(rules, _SPECS, None, same=lambda key, other: False)
    for step in result.steps:
        promised(all(source.key in _SPECS for source in step.sources), "a step of a source that is not there")


def read_mapping_or_short(raw: bytes) -> None:
    """A mapping file, or rules in short form."""
    text = _text(raw)
    if raw[:1] == b"!":
        rules = Rules.parse(text[1:].splitlines()[:_MOST_RULES])
        for name in _SPECS:
            rules.rename(name)
    else:
        found = read_mapping(text, "m")
        promised(all(isinstance(place, str) for place in found.values()), "a place that is no text")


def read_manifest(raw: bytes) -> None:
    """A manifest, its plan's way back, and what is read of it without the plan."""
    for read in (source_digest_of, template_digest_of):
        with contextlib.suppress(MigrationError):
            read(raw, "m")
    manifest = Manifest.from_bytes(raw, None, "m")
    restores(manifest.plan, raw)
    with contextlib.suppress(MigrationError):
        manifest.way_back()
    written = manifest.to_bytes()
    again = Manifest.from_bytes(written, None, "again")
    promised(replace(again, tool="").to_bytes() == replace(manifest, tool="").to_bytes(), "manifests differ")


def read_config(raw: bytes) -> None:
    """A config file's flags."""
    config = Config.from_text(_text(raw), "dir/config.toml")
    for tool in TOOLS:
        values = config.flags_of(tool).values()
        promised(
            all(isinstance(value, (str, int, float, bool)) for value in values), "a flag of another kind"
        )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def read_checkpoint(raw: bytes) -> None:
    """A V2 checkpoint on disk: index, shard, .meta; opened, and every tensor read in both ways."""
    index, *rest = parted(raw, 3)
    prefix = f"{_folder()}/ckpt"
    _write(f"{prefix}.index", index)
    for name, content in zip((shard_name(prefix, 0, 1), f"{prefix}.meta"), rest, strict=False):
        _write(name, content)
    checkpoint = Checkpoint.open(prefix)
    try:
        _read_all(checkpoint)
    finally:
        checkpoint.close()


def _read_all(checkpoint: Checkpoint) -> None:
    told: MigrationError | None = None
    for key, spec in checkpoint.all_specs.items():
        check_spec(spec)
        check_slices(spec, checkpoint.partitions.get(key, ()))
        try:
            array = checkpoint.read(key)
            promised(array.shape == spec.shape, "an array is of another shape than its spec")
            checkpoint.read_bytes(key)
        except MigrationError as error:
            told = error
    for ask in (lambda: checkpoint.style, lambda: checkpoint.meta and checkpoint.meta.keys):
        with contextlib.suppress(MigrationError):
            ask()
    promised(checkpoint.digest.startswith("sha256:"), "no digest")
    checkpoint.check_shards()
    if told is not None:
        raise told


@lru_cache(maxsize=1)
def _folder() -> str:
    """A directory of this process; whoever started it says by TMPDIR where, and clears up."""
    return tempfile.mkdtemp(prefix="checkpoint-")


def _write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
