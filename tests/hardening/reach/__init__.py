"""Nothing that a checkpoint or a plan contains is run, or opened as a path outside of what was asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.reach import system_calls

ROOT = Path(__file__).parents[3]
LONGEST = 300.0  # seconds that the trials may take at the most, under strace on a busy machine


def run(budget: Budget) -> Outcome:
    """All trials under Python's audit hooks; in a long run under strace as well."""
    record = Record("reach", budget)
    _all(record, [sys.executable, "-m", "tests.hardening.reach.watched"], "tried under audit hooks")
    if budget.is_long and system_calls.strace():
        with tempfile.TemporaryDirectory(prefix="ckpt-reach-") as folder:
            _traced(record, Path(folder) / "trace")
    elif budget.is_long:
        record.notes.append("strace is not here: paths that are looked at, not opened, were not watched")
    return record.outcome()


def _all(record: Record, command: list[str], what: str) -> list[dict[str, object]]:
    """Runs the trials; returns what each told."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        record.found("the trials' process", f"exit {done.returncode}: {done.stderr[-1000:]}")
    for each in told:
        record.tried[f"hostile files {what}"] += 1
        for fault in each["faults"]:
            record.found(each["trial"], fault)
    events = sum(each["events"] for each in told)
    record.notes.append(f"{len(told)} trials {what}; {events:,} events of Python's seen")
    return told


def _traced(record: Record, trace: Path) -> None:
    command = system_calls.command(trace, [sys.executable, "-m", "tests.hardening.reach.watched"])
    told = _all(record, command, "tried under strace")
    may_look = {str(each["trial"]): each["look"] for each in told}
    for trial, fault in sorted(set(system_calls.faults_in(trace, may_look))):  # type: ignore[arg-type]
        record.found(trial, fault)
    with trace.open(encoding="utf-8", errors="replace") as file:
        record.notes.append(f"{sum(1 for _ in file):,} system calls with paths, processes or the net seen")
