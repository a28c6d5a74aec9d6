"""The campaign: who runs which inputs for how long, and what came of it.

Each execution has to end in a value that keeps its reader's promises or in a MigrationError, within 2 s of
CPU and 512 MB of address space above what its process starts with. Executions run in processes of their own,
so that a crash, a kill or a hang is a finding; the input they died on is kept in a file that they map.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.fuzzing.fleet import Crew, place_for_files, together
from tests.hardening.fuzzing.targets import targets_of
from tests.hardening.fuzzing.watch import MEGABYTES, SECONDS, largest_megabytes

_TO_END = 1.5  # seconds for the last inputs, and for processes to end
_GUIDED_SHARE = 0.45  # of the time
_SHORT_GUIDED = 2  # targets in a short run: each needs seconds to be instrumented
_FIRST_GUIDED = 7  # with seed 0: the graph and the SavedModel, which have the most code
_MOST_DIGITS = 600
_PACKAGE = "tests.hardening.fuzzing"


def fuzz(budget: Budget, module: str, *, guided: bool) -> Outcome:
    """As many executions as the budget allows over a module's targets; `guided` needs atheris."""
    record = Record("fuzzing", budget)
    at_once = min(2, os.cpu_count() or 1)
    with place_for_files() as folder:
        seconds = record.left() * (1 - _GUIDED_SHARE if guided else 1) - _TO_END
        mutated = _mutate(budget, module, Path(folder), seconds, at_once)
        led = _guide(budget, module, Path(folder), record.left() - _TO_END, at_once) if guided else []
        _tell(record, mutated, f"seed {budget.seed}, ")
        _tell(record, led, "")
        record.notes.append(_shares(mutated, led))
        if lost := sum(crew.lost for crew in (*mutated, *led)):
            record.notes.append(f"{lost} processes ended between two inputs and were started again")
    record.notes.append(
        f"each execution had {SECONDS:g} s of CPU and {MEGABYTES} MB above its process's start; "
        f"the largest process had {largest_megabytes()} MB in all"
    )
    return record.outcome()


def _shares(mutated: list[Crew], led: list[Crew]) -> str:
    """How many executions came from where, and how many inputs were read in spite of all."""
    counts = [sum(crew.executions() for crew in crews) for crews in (mutated, led)]
    values = sum(crew.values() for crew in (*mutated, *led))
    return (
        f"{counts[0]:,} executions mutated by structure, {counts[1]:,} led by coverage; "
        f"{values:,} gave a value, the others were refused"
    )


def _mutate(budget: Budget, module: str, folder: Path, seconds: float, at_once: int) -> list[Crew]:
    """Mutation by structure: each process takes every reader in turn, and its own numbers of cases."""
    crews = [_crew(folder, f"mutated-{first}", module) for first in range(at_once)]
    given = {"targets": module, "seed": budget.seed, "step": at_once}
    together(
        [
            partial(crew.work, [f"{_PACKAGE}.worker", *_flags(given), f"--first={first}"], seconds)
            for first, crew in enumerate(crews)
        ],
        at_once,
    )
    return crews


def _guide(budget: Budget, module: str, folder: Path, seconds: float, at_once: int) -> list[Crew]:
    """Led by coverage: a process for each reader; in a short run for a few, others with another seed."""
    every = range(len(targets_of(module)))
    few = [
        every[(budget.seed * _SHORT_GUIDED + at + _FIRST_GUIDED) % len(every)] for at in range(_SHORT_GUIDED)
    ]
    crews = {at: _crew(folder, f"guided-{at}", module) for at in (every if budget.is_long else few)}
    given = {"targets": module, "seed": budget.seed}
    each = min(seconds * at_once / len(crews), seconds)

    def task(at: int, crew: Crew) -> Callable[[], None]:
        own = [f"--at={at}", f"--corpus={crew.folder / 'corpus'}"]
        return partial(crew.work, [f"{_PACKAGE}.guided", *_flags(given), *own], each)

    together([task(at, crew) for at, crew in crews.items()], at_once)
    return list(crews.values())


def _crew(folder: Path, name: str, module: str) -> Crew:
    (folder / name).mkdir()
    return Crew(folder=folder / name, targets=targets_of(module))


def _flags(given: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in given.items()]


def _tell(record: Record, crews: list[Crew], source: str) -> None:
    """Counts, findings (once for each place) and failures into the record."""
    for crew in crews:
        for at, target in enumerate(crew.targets):
            if count := crew.watch.counts(at)[0]:
                record.tried[target.name] += count
        for log in crew.failed:
            record.found("a process that runs inputs", f"did not start: {log}")
    for seen, number, raw in _findings(crews):
        record.found(f"{source and f'case {number} of {source}'}{_shown(raw)}", seen)


def _findings(crews: list[Crew]) -> list[tuple[str, int, bytes]]:
    """What was seen, in which case, on which bytes: the shortest for each place."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for crew in crews:
        for line in crew.results.all():
            one = f"{line['target']}: {line['seen']}", int(line["number"]), bytes.fromhex(line["raw"])
            found[line["signature"]] = min(found.get(line["signature"], one), one, key=_size)
        for fatal in crew.fatal:
            one = f"{fatal.target}: {fatal.seen}", fatal.number, fatal.raw
            found[one[0]] = min(found.get(one[0], one), one, key=_size)
    return list(found.values())


def _size(one: tuple[str, int, bytes]) -> int:
    return len(one[2])


def _shown(raw: bytes) -> str:
    """An input as hexadecimal digits; of a long one the beginning."""
    digits = raw.hex()
    return f"{len(raw)} bytes {digits[:_MOST_DIGITS]}{'...' if len(digits) > _MOST_DIGITS else ''}"
