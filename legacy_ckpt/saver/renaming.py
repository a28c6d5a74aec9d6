"""`rename=`: whatever says how a checkpoint's names become the names of a Saver."""

from __future__ import annotations

from typing import Any

from legacy_ckpt.fitting.matching import Rename


def renamer(rules: Any) -> Rename | None:
    """A function of a name in the checkpoint, which gives None for a name that is dropped; None for None.

    `rules` is a function, or what `migration.planning.rules.Rules.of` takes: rules, a rule file's path
    or text, short forms such as "net/{rest:path} -> model/{rest}", a mapping. Raises InputError or
    PlanError for rules that cannot be read.
    """
    from migration.planning.rules import Rules

    if rules is None:
        return None
    if callable(rules) and not isinstance(rules, Rules):
        function: Rename = rules
        return function
    return Rules.of(rules).rename
