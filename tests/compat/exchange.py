"""`python -m tests.compat.exchange`: each TensorFlow writes, each reads all of it; a table of what held.

The installations are those that tox made (.tox/tf*/bin/python), or --pythons.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.compat.facts import Facts

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 3600  # for one process; on an idle machine it takes a minute or two


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one installation made of what another wrote."""

    held: Counter[str]
    failed: tuple[str, ...]
    beyond: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.failed)} FAILED" if self.failed else str(self.held.total())


Matrix = dict[tuple[str, str], Cell]


def run(python: str, module: str, *arguments: str) -> None:
    """Run a module of this folder under that Python. Raises RuntimeError with what it printed last."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python, "-m", f"tests.compat.{module}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{python}, {module}: {done.stderr[-3000:]}")


def exchange(pythons: Sequence[str], scratch: Path) -> tuple[dict[str, dict[str, str]], Matrix]:
    """What was installed where, by TensorFlow's version, and the cell of each (writer, reader)."""
    folders = {}
    for number, python in enumerate(pythons):
        folder = scratch / f"written-{number}"
        folder.mkdir()
        run(python, "writing", str(folder))
        folders[folder] = Facts.load(folder).versions
    names = {str(folder): versions["tensorflow"] for folder, versions in folders.items()}
    matrix = {}
    for reader, python in zip(names.values(), pythons, strict=True):
        result = scratch / "result.json"
        run(python, "reading", str(result), *names)
        for folder, found in json.loads(result.read_text()).items():
            matrix[names[folder], reader] = Cell(
                held=Counter(found["held"]), failed=tuple(found["failed"]), beyond=tuple(found["beyond"])
            )
    return {versions["tensorflow"]: versions for versions in folders.values()}, matrix


def table(rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *rest = [[str(each) for each in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rest])


def report(installed: dict[str, dict[str, str]], matrix: Matrix) -> str:
    """The installations, the matrix, the checks by kind, and what failed or could not be asked."""
    packages = list(next(iter(installed.values())))
    kinds: Counter[str] = sum((cell.held for cell in matrix.values()), Counter())
    parts = [
        table([packages, *([versions[each] for each in packages] for versions in installed.values())]),
        table(
            [
                ["written by", *(f"read by {reader}" for reader in installed)],
                *([writer, *(matrix[writer, reader] for reader in installed)] for writer in installed),
            ]
        ),
        table([["check", "held"], *kinds.items()]),
    ]
    told = {
        "failed": {(each, key) for key, cell in matrix.items() for each in cell.failed},
        "cannot be asked": {(each, key) for key, cell in matrix.items() for each in cell.beyond},
    }
    for kind, found in told.items():
        lines = sorted(f"{writer} in {reader}: {kind}: {text}" for text, (writer, reader) in found)
        parts.append("\n".join(lines))
    return "\n\n".join(filter(None, parts))


def main(arguments: Sequence[str]) -> int:
    """Run it all; 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.compat.exchange", description=__doc__)
    made = sorted(map(str, (ROOT / ".tox").glob("tf*/bin/python")))
    parser.add_argument(
        "--pythons", nargs="+", default=made, help="interpreters with TensorFlow and this project"
    )
    chosen = parser.parse_args(arguments)
    if not chosen.pythons:
        parser.error("no .tox/tf*/bin/python: run `tox run -e tf214,tf221 --notest` first, or give --pythons")
    with tempfile.TemporaryDirectory() as scratch:
        installed, matrix = exchange(chosen.pythons, Path(scratch))
    print(report(installed, matrix))
    return int(any(cell.failed for cell in matrix.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
