"""What a partial restore did, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from legacy_ckpt.fitting.matching import Match
from migration.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """Names, each once and sorted: what was restored, and what was not and why.

    `restored`: variables that now hold the checkpoint's values.
    `missing`: variables that the checkpoint does not hold; they were left as they are.
    `unexpected`: keys of the checkpoint that no variable asked for.
    `mismatched`: variables whose dtype or shape differs, with the reason; they were left as they are.
    """

    prefix: str
    restored: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, prefix: str, match: Match) -> RestoreReport:
        """The report of a match whose bindings were restored."""
        left = {wish.name for wish in match.missing} | {m.wanted.name for m in match.mismatched}
        restored = {binding.wanted.name for binding in match.bindings if binding} - left
        return cls(
            prefix=prefix,
            restored=tuple(sorted(restored)),
            missing=tuple(sorted({wish.name for wish in match.missing})),
            unexpected=match.unexpected,
            mismatched=tuple(sorted({m.wanted.name: m.reason for m in match.mismatched}.items())),
        )

    @classmethod
    def empty(cls, prefix: str) -> RestoreReport:
        """The report of a Saver without variables."""
        return cls(prefix=prefix, restored=(), missing=(), unexpected=(), mismatched=())

    def __str__(self) -> str:
        counts = (
            f"{len(self.restored)} restored, {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected, {len(self.mismatched)} mismatched"
        )
        lines = [f"{self.prefix}: {counts}"]
        lines += [f"  missing from the checkpoint: {name}" for name in self.missing]
        lines += [f"  mismatched: {name}: {reason}" for name, reason in self.mismatched]
        lines += [f"  unexpected in the checkpoint: {key}" for key in self.unexpected]
        return "\n".join(map(printable, lines))
