"""From anything that a person points at to the files of one checkpoint."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from migration.errors import CheckpointNotFoundError, FormatError
from migration.formats.tensor_bundle import parse_shard_name
from migration.outside import can_be_path, leads_outside
from migration.printable import printable

INDEX = ".index"
META = ".meta"
STATE_FILE = "checkpoint"
SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")

_V1_SHARD = re.compile(r"(?s)(?P<prefix>.*)-(?P<shard>\d{5}|\?{5})-of-(?P<count>\d{5}|\?{5})")
_TABLE_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOREIGN = (
    (b"\x89HDF", "an HDF5 file (Keras weights): load it with Keras"),
    (b"PK\x03\x04", "a zip file (a .keras model?): load it with Keras"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The files of one checkpoint.

    `prefix` is what TensorFlow would be given; `files` is the index of a V2 bundle, or all files of
    a V1 checkpoint; `graph_file` is the .meta or saved_model.pb beside it, if there. `remarks` say
    where the checkpoint is not quite what was pointed at, in lines that can be printed.
    """

    prefix: str
    format: Literal["V1", "V2"]
    files: tuple[str, ...]
    graph_file: str | None
    remarks: tuple[str, ...] = ()


def locate(path: str | os.PathLike[str], latest_filename: str = STATE_FILE) -> Location:
    """The checkpoint that `path` points at: see `Checkpoint.open`.

    Raises CheckpointNotFoundError (naming the nearest that exist) or FormatError (for a file of
    another kind).
    """
    text = os.fsdecode(path)
    if not text:
        raise CheckpointNotFoundError(
            "an empty path: give a checkpoint's prefix, such as dir/model.ckpt-1000"
        )
    if not can_be_path(text):
        raise CheckpointNotFoundError(f"{text!r}: no file can be called so: check the path")
    found = at_prefix(text)
    if found is not None:
        return found
    if os.path.isdir(text):
        return _in_directory(text.rstrip("/") or "/", latest_filename)
    if os.path.isfile(text):
        return _of_file(text, latest_filename)
    return _of_absent(text)


def prefixes_in(directory: str) -> list[str]:
    """The prefixes of all checkpoints in `directory`, V2 and V1, in natural order."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    found: dict[str, None] = {}
    for name in names:
        path = os.path.join(directory, name)
        sharded = _V1_SHARD.fullmatch(name)
        if name.endswith(INDEX):
            # macOS puts a file named "._" and the name beside each that it copies
            if os.path.isfile(path) and (not name.startswith(".") or has_table_magic(path)):
                found[path.removesuffix(INDEX)] = None
        elif parse_shard_name(name) or name.endswith((META, ".pb", ".pbtxt")) or not os.path.isfile(path):
            continue
        elif has_table_magic(path):
            found[_V1_SHARD.sub(r"\g<prefix>-?????-of-\g<count>", path) if sharded else path] = None
    return sorted(found, key=natural)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key that puts model-9 before model-10."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def has_table_magic(path: str) -> bool:
    """Whether the file ends as a sorted string table does."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            if file.tell() < 48:
                return False
            file.seek(-8, os.SEEK_END)
            return file.read() == _TABLE_MAGIC
    except OSError:
        return False


def parts_of_state_path(directory: str, recorded: str) -> Iterator[str]:
    """Where the checkpoint that a state file in `directory` calls `recorded` may lie, likeliest first.

    An absolute path of a machine that is gone, or one relative to somewhere else, is looked for
    beside the state file under the ends of the path.
    """
    yield recorded if os.path.isabs(recorded) else os.path.join(directory, recorded)
    parts = [part for part in re.split(r"[/\\]+", recorded) if part not in ("", ".", "..")]
    for start in range(len(parts)):
        yield os.path.join(directory, *parts[start:])


def places_of_state_path(directory: str, recorded: str) -> list[str]:
    """Where the checkpoint that a state file in `directory` calls `recorded` is looked for, in that order.

    What leads out of the directory is looked for in it first, under the ends of the path: where a directory
    was copied its original may still be there, and is not the one that is meant; and a file that came from
    somebody else does not choose what is read, where what it names is at hand.
    """
    place, *beside = parts_of_state_path(directory, recorded)
    return [*beside, place] if leads_outside(place, directory) else [place, *beside]


