"""Where trials run: a folder, jobs in processes of their own, and what is expected of each."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hardening.campaign import Record
from tests.hardening.size.measured import Measured, measured

PATIENCE = 60.0  # seconds beyond the budget that a job may take: a busy machine is no finding


class UnexpectedError(Exception):
    """A result that is not what was promised."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A record to write into, and a folder to work in."""

    record: Record
    folder: Path

    def job(self, job: str, *, most_megabytes: float | None = None, **arguments: Any) -> Measured:
        """Run a job of the worker. Raises FailedError, and UnexpectedError where it held too much memory."""
        done = measured(job, seconds=max(self.record.left(), 0.0) + PATIENCE, **arguments)
        if most_megabytes is not None and done.megabytes > most_megabytes:
            raise UnexpectedError(f"{done.megabytes:.0f} MB at the peak, at most {most_megabytes:.0f}")
        return done

    def make(self, kind: str, name: str, **arguments: Any) -> str:
        """The prefix of a source of that kind, made in a process of its own."""
        folder = str(self.folder / name)
        return str(self.job("make", kind=kind, folder=folder, **arguments).told["prefix"])

    def out(self, name: str) -> str:
        """A prefix to write to."""
        return str(self.folder / name / "ckpt-7")

    def note(self, what: str, done: Measured) -> None:
        """Put what a job took on record."""
        self.record.notes.append(f"{what}: {done.seconds:.1f} s, {done.megabytes:.0f} MB at the peak")

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Remove all files once the trials inside are done."""
        try:
            yield
        finally:
            for each in self.folder.iterdir():
                shutil.rmtree(each, ignore_errors=True)


def expect(found: Any, wanted: Any, what: str) -> None:
    """Raises UnexpectedError unless both are equal."""
    if found != wanted:
        raise UnexpectedError(f"{what}: {found!r}, not {wanted!r}")


def expect_verified(told: Mapping[str, Any], **verdicts: int) -> None:
    """Raises UnexpectedError unless a report is complete and has these verdicts alone."""
    expect(told["complete"], True, "complete")
    expect(dict(told["verdicts"]), {name: count for name, count in verdicts.items() if count}, "verdicts")


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed."""
    return importlib.util.find_spec("tensorflow") is not None
