"""Where a target is written: aside, until all of it stands.

A target is staged in a hidden folder beside it and flushed. A journal then says what is about to move and
what it replaces; the shards are renamed into place under names that nobody has, the index last. That one
rename makes the new checkpoint out of the old one: until then the old files are all there, and only then they
are removed. Whoever comes after a crash reads the journal, and ends or takes back what was begun.
"""

from migration.storage.names import STAGING_MARK, present
from migration.storage.replacing import replace_file
from migration.storage.staged_file import StagedFile
from migration.storage.staging import Staging
from migration.storage.stale import stale_stagings, sweep

__all__ = [
    "STAGING_MARK",
    "StagedFile",
    "Staging",
    "present",
    "replace_file",
    "stale_stagings",
    "sweep",
]
