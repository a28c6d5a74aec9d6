"""A process for one trial: forked from this warm one, so that thousands are cheap."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migration.errors import MigrationError
from tests.hardening.crashes.scenes import RowsFailed

PATIENCE = 120.0  # seconds; a trial takes a fraction of one


@dataclass(frozen=True)
class Ended:
    """How a child ended: "done", "told" (a MigrationError), "killed", or "escaped" (any other error)."""

    how: str
    text: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def start(act: Callable[[], dict[str, Any] | None], report: Path) -> int:
    """Fork a child that does `act` and writes down how it ended; returns its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    leave = os._exit  # before a fault takes its place
    try:
        write = _writer(report)
        try:
            write("done", "", act() or {})
        except (MigrationError, RowsFailed) as error:
            write("told", str(error), {"kind": type(error).__name__})
        except BaseException:
            write("escaped", traceback.format_exc(), {})
    finally:
        leave(0)
    raise AssertionError("unreachable")


def _writer(report: Path) -> Callable[[str, str, dict[str, Any]], None]:
    """How to report: with functions that no fault will replace, and rights that may be lost later."""
    written = os.write
    descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def write(how: str, text: str, more: dict[str, Any]) -> None:
        raw = json.dumps([how, text, more]).encode()
        while raw:
            raw = raw[written(descriptor, raw) :]

    return write


def end(child: int, report: Path) -> Ended:
    """Wait for the child."""
    deadline = time.monotonic() + PATIENCE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Ended("escaped", f"did not end within {PATIENCE:.0f} seconds")
        time.sleep(0.0005)
    if os.WIFSIGNALED(status):
        return Ended("killed", signal.Signals(os.WTERMSIG(status)).name)
    how, text, more = json.loads(report.read_bytes())
    return Ended(how, text, more)


def run(act: Callable[[], dict[str, Any] | None], report: Path) -> Ended:
    """Do `act` in a child and wait for it."""
    report.unlink(missing_ok=True)
    return end(start(act, report), report)
