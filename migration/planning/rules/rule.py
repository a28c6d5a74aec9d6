"""Rules as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migration.planning.rules.pattern import Matcher, Wording
from migration.planning.transforms import Constant, Transform
from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: names that match go `to` a place, or are dropped, or a place gets a constant.

    With several matchers the names that capture the same are joined, in the matchers' order, by the
    first of `transforms`. `also` offers the rule names that an earlier one took already; `optional`
    allows it to match nothing.
    """

    place: str  # where it is written, as file:line
    matchers: tuple[Matcher, ...] = ()
    to: Wording | None = None
    drop: bool = False
    transforms: tuple[Transform, ...] = ()
    constant: Constant | None = None
    spec: TensorSpec | None = None
    also: bool = False
    optional: bool = False

    def __str__(self) -> str:
        """The rule in short form: what a plan gives as the reason of a step."""
        start = " + ".join(matcher.text for matcher in self.matchers)
        if self.drop:
            return f"drop {start}"
        target = self.to.text if self.to else ""
        return f"{self.constant.value!r} -> {target}" if self.constant else f"{start} -> {target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcuts:
    """What happens to every name before the rules see it: copies folded, prefixes taken off and put on."""

    fold: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    add: str = ""

    def renamed(self, name: str) -> str:
        """The name with the first prefix of `strip` that it has taken off, and `add` put on.

        A prefix that ends where a scope does takes the slash along: "model" and "model/" are the same there.
        """
        prefix = next((prefix for prefix in self.strip if name.startswith(prefix) and name != prefix), "")
        rest = name[len(prefix) :]
        return self.add + (rest.removeprefix("/") if prefix else rest)


def rename(rules: tuple[Rule, ...], shortcuts: Shortcuts, name: str) -> str | None:
    """What the rules make of one name by itself; None where they drop it."""
    name = shortcuts.renamed(name)
    for rule in rules:
        if len(rule.matchers) != 1:
            continue
        captured: Mapping[str, str] | None = rule.matchers[0].match(name)
        if captured is not None:
            return rule.to.fill(captured) if rule.to else None
    return name
