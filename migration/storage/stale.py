"""What interrupted writes left beside a target, and clearing it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from migration.storage.locks import entering, is_live
from migration.storage.names import StagingName
from migration.storage.settling import settle


def stagings(directory: str, base: str | None) -> Iterator[tuple[str, bool]]:
    """What lies aside in `directory` for the target `base`, or for any; and whether a run still writes it."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        parsed = StagingName.parse(name)
        if parsed is not None and base in (None, parsed.base):
            path = os.path.join(directory, name)
            yield path, is_live(path, parsed.pid)


def stale_stagings(directory: str, base: str | None = None) -> Iterator[str]:
    """The staging folders in `directory` that an interrupted write left (of the target `base`, or of any)."""
    return (path for path, live in stagings(directory, base) if not live)


def sweep(directory: str, base: str | None = None) -> None:
    """Clear what interrupted writes left in `directory`, of the target `base` or of any, where it can be."""
    if any(stale_stagings(directory, base)):
        with contextlib.suppress(OSError), entering(directory):
            sweep_entered(directory, base)


def sweep_entered(directory: str, base: str | None) -> None:
    """The same for a run that has entered the directory."""
    for stale in stale_stagings(directory, base):
        with contextlib.suppress(OSError):
            if os.path.isdir(stale) and not os.path.islink(stale):
                settle(stale)
            else:
                os.unlink(stale)
