"""One small file in the place of another, in one step."""

from __future__ import annotations

import contextlib
import os

from migration.storage.flushing import flush_directory
from migration.storage.locks import Held, entering
from migration.storage.names import fresh_staging
from migration.storage.staged_file import StagedFile
from migration.storage.stale import sweep_entered


def replace_file(path: str, payload: bytes, *, flush: bool = True) -> None:
    """Make `payload` the content of the file `path`: the old one stands until the new one is complete.

    With `flush` it is on the disk before. What an interrupted write of the same file left is cleared.
    Raises OSError where the disk refuses; then the old file is as it was.
    """
    directory, name = os.path.split(path)
    directory = directory or "."
    aside = os.path.join(directory, fresh_staging(name))
    with contextlib.ExitStack() as undo:
        with entering(directory):
            sweep_entered(directory, name)
            file = StagedFile(aside, 0)
            undo.callback(_remove, aside)
            undo.callback(file.close)
            held = Held(aside)
            undo.callback(held.release)
        file.write(0, payload)
        if flush:
            file.flush()
        os.replace(aside, path)
        if flush:
            flush_directory(directory)


def _remove(aside: str) -> None:
    with contextlib.suppress(OSError):  # it was moved; or the next write of the file clears it
        os.unlink(aside)
