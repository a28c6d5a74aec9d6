"""Copies of one variable, one for each device: `tower_1/w`, `w/replica_1`, `clone_1/w`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from migration.tensors import TensorSpec

KINDS = ("tower", "replica", "clone")
Same = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What folding made: the name of each tensor that stays, the tensors that repeat another, and notes."""

    names: Mapping[str, str]
    copies: Mapping[str, str]  # a copy -> the key that it equals
    notes: tuple[str, ...]


def fold(kinds: tuple[str, ...], specs: Mapping[str, TensorSpec], same: Same) -> Folded:
    """Tensors that differ in nothing but a part such as `tower_1` become one, without that part.

    Only those whose bytes are equal, by `same(key, key)`; the first (the one without a number, or with
    the lowest) stays. Those that differ keep their names, and a note tells them.
    """
    parts = re.compile(rf"(?:{'|'.join(map(re.escape, kinds))})_(\d{{1,9}})")
    groups: dict[str, list[tuple[tuple[int, ...], str]]] = {}
    for key in specs:
        base, numbers = _without(parts, key)
        groups.setdefault(base, []).append((numbers, key))
    names = {key: key for key in specs}
    copies: dict[str, str] = {}
    notes: list[str] = []
    for base, members in groups.items():
        if len(members) < 2:
            continue
        first, *rest = (key for _, key in sorted(members))
        if all(specs[first] == specs[key] and same(first, key) for key in rest):
            names[first] = base
            copies.update(dict.fromkeys(rest, first))
        else:
            notes.append(
                f"{first} and its {len(rest)} namesakes differ and were not folded: {', '.join(rest[:3])}"
            )
    return Folded(
        names={key: name for key, name in names.items() if key not in copies},
        copies=copies,
        notes=tuple(notes),
    )


def _without(pattern: re.Pattern[str], key: str) -> tuple[str, tuple[int, ...]]:
    """The name without its parts of that kind, and their numbers."""
    kept: list[str] = []
    numbers: list[int] = []
    for part in key.split("/"):
        match = pattern.fullmatch(part)
        if match is None:
            kept.append(part)
        else:
            numbers.append(int(match[1]))
    return ("/".join(kept), tuple(numbers)) if kept else (key, ())
