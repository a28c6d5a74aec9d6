"""The campaign itself, in next to no time: every kind of fault is tried, and nothing is found."""

from __future__ import annotations

import shutil

from tests.hardening.campaign import Budget
from tests.hardening.crashes import run
from tests.hardening.crashes.parts import PARTS

KINDS = (
    "order of calls against a power cut",
    "permission lost between plan and run",
    "reading call number N",
    "processes with one target",
    "source replaced",
    "a file may not grow",
    "SIGKILL of a process",
    "SIGKILL of ckpt-migrate",
    "call number N",
)


def test_every_kind_is_tried() -> None:
    outcome = run(Budget(name="short", seconds=1.0, seed=3))
    assert outcome.findings == ()
    assert outcome.tried["parts of the campaign"] == len(PARTS)
    for kind in KINDS:
        assert any(tried.startswith(kind) for tried in outcome.tried), kind
    if shutil.which("strace") is None:
        assert any("strace" in note for note in outcome.notes)
