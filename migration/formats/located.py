"""Puts the place in front of a format error's text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from migration.errors import FormatError, ReplacedError


@contextmanager
def located(where: str) -> Iterator[None]:
    """Lets a FormatError from the block say where it happened, unless it says so already."""
    try:
        yield
    except ReplacedError:  # nothing is wrong at the place
        raise
    except FormatError as error:
        told = error.exact
        raise FormatError(
            told if not where or told.startswith(f"{where}: ") else f"{where}: {told}"
        ) from None
