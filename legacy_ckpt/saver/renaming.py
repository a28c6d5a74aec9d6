"""`rename=`: whatever says how a checkpoint's names become the names of a Saver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from legacy_ckpt.fitting.matching import Rename


def renamer(rules: Any) -> Rename | None:
    """A function of a name in the checkpoint, from a mapping, a function, or rules; None for None."""
    if rules is None or callable(rules):
        return rules
    if isinstance(rules, Mapping):
        return lambda name: rules.get(name, name)
    return rules
