"""What the campaigns tried and found, as a table for people; the same text goes into BUILD.md."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.hardening.campaign import Outcome


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the table, then each finding and note on a line of its own."""
    console = Console(highlight=False)
    table = Table("campaign", "tried", "times", "found", "seconds")
    for outcome in outcomes:
        for number, (kind, times) in enumerate(outcome.tried.items()):
            first = number == 0
            table.add_row(
                outcome.campaign if first else "",
                escape(kind),
                f"{times:,}",
                str(len(outcome.findings)) if first else "",
                f"{outcome.seconds:.0f}" if first else "",
            )
    console.print(table)
    for outcome in outcomes:
        for note in outcome.notes:
            console.print(f"{outcome.campaign}: {note}", markup=False)
        for finding in outcome.findings:
            seen = ascii(finding.seen)
            console.print(f"FOUND by {outcome.campaign} in {finding.case}: {seen}", markup=False)
    tried = sum(sum(outcome.tried.values()) for outcome in outcomes)
    found = sum(len(outcome.findings) for outcome in outcomes)
    console.print(f"{tried:,} trials, {found} findings")
