"""Every reader, fed with what is almost sound: mutated by structure, and led by coverage if atheris is there.

Nothing of the product is imported here: atheris has to see those modules as the first that imports them.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace

from tests.hardening.campaign import Budget, Outcome


def run(budget: Budget) -> Outcome:
    """As many executions as the budget allows, over every reader."""
    from tests.hardening.fuzzing.fuzz import fuzz

    guided = importlib.util.find_spec("atheris") is not None
    outcome = fuzz(budget, "tests.hardening.fuzzing.targets", guided=guided)
    if guided:
        return outcome
    note = "atheris is not installed: mutation by structure took its share"
    return replace(outcome, notes=(*outcome.notes, note))
