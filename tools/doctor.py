"""Says what a path is (a checkpoint of either format and style, a directory, a SavedModel, or no
checkpoint at all), what is wrong with it, and what mends it.

No TensorFlow is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags
from ckpt_tools import tables, terminal

if TYPE_CHECKING:
    from migration.doctor import Diagnosis

FLAGS = flags.FlagValues()
_DATA = flags.DEFINE_bool(
    "data", True, "Read every tensor: checksums, NaN and infinite values.", flag_values=FLAGS
)
_FIX = flags.DEFINE_bool(
    "fix",
    False,
    "Repair what can be repaired without losing anything; the old file is kept.",
    flag_values=FLAGS,
)
_FORMAT = flags.DEFINE_enum("format", "table", ["table", "json"], "How to print.", flag_values=FLAGS)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    diagnosis = _examined(arguments[0], _DATA.value)
    done: tuple[str, ...] = ()
    if _FIX.value and any(finding.fixable for finding in diagnosis.findings):
        from migration.doctor import mend

        done = mend(diagnosis)
        diagnosis = _examined(arguments[0], _DATA.value)
    if _FORMAT.value == "json":
        tables.write_json(document(diagnosis, done))
    else:
        _print(diagnosis, done)
    return terminal.Status.DONE if diagnosis.is_healthy else terminal.Status.DIFFERS


def _examined(path: str, data: bool) -> Diagnosis:
    from migration.doctor import examine

    with terminal.progress("reading") as progress:
        return examine(path, data=data, progress=progress)


def document(diagnosis: Diagnosis, done: Sequence[str]) -> dict[str, Any]:
    """The diagnosis for programs."""
    return {
        "path": diagnosis.path,
        "what": diagnosis.what,
        "healthy": diagnosis.is_healthy,
        "checkpoints": [{"prefix": prefix, "what": what} for prefix, what in diagnosis.checkpoints],
        "findings": [
            {
                "kind": finding.kind,
                "where": finding.where,
                "cause": finding.cause,
                "mend": finding.mend,
                "tensors": list(finding.tensors),
                "fixable": finding.fixable,
            }
            for finding in diagnosis.findings
        ],
        "fixed": list(done),
        "remarks": list(diagnosis.remarks),
    }


def _print(diagnosis: Diagnosis, done: Sequence[str]) -> None:
    terminal.say(f"{diagnosis.path}: {diagnosis.what}")
    for prefix, what in diagnosis.checkpoints:
        if what not in diagnosis.what:
            terminal.say(f"  {prefix}: {what}")
    for finding in diagnosis.findings:
        print()
        terminal.say(f"{finding.kind}: {finding.where}")
        terminal.say(f"  cause: {finding.cause}")
        terminal.say(f"  mend:  {finding.mend}")
    if diagnosis.is_healthy:
        print("healthy")
    for line in (*done, *diagnosis.remarks):
        terminal.note(f"note: {line}")


def run() -> None:
    """The command ckpt-doctor."""
    terminal.run(main, FLAGS, tool="doctor", arguments="PATH")


if __name__ == "__main__":
    run()
