"""Single files by their first bytes: what is there in place of what a checkpoint needs."""

from __future__ import annotations

import os
import re

from migration.doctor.findings import Finding
from migration.errors import CheckpointNotFoundError, FormatError
from migration.formats.tensor_bundle import parse_shard_name
from migration.location import INDEX, META, SAVED_MODEL, STATE_FILE, foreign_kind

LFS = "Git LFS pointer"
_KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
_V1_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


def foreign_finding(path: str) -> Finding | None:
    """A finding for a file that is of another kind, empty, or unreadable; None for any other."""
    try:
        kind = foreign_kind(path)
        size = os.path.getsize(path)
    except (FormatError, OSError) as error:
        return Finding(kind="unreadable", where=path, cause=str(error), mend=f"chmod u+r {quoted(path)}")
    if kind is not None:
        return _foreign(path, kind)
    if size == 0:
        return Finding(
            kind="empty-file",
            where=path,
            cause="the file has no bytes: a copy or a write broke off",
            mend=copy_again(path),
        )
    return None


def _foreign(path: str, kind: str) -> Finding:
    if LFS in kind:
        name = os.path.basename(path)
        folder = os.path.dirname(os.path.abspath(path))
        mend = f"git -C {quoted(folder)} lfs pull --include={quoted(name)}"
        return Finding(kind="lfs-pointer", where=path, cause=f"a {LFS}, not the file itself", mend=mend)
    what = kind.partition(": ")[0]
    word, suffix = ("hdf5", ".h5") if "HDF5" in kind else ("keras-archive", ".keras")
    cause = f"{what}; it is no TensorFlow checkpoint"
    return Finding(kind=word, where=path, cause=cause, mend=_loader(path, suffix))


def _loader(path: str, suffix: str) -> str:
    """The command that loads a Keras file; in the place of a checkpoint's part, that is copied again."""
    name = os.path.basename(path)
    if name == STATE_FILE or name in SAVED_MODEL or name.endswith((INDEX, META)) or parse_shard_name(path):
        return copy_again(path)
    named = path if path.endswith(_KERAS_SUFFIXES) else path + suffix  # Keras goes by the file's suffix
    renamed = "" if named == path else f"cp {quoted(path)} {quoted(named)} && "
    code = f"import keras; keras.models.load_model({named!r}).summary()"
    return f"{renamed}python -c {quoted(code)}  # if it holds weights alone: model.load_weights({named!r})"


def starts_as_v1(path: str) -> bool:
    """Whether the file starts as a V1 checkpoint does: a table's entry with the empty key, a message in it.

    (No byte shared, none of the key, the value's length, then field 1 of SavedTensorSlices.)
    """
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:
        return False
    length = next((at for at, byte in enumerate(head[2:12], 2) if byte < 0x80), 0)
    return head[:2] == b"\0\0" and length > 0 and head[length + 1 : length + 2] == b"\x0a"


def lost_v1_shard(error: CheckpointNotFoundError) -> Finding | None:
    """A finding for the file of a sharded V1 checkpoint that the error says is absent; None for any other."""
    path, _, cause = error.exact.partition(": ")
    if not _V1_SHARD.search(path) or os.path.exists(path):
        return None
    return Finding(kind="missing-shard", where=path, cause=cause, mend=copy_again(path))


def copy_again(path: str) -> str:
    """The command that fetches a file anew from where it came from."""
    return f"cp ORIGIN/{quoted(os.path.basename(path))} {quoted(path)}"


def quoted(text: str) -> str:
    """The path or name as a shell takes it: whole, no option, and with nothing in it that cannot be shown."""
    import shlex

    if text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_in_ansi_c, text)) + "'"


def _in_ansi_c(letter: str) -> str:
    """A character between $' and ', as bash, zsh and the shells of POSIX 2024 read it."""
    if letter in "\\'":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))
