"""A tool run in this process, as its command runs it."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

NAMES = {
    "ckpt-inspect": "inspect_checkpoint",
    "ckpt-migrate": "migrate_checkpoint",
    "ckpt-verify": "verify_migration",
    "ckpt-plan": "plan_migration",
    "ckpt-diff": "diff_checkpoints",
    "ckpt-doctor": "doctor",
}


@dataclass(frozen=True)
class Ran:
    """What a run left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)


class Tools:
    """Runs tools; the arguments are taken as text."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys

    def __call__(self, name: str, *arguments: object) -> Ran:
        module = importlib.import_module(f"ckpt_tools.{NAMES[name]}")
        self._patch.setattr(sys, "argv", [name, *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            module.run()
        out, err = self._capsys.readouterr()
        return Ran(int(exit.value.code or 0), out, err)
