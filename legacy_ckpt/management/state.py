"""The state file that lists a directory's checkpoints, read and written as TensorFlow does, but tolerantly.

A path of the file that is no longer true (of a machine that is gone, of another operating system, of
another working directory) is looked for beside the file. Where TensorFlow's functions give None, so do
these; a warning says what was found instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from migration import location
from migration.errors import FormatError, MigrationError
from migration.formats import checkpoint_state

_v1 = tf.compat.v1
_gfile = tf.io.gfile
Path = str | os.PathLike[str]

STATE_FILE = "checkpoint"
_FIELD = re.compile(r"\{[^{}]*\}")  # what str.format would have filled in


def get_checkpoint_state(checkpoint_dir: Path, latest_filename: str | None = None) -> Any:
    """The CheckpointState proto of a directory, every path joined to it; None where there is no state file.

    `checkpoint_dir` may be the state file itself, or the prefix of checkpoints that it lists. Raises
    ValueError where the file names no latest checkpoint.
    """
    directory, _ = _aimed_at(os.fspath(checkpoint_dir), latest_filename or STATE_FILE)
    return _state_in(directory, latest_filename or STATE_FILE)


def latest_checkpoint(checkpoint_dir: Path, latest_filename: str | None = None) -> str | None:
    """The prefix of the latest checkpoint that the state file lists and that exists, or None.

    Given the prefix that checkpoints were saved under (with its `{epoch}` and the like unfilled, too)
    instead of their directory, it gives the latest of that prefix.
    """
    text, file = os.fspath(checkpoint_dir), latest_filename or STATE_FILE
    directory, name = _aimed_at(text, file)
    state = _state_in(directory, file)
    listed = [] if state is None else [*state.all_model_checkpoint_paths, state.model_checkpoint_path]
    if name is not None:
        return _latest_of_prefix(text, directory, name, listed)
    path: str
    for number, path in enumerate(reversed(listed)):
        if checkpoint_exists(path):
            if number and path != state.model_checkpoint_path:
                _warn(
                    "%s names %s, which is not there; the latest that is there: %s",
                    os.path.join(directory, file),
                    state.model_checkpoint_path,
                    path,
                )
            return path
    _tell_what_is_there(directory, file, listed)
    return None


def resolved(path: Path) -> str:
    """The prefix to read for a directory, a file of a checkpoint, or a prefix (given back as it is).

    Raises ValueError for a directory without a checkpoint.
    """
    text = os.fspath(path)
    if checkpoint_exists(text) and not _gfile.isdir(text):
        try:
            return location.locate(text).prefix
        except (MigrationError, OSError):
            return text
    if _gfile.isdir(text) or not _gfile.exists(text + ".index"):
        latest = latest_checkpoint(text)
        if latest is not None:
            return latest
    if _gfile.isdir(text):
        try:
            return location.locate(text).prefix
        except MigrationError as error:
            raise ValueError(
                f"Couldn't find 'checkpoint' file or checkpoints in given directory {text}: {error}"
            ) from None
    return text


def update_checkpoint_state(
    save_dir: Path,
    model_checkpoint_path: Path,
    all_model_checkpoint_paths: Iterable[Path] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the state file, as `tf.compat.v1.train.update_checkpoint_state` does; paths may be PathLike.

    Raises RuntimeError where the checkpoint's path is the state file's.
    """
    _v1.train.update_checkpoint_state(
        os.fspath(save_dir),
        os.fspath(model_checkpoint_path),
        None
        if all_model_checkpoint_paths is None
        else [os.fspath(path) for path in all_model_checkpoint_paths],
        latest_filename,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


def checkpoint_exists(checkpoint_prefix: Path) -> bool:
    """Whether a V2 or V1 checkpoint has this prefix (or V1 glob), also where it has glob characters in it."""
    text = os.fspath(checkpoint_prefix)
    return bool(_files_told(text))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[Path]) -> list[float]:
    """When each of the checkpoints that exist was written, in seconds since 1970."""
    found = (_files_told(os.fspath(prefix)) for prefix in checkpoint_prefixes)
    return [_gfile.stat(files[0]).mtime_nsec / 1e9 for files in found if files]


def remove_checkpoint(
    checkpoint_prefix: Path,
    checkpoint_format_version: int = _v1.train.SaverDef.V2,
    meta_graph_suffix: str = "meta",
) -> None:
    """Delete the files of a checkpoint, as `tf.compat.v1.train.remove_checkpoint` does."""
    _v1.train.remove_checkpoint(os.fspath(checkpoint_prefix), checkpoint_format_version, meta_graph_suffix)


