"""Many threads on shared checkpoints, readers of a target written anew, and several runs to one target."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.threads.overwriting import overwrite
from tests.hardening.threads.same_target import collide
from tests.hardening.threads.sharing import share

__all__ = ["run"]


def run(budget: Budget) -> Outcome:
    """Half of the time for sharing, a third for overwriting, the rest for collisions."""
    record = Record("threads", budget)
    with tempfile.TemporaryDirectory(prefix="ckpt-threads-") as folder, often_switching():
        for name, part, campaign in (
            ("sharing", 0.45, share),
            ("overwriting", 0.35, overwrite),
            ("colliding", 0.15, collide),
        ):
            own = Path(folder) / name
            own.mkdir()
            campaign(own, record, part * budget.seconds)
    return record.outcome()


@contextmanager
def often_switching() -> Iterator[None]:
    """Python gives every thread a millionth of a second at a time, so that what can be torn apart is."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
