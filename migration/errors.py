"""What can go wrong: one root, its kinds, and `Problem`, a fault as a value.

An error's text says what, where, and what to do. Faults that can be told together are collected as
`Problem`s and raised once. Names in a text are shown as `migration.printable` shows them, so that a log may
take any `str(error)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migration.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault: its kind (a stable word for programs), where it stands, and a sentence for people."""

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.message}" if self.where else self.message)


class MigrationError(Exception):
    """The root of every error that this package raises on purpose.

    `str` gives its text as one line that can be printed; `exact` gives it with names as they are.
    """

    def __str__(self) -> str:
        return printable(self.exact)

    @property
    def exact(self) -> str:
        """The text as it was put together, unprintable characters of names included."""
        return str(self.args[0]) if self.args else ""


class FormatError(MigrationError):
    """Bytes that are not what their format promises: truncated, corrupt, or of another format."""


class ReplacedError(FormatError):
    """A checkpoint that was opened, and whose files are others by now: opened again, it can be read."""


class CheckpointNotFoundError(MigrationError):
    """No checkpoint where one was looked for; the text names the nearest that exist."""


class MissingKeyError(MigrationError, KeyError):
    """A key that a checkpoint does not hold; the text names the nearest keys."""


class InputError(MigrationError):
    """An argument, a flag or a file of the user's that cannot be used as given."""


class TargetError(MigrationError):
    """A destination that cannot be written: it exists, is the source, or the disk refused."""


class ProblemsError(MigrationError):
    """Several faults, told at once. `problems` holds them."""

    def __init__(self, summary: str, problems: Iterable[Problem]) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__("\n".join([summary, *(f"  {problem}" for problem in self.problems)]))

    def __str__(self) -> str:
        return "\n".join([printable(self.summary), *(f"  {problem}" for problem in self.problems)])


class PlanError(ProblemsError):
    """A plan or a rule file that is wrong in itself, or does not fit its source or template."""


class UnmappedError(ProblemsError):
    """Something is left without a place on either side, or is undecided; nothing was written."""


class VerificationError(ProblemsError):
    """What was written is not what the plan says. The target was not committed or must not be used."""
