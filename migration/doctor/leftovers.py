"""What interrupted writes leave in a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from migration.doctor.files import quoted
from migration.doctor.findings import Finding
from migration.formats.tensor_bundle import parse_shard_name
from migration.location import INDEX, META
from migration.storage import stale_stagings

# TensorFlow saves shards into PREFIX_temp/ or PREFIX_temp_HEX/ and merges them; its table writer adds
# .tempstateN.
_TEMP_FOLDER = re.compile(r".+_temp(_[0-9a-f]{32})?")
INTERRUPTED = "interrupted-write"
_TEMP_FILE = re.compile(r".+\.tempstate\d+")


def leftovers(directory: str, name: str | None = None) -> Iterator[Finding]:
    """A finding for each thing that a write which never ended left in `directory` (of the prefix `name`)."""
    for folder in stale_stagings(directory, name):
        cause = "a write was interrupted here, and its process is gone; no checkpoint needs this"
        mend = f"ckpt-doctor {quoted(directory)} --fix"
        yield Finding(kind=INTERRUPTED, where=folder, cause=cause, mend=mend, fixable=True)
    for entry in sorted(os.listdir(directory)):
        path = os.path.join(directory, entry)
        if name is not None and not entry.startswith(name):
            continue
        if _TEMP_FOLDER.fullmatch(entry) and os.path.isdir(path):
            cause = "TensorFlow's folder for a save in parts, which never ended (or runs just now)"
            yield Finding(kind=INTERRUPTED, where=path, cause=cause, mend=f"rm -r {quoted(path)}")
        elif _TEMP_FILE.fullmatch(entry):
            cause = "a file of a TensorFlow save that never ended (or runs just now)"
            yield Finding(kind=INTERRUPTED, where=path, cause=cause, mend=f"rm {quoted(path)}")
    yield from _without_index(directory, name)
    yield from _without_values(directory, name)


def _without_index(directory: str, name: str | None) -> Iterator[Finding]:
    orphans: dict[str, list[str]] = {}
    for entry in sorted(os.listdir(directory)):
        shard = parse_shard_name(entry)
        if (
            shard is not None
            and name in (None, shard[0])
            and not os.path.exists(os.path.join(directory, shard[0] + INDEX))
        ):
            orphans.setdefault(shard[0], []).append(entry)
    for prefix, shards in orphans.items():
        index = os.path.join(directory, prefix + INDEX)
        cause = f"absent, though {shards[0]} is there: a save was interrupted, or the copy left it out"
        mend = f"cp ORIGIN/{quoted(prefix + INDEX)} {quoted(directory)}/"
        yield Finding(kind="missing-index", where=index, cause=cause, mend=mend)


def _without_values(directory: str, name: str | None) -> Iterator[Finding]:
    """A finding for each graph without a checkpoint: neither an index nor shards nor a V1 file beside it."""
    entries = sorted(os.listdir(directory))
    stems = {shard[0] for entry in entries if (shard := parse_shard_name(entry)) is not None}
    for entry in entries:
        prefix = entry.removesuffix(META)
        if prefix == entry or name not in (None, prefix) or prefix in stems:
            continue
        if not any(
            other == prefix or other == prefix + INDEX or other.startswith(f"{prefix}-") for other in entries
        ):
            where = os.path.join(directory, prefix + INDEX)
            cause = f"absent, and so is a V1 file {prefix}; {entry} holds the graph only, no values"
            mend = f"cp ORIGIN/{quoted(prefix)}.* {quoted(directory)}/"
            yield Finding(kind="missing-index", where=where, cause=cause, mend=mend)