def at_prefix(text: str, remarks: tuple[str, ...] = ()) -> Location | None:
    """The checkpoint whose prefix (or V1 file, or glob of these) `text` is; None where there is none.

    Raises CheckpointNotFoundError where files of a V1 checkpoint are missing.
    """
    if os.path.isfile(text + INDEX):
        return Location(
            prefix=text, format="V2", files=(text + INDEX,), graph_file=_graph_file(text), remarks=remarks
        )
    if os.path.isfile(text) and has_table_magic(text) and not text.endswith(INDEX):
        sharded = _V1_SHARD.fullmatch(text)
        return _sharded_v1(sharded, remarks) if sharded else _v1(text, (text,), text, remarks)
    sharded = _V1_SHARD.fullmatch(text)
    if sharded and "?" in text:
        return _sharded_v1(sharded, remarks)
    if not os.path.isdir(text):
        matches = [path for path in _glob(text, "-?????-of-?????") if has_table_magic(path)]
        if matches and (sharded := _V1_SHARD.fullmatch(matches[0])):
            return _sharded_v1(sharded, remarks)
    return None


def _glob(text: str, pattern: str) -> list[str]:
    return sorted(glob.glob(glob.escape(text) + pattern))


def _v1(prefix: str, files: tuple[str, ...], stem: str, remarks: tuple[str, ...]) -> Location:
    return Location(prefix=prefix, format="V1", files=files, graph_file=_graph_file(stem), remarks=remarks)


def _sharded_v1(match: re.Match[str], remarks: tuple[str, ...]) -> Location | None:
    stem, count = match["prefix"], match["count"]
    files = [path for path in _glob(stem, f"-?????-of-{count}") if _V1_SHARD.fullmatch(path)]
    if not files:
        return None
    counts = sorted({path[-5:] for path in files})
    if len(counts) > 1:
        names = ", ".join(f"{stem}-?????-of-{each}" for each in counts)
        raise CheckpointNotFoundError(
            f"{stem}: more than one V1 checkpoint has this prefix: say which of {names}"
        )
    missing = [
        name
        for name in (f"{stem}-{shard:05d}-of-{counts[0]}" for shard in range(int(counts[0])))
        if name not in files
    ]
    if missing:
        raise CheckpointNotFoundError(
            f"{missing[0]}: no such file, but the checkpoint has {int(counts[0])} files: copy it again"
        )
    return _v1(f"{stem}-?????-of-{counts[0]}", tuple(files), stem, remarks)


def _graph_file(prefix: str) -> str | None:
    if os.path.isfile(prefix + META):
        return prefix + META
    directory = os.path.dirname(prefix)
    if os.path.basename(directory) == "variables":
        saved_model = os.path.join(os.path.dirname(directory), SAVED_MODEL[0])
        if os.path.isfile(saved_model):
            return saved_model
    return None


def _in_directory(directory: str, latest_filename: str) -> Location:
    for inner in (os.path.join(directory, "variables"), directory):
        if inner == directory and os.path.basename(os.path.abspath(directory)) != "variables":
            break
        found = at_prefix(os.path.join(inner, "variables"))
        if found is not None:
            return found
    if any(os.path.isfile(os.path.join(directory, name)) for name in SAVED_MODEL):
        raise CheckpointNotFoundError(
            f"{directory}: a SavedModel without variables/variables.index: none, or a copy left them out"
        )
    state = os.path.join(directory, latest_filename)
    if os.path.isfile(state):
        return _of_state(state)
    prefixes = prefixes_in(directory)
    if len(prefixes) == 1:
        found = at_prefix(
            prefixes[0],
            (printable(f"{directory} has no state file; its one checkpoint {prefixes[0]} was opened"),),
        )
        if found is not None:
            return found
    if prefixes:
        raise CheckpointNotFoundError(
            f"{directory}: a directory of {len(prefixes)} checkpoints without a state file: say which, "
            f"for instance {prefixes[-1]}"
        )
    raise CheckpointNotFoundError(
        f"{directory}: a directory without a checkpoint: neither a state file named {latest_filename!r}, "
        "nor an index, "
        "nor a SavedModel is in it" + _nearest_text(directory)
    )


def _of_state(state: str) -> Location:
    from migration.formats.checkpoint_state import CheckpointState

    directory = os.path.dirname(state)
    try:
        with open(state, encoding="utf-8", errors="surrogateescape") as file:
            recorded = CheckpointState.from_text(file.read(), state).model_checkpoint_path
    except OSError as error:
        raise FormatError(f"{state}: cannot be read ({error.strerror}): check its permissions") from None
    for path in places_of_state_path(directory, recorded):
        found = at_prefix(path, _remarks_on_state(state, recorded, path))
        if found is not None:
            return found
    prefixes = prefixes_in(directory)
    if len(prefixes) == 1:
        found = at_prefix(
            prefixes[0],
            (
                printable(
                    f"{state} names {recorded}, which is not there; "
                    f"the directory's one checkpoint {prefixes[0]} was opened"
                ),
            ),
        )
        if found is not None:
            return found
    there = (
        f"the directory has {', '.join(prefixes[-3:])}"
        if prefixes
        else "the directory has no checkpoint at all"
    )
    raise CheckpointNotFoundError(f"{state}: names {recorded!r} as the latest, which is not there; {there}")


