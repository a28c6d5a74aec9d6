"""Names that are hostile are carried exactly and shown safely, wherever a name can stand."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.flips.flipping import order
from tests.hardening.names import carried, shown
from tests.hardening.names.hostile import NAMES


def run(budget: Budget) -> Outcome:
    """Every place for all names at once, then name by name as long as the budget lasts."""
    record = Record("names", budget)
    with tempfile.TemporaryDirectory(prefix="ckpt-names-") as name:
        folder = Path(name)
        for part in (shown.all_at_once, shown.object_graphs, shown.graphs):
            (folder / part.__name__).mkdir()
            part(record, folder / part.__name__)
        _one_by_one(record, folder)
    return record.outcome()


def _one_by_one(record: Record, folder: Path) -> None:
    done = 0
    for number in order(len(NAMES), record.budget.seed):
        if record.left() < 0:
            break
        carried.trip(record, NAMES[number], folder / f"trip-{number}")
        (folder / f"files-{number}").mkdir()
        shown.file_names(record, NAMES[number], folder / f"files-{number}")
        (folder / f"texts-{number}").mkdir()
        shown.texts_of_users(record, NAMES[number], folder / f"texts-{number}")
        done += 1
    record.notes.append(f"{done} of {len(NAMES)} names by themselves, all of them together")
