"""One checkpoint: its files, its index, its graph, its manifest, and the values of its tensors."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator

from migration.checkpoint import Checkpoint, Style
from migration.contents.values import ValueSummary, summarize
from migration.doctor.files import LFS, copy_again, foreign_finding, quoted
from migration.doctor.findings import Finding, listed
from migration.errors import MigrationError
from migration.formats.tensor_bundle import parse_shard_name
from migration.location import Location
from migration.planning.targets import parts_of

Progress = Callable[[int, int], None]


def examine_checkpoint(
    location: Location, *, data: bool, progress: Progress | None
) -> tuple[Checkpoint | None, list[Finding]]:
    """The opened checkpoint (None where it cannot be opened) and what is wrong with it."""
    findings = [found for path in location.files if (found := foreign_finding(path)) is not None]
    if findings:
        return None, findings
    try:
        checkpoint = Checkpoint(location)
        _ = checkpoint.specs
    except MigrationError as error:
        return None, [_unreadable_index(location, error)]
    findings = list(_shards(checkpoint))
    readable = not findings
    findings += _strays(checkpoint)
    findings += _graph_file(location)
    findings += _meta(checkpoint)
    if readable:
        findings += _object_graph(checkpoint)
        findings += _manifest(checkpoint)
        findings += _values(checkpoint, progress) if data else ()
    checkpoint.close()
    return checkpoint, findings


def described(checkpoint: Checkpoint) -> str:
    """What a checkpoint is, in words."""
    shards = (
        checkpoint.index.header.num_shards if checkpoint.format == "V2" else len(checkpoint.location.files)
    )
    style = checkpoint.style.value if readable_style(checkpoint) else "of unknown style"
    files = "shard" if checkpoint.format == "V2" else "file"
    tensors = len(checkpoint.specs)
    return (
        f"a {checkpoint.format} checkpoint, {style}, {tensors} tensor{'' if tensors == 1 else 's'} "
        f"in {shards} {files}{'' if shards == 1 else 's'}"
    )


def readable_style(checkpoint: Checkpoint) -> bool:
    """Whether the object graph, if there is one, can be read."""
    try:
        return isinstance(checkpoint.style, Style)
    except MigrationError:
        return False


def _unreadable_index(location: Location, error: MigrationError) -> Finding:
    text = error.exact
    path = next((each for each in location.files if each in text), location.files[0])
    word = "big-endian" if "big-endian" in text else "truncated" if "truncated" in text else "corrupt-index"
    if location.format == "V1" and word == "corrupt-index":
        word = "corrupt"
    return Finding(kind=word, where=path, cause=text, mend=copy_again(path))


def _shards(checkpoint: Checkpoint) -> Iterator[Finding]:
    if checkpoint.format != "V2":
        return
    needed: dict[int, int] = {}
    for _, entry in checkpoint.index.placed():
        needed[entry.shard] = max(needed.get(entry.shard, 0), entry.offset + entry.size)
    for shard in range(checkpoint.index.header.num_shards):
        path = checkpoint.shard_path(shard)
        if not os.path.exists(path):
            if needed.get(shard, 0) or shard in needed:
                cause = f"absent, but the index needs {needed.get(shard, 0)} bytes of it"
                yield Finding(kind="missing-shard", where=path, cause=cause, mend=copy_again(path))
            continue
        foreign = foreign_finding(path)
        is_short = os.path.getsize(path) < needed.get(shard, 0)
        if foreign is not None and (
            foreign.kind == "unreadable"
            or LFS in foreign.cause
            or (is_short and foreign.kind != "empty-file")
        ):
            yield foreign
        elif is_short:
            size = os.path.getsize(path)
            cause = f"{size} bytes, but the index needs {needed[shard]}: a copy or a write broke off"
            yield Finding(kind="short-shard", where=path, cause=cause, mend=copy_again(path))


def _strays(checkpoint: Checkpoint) -> Iterator[Finding]:
    if checkpoint.format != "V2":
        return
    own = {checkpoint.shard_path(shard) for shard in range(checkpoint.index.header.num_shards)}
    for path in sorted(glob.glob(glob.escape(checkpoint.prefix) + ".data-?????-of-?????")):
        if path not in own and parse_shard_name(path):
            cause = "a shard that the index does not name: left from a save with another number of shards"
            yield Finding(kind="stray-shard", where=path, cause=cause, mend=f"rm {quoted(path)}")


def _graph_file(location: Location) -> Iterator[Finding]:
    if location.graph_file is not None:
        found = foreign_finding(location.graph_file)
        if found is not None:
            yield found


def _meta(checkpoint: Checkpoint) -> Iterator[Finding]:
    path = checkpoint.location.graph_file
    if path is None or foreign_finding(path) is not None or path.endswith(".pbtxt"):
        return
    try:
        if checkpoint.meta is not None:
            _ = checkpoint.meta.tensorflow_version
    except MigrationError as error:
        text = error.exact
        cause = text if path in text else f"{path}: {text}"
        yield Finding(kind="graph-file", where=path, cause=cause, mend=copy_again(path))


def _object_graph(checkpoint: Checkpoint) -> Iterator[Finding]:
    where = checkpoint.prefix
    try:
        graph = checkpoint.graph
    except MigrationError as error:
        yield Finding(kind="object-graph", where=where, cause=str(error), mend=copy_again(f"{where}.index"))
        return
    if graph is None:
        return
    there = checkpoint.all_specs.keys() | parts_of(graph, checkpoint.specs).keys()
    absent = tuple(
        attribute.checkpoint_key
        for _, attribute in graph.attributes()
        if attribute.checkpoint_key not in there
    )
    if absent:
        cause = f"its object graph names tensors that are not in it: {listed(absent)}"
        yield Finding(
            kind="object-graph", where=where, cause=cause, mend=copy_again(f"{where}.index"), tensors=absent
        )


def _manifest(checkpoint: Checkpoint) -> Iterator[Finding]:
    from migration.planning.manifest import Manifest

    where = checkpoint.prefix
    again = f"ckpt-migrate --checkpoint=SOURCE --output={quoted(where)} --overwrite"
    try:
        raw = checkpoint.manifest_bytes if checkpoint.format == "V2" else None
        if raw is None:
            return
        steps = Manifest.from_bytes(raw, checkpoint.graph, where).plan.steps
    except MigrationError as error:
        cause = f"its manifest cannot be read: {error}"
        yield Finding(kind="manifest", where=where, cause=cause, mend=again)
        return
    odd = tuple(step.target for step in steps if checkpoint.all_specs.get(step.target) != step.spec)
    if odd:
        cause = f"its manifest no longer fits: gone, or of another dtype or shape, are {listed(odd)}"
        yield Finding(kind="manifest", where=where, cause=cause, mend=again, tensors=odd)


def _values(checkpoint: Checkpoint, progress: Progress | None) -> Iterator[Finding]:
    damaged: dict[str, str] = {}
    odd: dict[str, str] = {}
    sizes = {key: spec.nbytes or 0 for key, spec in checkpoint.all_specs.items()}
    total, done = sum(sizes.values()), 0
    for key in checkpoint.all_specs:
        try:
            found = summarize(checkpoint, key)
            counts = [f"{count} {word}" for count, word in _odd(found) if count]
            if counts:
                odd[key] = f"{key} ({', '.join(counts)} of {found.count})"
        except MigrationError as error:
            damaged[key] = str(error)
        done += sizes[key]
        if progress is not None:
            progress(done, total)
    yield from _damaged(checkpoint, damaged)
    if odd:
        cause = (
            f"values that are no numbers: {listed(list(odd.values()))}: training diverged before this save"
        )
        shown = f"ckpt-inspect --values --checkpoint={quoted(checkpoint.prefix)}"
        mend = f"{shown}  # then go on from an earlier one"
        yield Finding(kind="nan", where=checkpoint.prefix, cause=cause, mend=mend, tensors=tuple(odd))


def _odd(found: ValueSummary) -> tuple[tuple[int, str], ...]:
    return (found.nan, "NaN"), (found.infinite, "infinite")


def _damaged(checkpoint: Checkpoint, damaged: dict[str, str]) -> Iterator[Finding]:
    by_file: dict[str, list[str]] = {}
    for key in damaged:
        by_file.setdefault(_file_of(checkpoint, key), []).append(key)
    for path, keys in by_file.items():
        cause = f"its bytes are not what the checksums say, in {listed(keys)}: {damaged[keys[0]]}"
        yield Finding(kind="checksum", where=path, cause=cause, mend=copy_again(path), tensors=tuple(keys))


def _file_of(checkpoint: Checkpoint, key: str) -> str:
    if checkpoint.format == "V1":
        return checkpoint.location.files[0]
    return checkpoint.shard_path(checkpoint.placed(key)[0][1].shard)
