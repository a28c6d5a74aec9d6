"""The resume matrix as a table: `python -m tests.optimizers.table` prints it for BUILD.md."""

from __future__ import annotations

import tempfile
from pathlib import Path

from migration import Checkpoint, execute, make_plan
from tests.optimizers.programs import SOURCES, TARGETS, Graph, Target, batches, difference

BEFORE, AFTER, AGAIN = 7, 10, 5


def cell(name: str, flavour: str, folder: Path) -> tuple[float, float]:
    """(forth, back): the largest relative difference of any weight after any of ten steps in the target, and
    after any of five steps of the TF1 program that took its state back."""
    program, make = Graph(SOURCES[name]), TARGETS[flavour][name]
    program.run(batches(BEFORE))
    prefix = program.save(str(folder / "model"))
    data = batches(AFTER + AGAIN, seed=2)
    expected = program.run(data)
    template = str(Target(flavour, make).checkpoint.write(str(folder / "template")))
    migrated = str(folder / "migrated")
    execute(
        make_plan(prefix, template), Checkpoint.open(prefix), migrated, template=Checkpoint.open(template)
    )
    target = Target(flavour, make)
    target.checkpoint.restore(migrated).assert_consumed()
    forth = [difference(*pair) for pair in zip(target.run(data[:AFTER]), expected[:AFTER], strict=True)]
    trained_on = str(target.checkpoint.write(str(folder / "on")))
    execute(make_plan(trained_on, prefix, to="name"), Checkpoint.open(trained_on), str(folder / "back"))
    program.restore(str(folder / "back"))
    back = [difference(*pair) for pair in zip(program.run(data[AFTER:]), expected[AFTER:], strict=True)]
    return max(forth), max(back)


def main() -> None:
    print("| source | " + " | ".join(TARGETS) + " |")
    print("|---" * (1 + len(TARGETS)) + "|")
    for name in SOURCES:
        row = []
        for flavour in TARGETS:
            with tempfile.TemporaryDirectory() as folder:
                forth, back = cell(name, flavour, Path(folder))
            row.append(f"{forth:.0e}, {back:.0e}")
        print(f"| {name} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
