"""A process that reads mutated inputs until its time is over; `fleet.py` starts it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.hardening.fuzzing.attempt import Trier
from tests.hardening.fuzzing.targets import Target, targets_of
from tests.hardening.fuzzing.watch import Results, Watch, set_limits

_TURN = 0.25  # seconds for one target before it is the next one's turn


def _case(target: Target, starts: list[bytes], seed: int, number: int) -> bytes:
    """That case; nothing where making it takes more memory than a reader may have."""
    try:
        return target.case(starts, seed, number)
    except MemoryError:
        return b""


def main() -> None:
    """All targets in turn; case `first + n * step` of each, from where the counts in the watch say."""
    parser = argparse.ArgumentParser()
    for name in ("--targets", "--watch", "--results"):
        parser.add_argument(name, required=True)
    for name in ("--seed", "--first", "--step"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--until", type=float, required=True)
    given = parser.parse_args()
    targets = targets_of(given.targets)
    starts = [list(target.seeds()) for target in targets]
    trier = Trier(targets, Watch(Path(given.watch)), Results(Path(given.results)))
    set_limits()
    ends = time.monotonic() + given.until - time.time()
    numbers = [given.first + given.step * trier.watch.counts(at)[0] for at in range(len(targets))]
    # After a death the one on whose input it was is the last to have its turn, lest it keeps all others out.
    first = trier.watch.last()[0] + 1 if any(number != given.first for number in numbers) else 0
    order = [(first + at) % len(targets) for at in range(len(targets))]
    while time.monotonic() < ends:
        for at in order:
            turn = min(time.monotonic() + _TURN, ends)
            while time.monotonic() < turn:
                raw = _case(targets[at], starts[at], given.seed, numbers[at])
                trier.run(at, numbers[at], raw)
                numbers[at] += given.step


if __name__ == "__main__":
    main()
