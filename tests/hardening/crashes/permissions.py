"""Permissions that are lost between the plan and the run; where we are root, by somebody who is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migration.checked import write_and_verify
from migration.checkpoint import Checkpoint
from migration.planning.planner import make_plan
from tests.hardening.crashes import children
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.reads import DEEDS
from tests.hardening.crashes.trial import Bench

NOBODY = 65534
# What loses which permissions: a path below the trial's folder, and the mode that is left.
LOSSES = {
    "a shard of the source": ("old/{name}.data-00000-of-00002", 0o000),
    "the index of the source": ("old/{name}.index", 0o000),
    "the directory of the source": ("old", 0o000),
    "the directory of the source, to be listed only": ("old", 0o444),
    "the directory of the target, to be read only": ("new", 0o555),
    "the directory of the target, to be entered only": ("new", 0o111),
    "the directory of the target": ("new", 0o000),
    "the folder above the target": (".", 0o555),
}


def try_loss(bench: Bench, loss: str) -> Ended:
    """The library plans, loses the permission, and runs. Raises Broken where a promise does not hold."""
    place, mode = LOSSES[loss]
    name, folder = bench.scene.names[0], bench.folder

    def act() -> None:
        source = Checkpoint.open(folder / "old" / name)
        plan = make_plan(source)
        os.chmod(folder / place.format(name=name), mode)
        become_nobody()
        write_and_verify(plan, source, os.fspath(folder / "new" / name), bench.scene.writing)

    def run() -> Ended:
        _prepare(bench, loss)
        ended = children.run(act, bench.report)
        _give_back(folder, bench.prepared.pattern)
        return ended

    return bench.try_run(run)


def try_tool(bench: Bench, loss: str) -> Ended:
    """The tool meets what was lost from its start on: one clear text, exit status 1, no traceback."""
    place, mode = LOSSES[loss]
    name, folder = bench.scene.names[0], bench.folder

    def act() -> None:
        os.chmod(folder / place.format(name=name), mode)
        become_nobody()
        DEEDS["ckpt-migrate to new"](folder, name)

    def run() -> Ended:
        _prepare(bench, loss)
        ended = children.run(act, bench.report)
        _give_back(folder, bench.prepared.pattern)
        if "Traceback" in ended.text or (ended.how == "told" and not ended.text.startswith("ckpt-migrate: ")):
            raise Broken(f"the tool said: {ended.text}")
        return ended

    return bench.try_run(run)


def _prepare(bench: Bench, loss: str) -> None:
    """Everything belongs to who will run; a target's directory that is to lose something is there."""
    if LOSSES[loss][0] == "new":
        (bench.folder / "new").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        for path in (bench.folder, *bench.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def become_nobody() -> None:
    """No permission is root's to have any more. Only in a child: there is no way back."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _give_back(folder: Path, pattern: Path) -> None:
    """The modes that the files had."""
    os.chmod(folder, 0o755)
    for path in sorted(pattern.rglob("*")):
        place = folder / path.relative_to(pattern)
        if os.path.lexists(place):
            shutil.copymode(path, place)
    if (folder / "new").exists():
        os.chmod(folder / "new", 0o755)


Way = Callable[[Bench, str], Any]
WAYS: dict[str, Way] = {"the library": try_loss, "ckpt-migrate": try_tool}