def _remarks_on_state(state: str, recorded: str, path: str) -> tuple[str, ...]:
    """What there is to say where a state file's path led somewhere else than to its own directory."""
    directory = os.path.dirname(state)
    place = next(parts_of_state_path(directory, recorded))
    if path == place:
        outside = leads_outside(place, directory)
        told = f"{state} names {recorded}, outside of its directory, and that was opened"
        return (printable(told),) if outside else ()
    where = "which lies outside of its directory" if os.path.isfile(place + INDEX) else "which is not there"
    return (printable(f"{state} names {recorded}, {where}; {path} beside it was opened"),)


def _of_file(path: str, latest_filename: str) -> Location:
    directory, name = os.path.split(path)
    for suffix in (INDEX, META):
        if name.endswith(suffix):
            found = at_prefix(path.removesuffix(suffix))
            if found is not None:
                return found
    shard = parse_shard_name(path)
    if shard is not None:
        found = at_prefix(shard[0])
        if found is not None:
            return found
        raise CheckpointNotFoundError(
            f"{shard[0]}{INDEX}: no such file; without its index the shard {path} cannot be read"
            + _nearest_text(shard[0])
        )
    if name in SAVED_MODEL:
        return _in_directory(directory or ".", latest_filename)
    foreign = foreign_kind(path)
    if foreign is not None:
        raise FormatError(f"{path}: {foreign}")
    if name == latest_filename or _looks_like_state(path):
        return _of_state(path)
    if name.endswith(META):
        raise CheckpointNotFoundError(
            f"{path.removesuffix(META)}{INDEX}: no such file; a .meta holds the graph only"
            + _nearest_text(path)
        )
    raise FormatError(
        f"{path}: neither a V1 checkpoint (its last 8 bytes are not a table's) nor any other file of one: "
        "give the prefix, the .index, a directory or a SavedModel" + _nearest_text(path)
    )


def foreign_kind(path: str) -> str | None:
    """What a file is that people take for a checkpoint, and what to do; None where it is none of these."""
    try:
        with open(path, "rb") as file:
            head = file.read(32)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}): check its permissions") from None
    return next((kind for magic, kind in _FOREIGN if head.startswith(magic)), None)


def _looks_like_state(path: str) -> bool:
    with open(path, "rb") as file:
        return b"model_checkpoint_path" in file.read(4096)


def _of_absent(text: str) -> Location:
    if os.path.lexists(text):
        raise CheckpointNotFoundError(f"{text}: a broken link, or not a regular file")
    shards = [path for path in _glob(text, ".data-?????-of-?????") if parse_shard_name(path)]
    if shards:
        raise CheckpointNotFoundError(
            f"{text}{INDEX}: no such file, though {shards[0]} is there: copy the index too"
        )
    directory = os.path.dirname(text)
    if directory and not os.path.isdir(directory):
        raise CheckpointNotFoundError(
            f"{text}: no checkpoint of this prefix: {directory} is no directory that exists; check the path"
            + _nearest_text(text)
        )
    near = _nearest_text(text) or "; no other is beside it: check the path"
    raise CheckpointNotFoundError(f"{text}: no checkpoint of this prefix" + near)


def _nearest_text(text: str) -> str:
    near = nearest_prefixes(text)
    return f"; the nearest that exist: {', '.join(near)}" if near else ""


def nearest_prefixes(path: str, most: int = 3) -> list[str]:
    """The prefixes beside `path` (or in the nearest directory above that exists) most like it."""
    directory = os.path.dirname(path) or "."
    while not os.path.isdir(directory) and directory not in ("/", "."):
        directory = os.path.dirname(directory) or "."
    prefixes = prefixes_in(directory)
    name = os.path.basename(path)
    started = [prefix for prefix in prefixes if os.path.basename(prefix).startswith(name)]
    by_name = {os.path.basename(prefix): prefix for prefix in prefixes}
    close = [by_name[each] for each in difflib.get_close_matches(name, by_name, most, 0.5)]
    return list(dict.fromkeys([*started[-most:], *close, *prefixes[-1:]]))[:most]


__all__ = ["Location", "locate", "natural", "nearest_prefixes", "prefixes_in"]
