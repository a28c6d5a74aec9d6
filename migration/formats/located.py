"""Puts the place in front of a format error's text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from migration.errors import FormatError


@contextmanager
def located(where: str) -> Iterator[None]:
    """Lets a FormatError from the block say where it happened, unless it says so already."""
    try:
        yield
    except FormatError as error:
        told = str(error)
        raise FormatError(
            told if not where or told.startswith(f"{where}: ") else f"{where}: {told}"
        ) from None
