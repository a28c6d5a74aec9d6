"""How a failed assertion reads: a summary, then lists that stop before they bury it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migration.printable import printable

MOST_SHOWN = 20  # lines of one list; the summary counts all of them


def section(title: str, lines: Sequence[str]) -> list[str]:
    """The title and the lines under it, as far as they are shown; nothing where there are none."""
    if not lines:
        return []
    shown = [f"    {line}" for line in lines[:MOST_SHOWN]]
    if len(lines) > MOST_SHOWN:
        shown.append(f"    ... and {len(lines) - MOST_SHOWN} more")
    return [f"  {title}:", *shown]


def told(summary: str, *sections: Iterable[str]) -> str:
    """The whole text."""
    return "\n".join(map(printable, [summary, *(line for lines in sections for line in lines)]))


def count(number: int, noun: str) -> str:
    """Such as "1 tensor" or "2 tensors"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
