"""The tools, run in this process as their commands run them."""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

TOOLS = {
    "inspect": "inspect_checkpoint",
    "migrate": "migrate_checkpoint",
    "verify": "verify_migration",
    "plan": "plan_migration",
    "diff": "diff_checkpoints",
    "doctor": "doctor",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a tool left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document of printable ASCII."""
        if not self.out.replace("\n", "").isprintable() or not self.out.isascii():
            raise ValueError("the JSON document is no printable ASCII")
        return json.loads(self.out)


class _Stream(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        raw = self.buffer.getvalue()  # type: ignore[attr-defined]
        return str(raw.decode("utf-8"))


def run(tool: str, *arguments: str, terminal: bool = False) -> Ran:
    """Run a tool; `terminal` lets standard output look like one."""
    module = importlib.import_module(f"ckpt_tools.{TOOLS[tool]}")
    with _captured(terminal) as (out, err), mock.patch.object(sys, "argv", [f"ckpt-{tool}", *arguments]):
        try:
            module.run()
            status = 0
        except SystemExit as exit:
            status = exit.code if isinstance(exit.code, int) else 1
    return Ran(status, out.text(), err.text())


@contextmanager
def _captured(terminal: bool) -> Iterator[tuple[_Stream, _Stream]]:
    out, err = _Stream(terminal), _Stream(False)
    with mock.patch.object(sys, "stdout", out), mock.patch.object(sys, "stderr", err):
        yield out, err
