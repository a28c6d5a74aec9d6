"""A process that reads what atheris thinks of, led by coverage; `fleet.py` starts it.

libFuzzer ends the process itself, so all that it is to tell stands in the watch and in the results.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["migration"]):
    from tests.hardening.fuzzing.attempt import Trier
    from tests.hardening.fuzzing.targets import Target, targets_of
    from tests.hardening.fuzzing.watch import Results, Watch, set_limits

_MOST_BYTES = 1 << 17


def main() -> None:
    """One target, from a folder of its seeds."""
    parser = argparse.ArgumentParser()
    for name in ("--targets", "--watch", "--results", "--corpus"):
        parser.add_argument(name, required=True)
    for name in ("--seed", "--at"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--until", type=float, required=True)
    given = parser.parse_args()
    targets = targets_of(given.targets)
    target = targets[given.at]
    corpus = Path(given.corpus)
    corpus.mkdir(exist_ok=True)
    for number, raw in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(raw)
    trier = Trier(targets, Watch(Path(given.watch)), Results(Path(given.results)))
    flags = {
        "max_total_time": max(int(given.until - time.time()), 1),
        "seed": given.seed + 1,  # 0 would be any
        "max_len": _MOST_BYTES,
        "rss_limit_mb": 0,  # the limit of the address space holds
        "timeout": 600,  # the clock of the watch is the one that ends an execution
        "verbosity": 0,
    }
    argv = [sys.argv[0], *(f"-{name}={value}" for name, value in flags.items()), str(corpus)]
    atheris.Setup(argv, lambda raw: trier.run(given.at, 0, raw), custom_mutator=_mutator(target))
    set_limits()
    atheris.Fuzz()


def _mutator(target: Target):  # type: ignore[no-untyped-def]
    """Half of what is tried keeps the structure of its kind, half is libFuzzer's own."""

    def mutate(raw: bytes, most: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(raw, most))
        try:
            return target.mutate(rng, raw)[:most]
        except MemoryError:  # it has the limit of the readers
            return raw[:most]

    return mutate


if __name__ == "__main__":
    main()
