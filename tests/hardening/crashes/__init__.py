"""Faults while a checkpoint is written: crashes, full disks, failing calls, rivals, a source that changes.

After each trial the source is byte for byte what it was; the target is what was there before or the whole
result, verified; a second run succeeds and leaves nothing else behind.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from tests.hardening.campaign import Budget, Outcome

__all__ = ["run"]


def run(budget: Budget) -> Outcome:
    """Try what the budget allows, in a fresh process: without threads, it may be forked at any time."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, budget).result()


def _run(budget: Budget) -> Outcome:
    from tests.hardening.crashes.parts import campaign

    return campaign(budget)
