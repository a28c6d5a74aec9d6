"""What every campaign of the harness shares: a budget to keep to, findings, and an outcome to print."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a campaign may take: its size, seconds of wall time, and the seed of what is random."""

    name: str  # "short" or "long"
    seconds: float
    seed: int

    @property
    def is_long(self) -> bool:
        """Whether this is the run on demand, not the one of every change."""
        return self.name == "long"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One promise that did not hold: the case that makes it happen again, and what was seen."""

    case: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a campaign tried, how often each, what it found, and what a reader of the record should know."""

    campaign: str
    tried: Mapping[str, int]
    findings: tuple[Finding, ...]
    seconds: float
    notes: tuple[str, ...] = ()


class Campaign(Protocol):
    """A module or object that tries one kind of thing."""

    def __call__(self, budget: Budget) -> Outcome:
        """Try as much as the budget allows; findings are returned, never raised."""


@dataclass(slots=True)
class Record:
    """An outcome in the making."""

    campaign: str
    budget: Budget
    tried: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds of the budget that are not used yet."""
        return self.budget.seconds - (time.monotonic() - self.started)

    def found(self, case: str, seen: object) -> None:
        """Note that a promise did not hold."""
        self.findings.append(Finding(case=case, seen=str(seen)))

    @contextmanager
    def trial(self, kind: str, case: str) -> Iterator[None]:
        """Count one trial; whatever escapes from it is a finding."""
        self.tried[kind] += 1
        try:
            yield
        except Exception as error:
            self.found(case, f"{type(error).__name__}: {error}")

    def outcome(self) -> Outcome:
        """What there is to tell now."""
        return Outcome(
            campaign=self.campaign,
            tried=dict(self.tried),
            findings=tuple(self.findings),
            seconds=time.monotonic() - self.started,
            notes=tuple(self.notes),
        )
