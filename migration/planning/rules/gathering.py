"""Every name of a source offered to the rules: which rule takes it, with what captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migration.errors import InputError
from migration.planning.plan import Left
from migration.planning.rules.folding import Same, fold
from migration.planning.rules.pattern import TooSlowError
from migration.planning.rules.result import Told
from migration.planning.rules.rule import Rule, Shortcuts
from migration.tensors import TensorSpec

MOST_HUNG = 5  # rules that were given up; after them no other is tried, as the rules are refused anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Names that a rule brought together: for each of its matchers the keys, and what they captured."""

    number: int
    rule: Rule
    captured: Mapping[str, str]
    slots: tuple[list[str], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys, in the order of the matchers."""
        return tuple(key for slot in self.slots for key in slot)


@dataclass
class Gathering:
    """What the rules took. `kept` are the names that none did, as the shortcuts left them."""

    rules: Sequence[Rule]
    specs: Mapping[str, TensorSpec]
    told: Told
    bundles: list[Bundle] = field(default_factory=list)
    drops: dict[str, Left] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    matched: set[int] = field(default_factory=set)
    hung: set[int] = field(default_factory=set)
    _by_first_part: dict[str, list[int]] = field(default_factory=dict)
    _together: dict[tuple[int, tuple[tuple[str, str], ...]], Bundle] = field(default_factory=dict)

    def gather(self, shortcuts: Shortcuts, same: Same | None) -> None:
        """Offers every name to the rules, after the shortcuts."""
        for key, name in self._folded(shortcuts, same).items():
            self._offer(key, shortcuts.renamed(name))
        self.bundles.sort(key=lambda bundle: bundle.number)

    def _folded(self, shortcuts: Shortcuts, same: Same | None) -> Mapping[str, str]:
        if not shortcuts.fold:
            return {key: key for key in self.specs}
        if same is None:
            raise InputError(
                "folding copies compares their bytes: it needs the checkpoint, not its names alone"
            )
        folded = fold(shortcuts.fold, self.specs, same)
        self.notes = folded.notes
        for key, original in folded.copies.items():
            self.drops[key] = Left(
                key=key, spec=self.specs[key], reason=f"equal to {original}, folded", equal_to=original
            )
        return folded.names

    def _offer(self, key: str, name: str) -> None:
        """The first rule that matches takes the name, and each that says `also`."""
        taken = False
        for number in self._worth_trying(name.partition("/")[0]):
            rule = self.rules[number]
            if taken and not rule.also:
                continue
            for slot, captured in self._captures(number, rule, name):
                self.matched.add(number)
                taken = True
                self._collect(number, slot, captured, key)
        if not taken:
            self.kept[key] = name

    def _worth_trying(self, first_part: str) -> Sequence[int]:
        """The rules that a name with this first part can match, in their order."""
        if first_part not in self._by_first_part:
            self._by_first_part[first_part] = [
                number
                for number, rule in enumerate(self.rules)
                if any(matcher.first_part in (None, first_part) for matcher in rule.matchers)
            ]
        return self._by_first_part[first_part]

    def _captures(self, number: int, rule: Rule, name: str) -> list[tuple[int, Mapping[str, str]]]:
        if number in self.hung or len(self.hung) >= MOST_HUNG:
            return []
        try:
            found = [(slot, matcher.match(name)) for slot, matcher in enumerate(rule.matchers)]
        except TooSlowError as error:
            self.hung.add(number)
            self.told.tell("too slow", rule.place, str(error))
            return []
        return [(slot, captured) for slot, captured in found if captured is not None]

    def _collect(self, number: int, slot: int, captured: Mapping[str, str], key: str) -> None:
        rule = self.rules[number]
        if rule.drop:
            self.drops.setdefault(key, Left(key=key, spec=self.specs[key], reason=f"a rule drops it: {rule}"))
            return
        alone = (("", key),) if len(rule.matchers) == 1 else ()
        together = (number, (*sorted(captured.items()), *alone))
        if together not in self._together:
            slots: tuple[list[str], ...] = tuple([] for _ in rule.matchers)
            bundle = Bundle(number=number, rule=rule, captured=captured, slots=slots)
            self._together[together] = bundle
            self.bundles.append(bundle)
        self._together[together].slots[slot].append(key)
