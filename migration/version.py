"""Which tool wrote a file."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version


@functools.cache
def tool_version() -> str:
    """This tool's name and version, as the files that it writes carry it."""
    try:
        return f"ckpt-migration {version('ckpt-migration')}"
    except PackageNotFoundError:
        return "ckpt-migration (not installed)"
