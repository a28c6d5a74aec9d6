"""Runs the campaigns and prints what each tried and found; the exit status is 1 where anything was found."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from absl import app, flags

from tests.hardening.campaign import Budget, Campaign, Outcome
from tests.hardening.report import show

# What each may take, in seconds, in a short and in a long run.
CAMPAIGNS = {
    "crashes": (30.0, 1200.0),
    "fuzzing": (30.0, 2400.0),
    "flips": (15.0, 600.0),
    "names": (10.0, 120.0),
    "reach": (10.0, 60.0),
    "threads": (10.0, 300.0),
    "size": (15.0, 3600.0),
}

_BUDGET = flags.DEFINE_enum("budget", "short", ["short", "long"], "How much to try.")
_ONLY = flags.DEFINE_list("only", [], f"Run these campaigns alone; there are {', '.join(CAMPAIGNS)}.")
_SEED = flags.DEFINE_integer("seed", 0, "Where random choices start; the same seed tries the same.")


def campaign(name: str) -> Campaign:
    """The campaign of that name: `run` in the package of that name."""
    found: Campaign = importlib.import_module(f"tests.hardening.{name}").run
    return found


def budget_of(name: str) -> Budget:
    """What the flags give to that campaign."""
    short, long = CAMPAIGNS[name]
    seconds = long if _BUDGET.value == "long" else short
    return Budget(name=_BUDGET.value, seconds=seconds, seed=_SEED.value)


def main(argv: Sequence[str]) -> int:
    """Run what was asked for, one campaign after the other."""
    if len(argv) > 1 or not set(_ONLY.value) <= set(CAMPAIGNS):
        raise app.UsageError(f"--only takes {', '.join(CAMPAIGNS)}, and there are no arguments")
    outcomes: list[Outcome] = []
    for name in _ONLY.value or CAMPAIGNS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        outcomes.append(campaign(name)(budget_of(name)))
    show(outcomes)
    return 1 if any(outcome.findings for outcome in outcomes) else 0


if __name__ == "__main__":
    app.run(main)
