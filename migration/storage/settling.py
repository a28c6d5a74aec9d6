"""The end of a staging folder, whatever became of its run: what was begun is ended, or taken back."""

from __future__ import annotations

import contextlib
import os
import shutil

from migration.storage.flushing import flush_directory
from migration.storage.journal import Journal, read_journal, remove_journal
from migration.storage.names import StagingName


def settle(folder: str) -> bool:
    """Remove a staging folder that nobody writes; returns whether its target was committed.

    Behind a commit, the old files go. Before it, the new shards that have moved already go: the index that
    would lead to them is still aside. Only files that are still those of the journal are touched. Raises
    OSError where the disk refuses: then the journal stays, for another time.
    """
    directory, name = os.path.split(folder)
    parsed = StagingName.parse(name)
    journal = None if parsed is None else read_journal(folder, parsed.base)
    committed = journal is not None and journal.is_committed(directory, folder)
    if journal is not None:
        _remove(directory, journal, committed)
    if journal is not None and not committed:
        # A folder without index and journal says nothing; one with a journal alone would say "committed".
        remove_journal(folder)
        flush_directory(folder)
    shutil.rmtree(folder)
    return committed


def _remove(directory: str, journal: Journal, committed: bool) -> None:
    gone = [mark for mark in (journal.old if committed else journal.shards) if mark.is_at(directory)]
    for mark in gone:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, mark.name))
    if gone:
        flush_directory(directory)