def _files_told(prefix: str) -> list[str]:
    """The files that show that a checkpoint of this prefix exists."""
    for path in (prefix + ".index", prefix):
        if "?" not in path and _gfile.exists(path):
            return [path]
    for pattern in (prefix + ".index", prefix):
        found: list[str] = _gfile.glob(pattern)
        if found:
            return found
    return []


def _aimed_at(text: str, latest_filename: str) -> tuple[str, str | None]:
    """The directory that is meant, and the name of the prefix where a prefix was given instead."""
    if _gfile.isdir(text):
        return text, None
    directory, name = os.path.split(text)
    if name == latest_filename and _gfile.exists(text):
        return directory, None
    if name and _matching(directory, name, prefixes_in(directory)):
        return directory, name
    return text, None


def _matching(directory: str, name: str, names: Iterable[str]) -> list[str]:
    """Of `names`, the prefix `name` itself and those that a step or the like was added to."""
    parts = [re.escape(part) for part in _FIELD.split(name)]
    pattern = re.compile(".*?".join(parts) + r"([-_.]?\d+(\.ckpt)?(-\?{5}-of-\d{5})?)*")
    return [each for each in names if pattern.fullmatch(each)]


def prefixes_in(directory: str) -> list[str]:
    """The names of all checkpoints in `directory`, in natural order."""
    try:
        names = _gfile.listdir(directory or ".")
    except tf.errors.OpError:
        return []
    indices = [name.removesuffix(".index") for name in names if name.endswith(".index")]
    local = [os.path.basename(prefix) for prefix in location.prefixes_in(directory or ".")]
    return sorted({*indices, *local}, key=location.natural)


def _latest_of_prefix(text: str, directory: str, name: str, listed: Sequence[str]) -> str | None:
    if checkpoint_exists(text):
        return text
    there = _matching(directory, name, prefixes_in(directory))
    from_state = [os.path.basename(path) for path in listed if os.path.basename(path) in there]
    best = from_state[-1] if from_state else there[-1]
    path = os.path.join(directory, best)
    _warn(
        "latest_checkpoint wants a directory; %s is the prefix that checkpoints there were saved under. "
        "The latest of them is %s",
        text,
        path,
    )
    return path


def _state_in(directory: str, latest_filename: str) -> Any:
    path = os.path.join(directory, latest_filename)
    text = _text_of(path)
    if text is None:
        return None
    try:
        read = checkpoint_state.CheckpointState.from_text(text, path)
    except FormatError as error:
        _warn("%s: Checkpoint ignored", error)
        return None
    if not read.model_checkpoint_path:
        raise ValueError(
            f"Invalid checkpoint state loaded from {directory}: it names no model_checkpoint_path"
        )
    return CheckpointState(
        model_checkpoint_path=_where(directory, read.model_checkpoint_path),
        all_model_checkpoint_paths=[_where(directory, each) for each in read.all_model_checkpoint_paths],
        all_model_checkpoint_timestamps=read.all_model_checkpoint_timestamps,
        last_preserved_timestamp=read.last_preserved_timestamp,
    )


def _text_of(path: str) -> str | None:
    try:
        if not _gfile.exists(path) or _gfile.isdir(path):
            return None
        with _gfile.GFile(path, "rb") as file:
            raw: bytes = file.read()
            return raw.decode("utf-8", "surrogateescape")
    except tf.errors.OpError as error:
        _warn("%s: %s", type(error).__name__, error)
        return None


def _where(directory: str, recorded: str) -> str:
    """The path that the state file means: as TensorFlow joins it, or else beside the file, where it is."""
    joined = os.path.join(directory, recorded)
    if checkpoint_exists(joined):
        return joined
    for path in location.parts_of_state_path(directory, recorded):
        if checkpoint_exists(path):
            return path
    return joined


def _tell_what_is_there(directory: str, file: str, listed: Sequence[str]) -> None:
    """A warning, as None makes training start anew without a word."""
    there = prefixes_in(directory) if _gfile.isdir(directory) else []
    if listed:
        _v1.logging.error(
            "Couldn't match files for checkpoint %s%s",
            listed[-1],
            f"; {directory} has {', '.join(there[-3:])}" if there else "",
        )
    elif there:
        _warn(
            "%s has no state file %r, so no latest checkpoint; it does hold %s: name one to restore it",
            directory,
            file,
            ", ".join(there[-3:]),
        )


def _warn(message: str, *parts: Any) -> None:
    _v1.logging.warning(message, *parts)


__all__ = [
    "checkpoint_exists",
    "get_checkpoint_mtimes",
    "get_checkpoint_state",
    "latest_checkpoint",
    "prefixes_in",
    "remove_checkpoint",
    "resolved",
    "update_checkpoint_state",
]
