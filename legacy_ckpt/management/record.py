"""What a manager remembers beside the state file: which checkpoints it wrote, and how good they are.

A JSON file, `checkpoint.record.json`, written aside and renamed. A checkpoint is entered before it is
written, so that one left behind by a crash is known to be the manager's own; `index` is the digest of
its index, so that another checkpoint copied over it later is known not to be.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from migration.storage import replace_file

_gfile = tf.io.gfile
RECORD_FILE = "checkpoint.record.json"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One checkpoint that a manager wrote: its number, when (seconds since 1970), its metrics.

    `path` is the prefix, relative to the directory; `index` is empty while it is being written;
    `preserved` ones are kept for good (`keep_checkpoint_every_n_hours`).
    """

    path: str
    number: int
    written: float
    index: str = ""
    preserved: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """The entries by path, oldest first."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def with_entry(self, entry: Entry) -> Record:
        """The record with `entry` as its newest."""
        return Record(
            {**{path: each for path, each in self.entries.items() if path != entry.path}, entry.path: entry}
        )

    def changed(self, path: str, **changes: Any) -> Record:
        """The record with one entry changed in place."""
        return Record({**self.entries, path: replace(self.entries[path], **changes)})

    def without(self, path: str) -> Record:
        """The record without that entry."""
        return Record({each: entry for each, entry in self.entries.items() if each != path})

    def best(self, metric: str, mode: str) -> tuple[Entry, ...]:
        """The entries that have the metric as a number, best first; of equal ones the newest first."""
        sign = 1 if mode == "min" else -1
        known = [
            each for each in reversed(list(self.entries.values())) if _is_number(each.metrics.get(metric))
        ]
        return tuple(sorted(known, key=lambda each: sign * each.metrics[metric]))


def read_record(directory: str) -> Record:
    """The record of a directory; an empty one where there is none, or where it cannot be read."""
    path = os.path.join(directory, RECORD_FILE)
    if not _gfile.exists(path):
        return Record()
    try:
        with _gfile.GFile(path, "r") as file:
            table = json.loads(file.read())
        if table["format"] != FORMAT:
            raise ValueError(f"format {table['format']}, known is {FORMAT}")
        entries = [Entry(**each) for each in table["checkpoints"]]
    except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
        tf.compat.v1.logging.warning(
            "%s: cannot be read (%s): no checkpoint there counts as this manager's own, none is deleted",
            path,
            error,
        )
        return Record()
    return Record({each.path: each for each in entries})


def write_record(directory: str, record: Record) -> None:
    """Replace the record of a directory."""
    entries = [
        {name: getattr(each, name) for name in ("path", "number", "written", "index", "preserved")}
        | {"metrics": dict(each.metrics)}
        for each in record.entries.values()
    ]
    write_whole(
        os.path.join(directory, RECORD_FILE),
        json.dumps({"format": FORMAT, "checkpoints": entries}, indent=1) + "\n",
    )


def write_whole(path: str, text: str) -> None:
    """Write a text file aside, then rename it into place."""
    if "://" not in path:
        replace_file(path, text.encode("utf-8", "surrogateescape"), flush=False)
        return
    aside = f"{path}.tmp{os.getpid()}-{threading.get_ident()}"
    with _gfile.GFile(aside, "w") as file:
        file.write(text)
    _gfile.rename(aside, path, overwrite=True)


def digest_of(prefix: str) -> str:
    """The sha256 of a checkpoint's index (of a V1 file: of its last 4 kB, its index); "" without one."""
    for path in (prefix + ".index", prefix):
        if _gfile.exists(path) and not _gfile.isdir(path):
            with _gfile.GFile(path, "rb") as file:
                if path == prefix:
                    file.seek(max(0, file.size() - 4096))
                return f"sha256:{hashlib.sha256(file.read()).hexdigest()}"
    return ""


def _is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
