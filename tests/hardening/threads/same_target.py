"""Threads that write one target at one moment: one of them wins, the others are told, nothing is mixed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import MigrationError, TargetError
from migration.planning.planner import make_plan
from migration.verify import verify
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.threads.reader import generation

THREADS = 3


def collide(folder: Path, record: Record, seconds: float) -> None:
    """Let threads run into each other at fresh targets and at targets that are there."""
    sources = [
        Checkpoint.open(write_bundle(folder / f"source-{number}", generation(number), num_shards=1 + number))
        for number in range(THREADS)
    ]
    end = time.monotonic() + seconds
    outcomes: Counter[str] = Counter()
    number = 0
    while time.monotonic() < end or number < 4:
        own = folder / f"attempt-{number // 2}"  # every second attempt finds a target
        case = f"attempt {number}"
        with record.trial("threads that write one target at once", case):
            results = race(
                lambda source, own=own, number=number: execute(  # type: ignore[misc]
                    make_plan(source), source, own / "ckpt", overwrite=number % 2 > 0
                ),
                sources,
            )
            outcomes += judged(results, sources, own, record, case)
        number += 1
    told = ", ".join(f"{times} {outcome}" for outcome, times in outcomes.items())
    record.notes.append(f"of {THREADS * number} threads that wrote one target with others, {told}")


Result = BaseException | None


def race(act: Callable[[Checkpoint], object], sources: list[Checkpoint]) -> list[Result]:
    """The error of each thread, or None."""
    ready = threading.Barrier(len(sources))
    results: list[Result] = [None] * len(sources)

    def work(number: int) -> None:
        ready.wait()
        try:
            act(sources[number])
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def judged(
    results: list[Result], sources: list[Checkpoint], own: Path, record: Record, case: str
) -> Counter[str]:
    """How many wrote and how many were told; anything else is a finding."""
    outcomes: Counter[str] = Counter()
    for error in results:
        if error is None:
            outcomes["wrote it"] += 1
        elif isinstance(error, TargetError):
            outcomes["were told that another is there"] += 1
        else:
            record.found(case, f"{type(error).__name__}: {error}")
    winners = [source for source, error in zip(sources, results, strict=True) if error is None]
    if not any(_is_of(own / "ckpt", source) for source in winners):
        record.found(case, f"the target is none of {len(winners)} threads' that wrote it")
    hidden = [path.name for path in own.iterdir() if path.name.startswith(".")]
    if hidden:
        record.found(case, f"left behind: {hidden}")
    return outcomes


def _is_of(prefix: Path, source: Checkpoint) -> bool:
    try:
        return verify(source, Checkpoint.open(prefix), make_plan(source)).is_complete
    except MigrationError:
        return False
