"""What a dying process cannot show: that bytes were on the disk before the names that lead to them.

The order of calls in a run that nothing happens to is held against what a power cut asks for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.seam import Call

_RENAMES = ("rename", "replace")


def check_order(calls: Sequence[Call], target: str) -> None:
    """Raises Broken unless each file of the target was flushed before it was moved, the directory between
    the shards and the index, and nothing that was there was removed before the index and a further flush."""
    directory, base = os.path.split(os.path.realpath(target))
    moves = [place for place, call in enumerate(calls) if call.name in _RENAMES and _into(call, directory)]
    index = [place for place in moves if calls[place].paths[1] == f"{directory}/{base}.index"]
    if len(index) != 1:
        raise Broken(f"the index of {base} was moved into place {len(index)} times")
    shards = [place for place in moves if f"{base}.data-" in calls[place].paths[1]]
    for place in (*shards, *index):
        _check_flushed(calls, place)
    if any(place > index[0] for place in shards):
        raise Broken("a shard was moved into place after the index")
    if shards and not _flushes(calls, directory, max(shards), index[0]):
        raise Broken("the directory was not flushed between the shards and the index")
    removed = [place for place, call in enumerate(calls) if _removes(call, directory, base)]
    if any(place < index[0] for place in removed):
        raise Broken("what was there was removed before the new index was in its place")
    if not _flushes(calls, directory, index[0], min(removed, default=len(calls))):
        raise Broken("the directory was not flushed behind the index, and before the old files were removed")


def _into(call: Call, directory: str) -> bool:
    return os.path.dirname(call.paths[1]) == directory


def _removes(call: Call, directory: str, base: str) -> bool:
    return call.name in ("unlink", "remove") and call.paths[0].startswith(f"{directory}/{base}.")


def _flushes(calls: Sequence[Call], path: str, start: int, stop: int) -> bool:
    return any(call.name == "fsync" and call.paths[0] == path for call in calls[start + 1 : stop])


def _check_flushed(calls: Sequence[Call], moved: int) -> None:
    """Raises Broken unless the file that is moved there was flushed behind its last write."""
    path = calls[moved].paths[0]
    writes = [
        place
        for place, call in enumerate(calls[:moved])
        if call.name in ("write", "pwrite", "truncate", "ftruncate") and call.paths[:1] == (path,)
    ]
    if writes and not _flushes(calls, path, max(writes), moved):
        raise Broken(f"{os.path.basename(path)} was moved into place without a flush")
