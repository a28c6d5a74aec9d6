"""What was a checkpoint once, or was to become one: it is told, not passed over."""

from __future__ import annotations

import os
from collections.abc import Sequence

from migration.doctor.files import starts_as_v1
from migration.formats.tensor_bundle import parse_shard_name
from migration.location import INDEX, META, STATE_FILE, has_table_magic
from migration.state_files import ReadState


def damaged_in(directory: str, state: ReadState | None, prefixes: Sequence[str]) -> list[str]:
    """Prefixes of checkpoints that cannot be opened, and are none of `prefixes` for it: those without an
    index that the state file names, and V1 files without a table's end that it names, that have a graph,
    or that begin as such a file does."""
    lost = [] if state is None else [path for path in state.recorded if state.found[path] is None]
    found = [place for path in lost if state is not None and (place := state.without_index(path)) is not None]
    named = {os.path.basename(path.replace("\\", "/")) for path in lost}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if path in prefixes or name == STATE_FILE or name.endswith((INDEX, META)) or parse_shard_name(name):
            continue
        if not os.path.isfile(path) or has_table_magic(path):
            continue
        if name in named or os.path.isfile(path + META) or starts_as_v1(path):
            found.append(path)
    return list(dict.fromkeys(found))


def unfinished_in(directory: str, prefixes: Sequence[str], told: Sequence[str]) -> list[str]:
    """A note on the shards without an index that no state file names: a save that never ended."""
    stems = {shard[0] for name in sorted(os.listdir(directory)) if (shard := parse_shard_name(name))}
    known = {os.path.basename(prefix) for prefix in (*prefixes, *told)}
    lone = sorted(stems - known)
    if not lone:
        return []
    return [
        f"left aside, as a save that never ended: {', '.join(lone)} (shards without an index; "
        f"ckpt-doctor {directory} tells more)"
    ]
