"""What the doctor has to say."""

from __future__ import annotations

from dataclasses import dataclass

MOST_NAMED = 5  # tensors that a cause lists before it counts the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: its kind (a stable word for programs), where, why, and what mends it.

    `tensors` are the keys that it touches. `fixable` says that `mend` repairs it without losing anything.
    """

    kind: str
    where: str
    cause: str
    mend: str
    tensors: tuple[str, ...] = ()
    fixable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`what` the path is, in words; what is wrong; and remarks that are no faults.

    `checkpoints` are the prefixes that were looked at, each with what it is in words.
    """

    path: str
    what: str
    checkpoints: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def listed(keys: tuple[str, ...] | list[str]) -> str:
    """The first few keys in words, and how many more there are."""
    rest = len(keys) - MOST_NAMED
    return ", ".join(keys[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
