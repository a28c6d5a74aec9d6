"""Disks that fail while they are read: each call that reads fails once, in all that the package does."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from migration.checkpoint import Checkpoint
from migration.errors import MigrationError
from migration.planning.plan_file import read_plan, write_plan
from migration.planning.planner import make_plan
from migration.verify import verify
from tests.hardening.crashes import aftermath, children
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.scenes import Prepared, Scene
from tests.hardening.crashes.seam import READING, Seam

WATCHED = (*READING, "open")
UNCONFIRMED = "was written, but the disk does not confirm it"
Deed = Callable[[Path, str], object]


def _tool(module: str, *flags: str) -> Deed:
    def run(folder: Path, name: str) -> object:
        import importlib

        values = {"old": f"{folder}/old/{name}", "new": f"{folder}/new/{name}", "out": f"{folder}/out/{name}"}
        sys.argv = [module, *(flag.format(**values) for flag in flags)]
        out, err = io.StringIO(), io.StringIO()
        status = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                importlib.import_module(f"ckpt_tools.{module}").run()
            except SystemExit as error:
                status = int(error.code or 0)
        if status not in (0, 1, 2, 3):
            raise Broken(f"exit status {status}: {err.getvalue()}")
        if status:
            raise MigrationError(err.getvalue() or "it said nothing")
        return out.getvalue()

    return run


def _read_all(folder: Path, name: str) -> object:
    return aftermath.contents(folder / "old" / name)


def _plan(folder: Path, name: str) -> object:
    plan = make_plan(Checkpoint.open(folder / "old" / name))
    write_plan(plan, folder / "out.toml")
    return read_plan(folder / "out.toml").steps


def _verify(folder: Path, name: str) -> object:
    report = verify(folder / "old" / name, folder / "new" / name)
    if not report.is_complete:  # what was read wrongly, and told
        raise MigrationError(str([row.detail for row in report.failures]))
    return True


DEEDS: dict[str, Deed] = {
    "open and read": _read_all,
    "plan": _plan,
    "verify": _verify,
    "ckpt-inspect": _tool("inspect_checkpoint", "--checkpoint={old}", "--values"),
    "ckpt-verify": _tool("verify_migration", "--checkpoint={old}", "--migrated={new}"),
    "ckpt-diff": _tool("diff_checkpoints", "{old}", "{old}"),
    "ckpt-doctor": _tool("doctor", "{old}"),
    "ckpt-migrate": _tool("migrate_checkpoint", "--checkpoint={old}", "--output={out}"),
    "ckpt-migrate to new": _tool("migrate_checkpoint", "--checkpoint={old}", "--output={new}", "--overwrite"),
    "ckpt-migrate --data=link": _tool(
        "migrate_checkpoint", "--checkpoint={old}", "--output={out}", "--data=link"
    ),
}


class Reader:
    """A checkpoint and its migrated copy, to be read by a disk that fails."""

    def __init__(self, root: Path) -> None:
        from migration.checked import Writing

        scene = Scene(name="read", writing=Writing())
        self._prepared = Prepared.of(scene, root / "laid")
        self._name = scene.names[0]
        self._folder, self._report = root / "reading", root / "report"
        self._prepared.lay(self._folder)
        scene.act(self._folder)
        self._source = aftermath.picture(self._folder / "old")

    def calls(self, deed: str) -> int:
        """How many calls that read it makes when nothing fails."""
        ended = self._run(deed, 0, "")
        if ended.how != "done":
            raise Broken(f"{deed} without a fault: {ended.text}")
        return int(ended.more["calls"])

    def try_fault(self, deed: str, at: int, kind: str) -> None:
        """The `at`-th call fails, or reads less than asked. Raises Broken unless that is told or harmless."""
        ended = self._run(deed, at, kind)
        if ended.how not in ("done", "told") or (kind == "short" and ended.how != "done"):
            raise Broken(f"{ended.how}: {ended.text}")
        aftermath.check_source(self._source, self._folder / "old")
        out = self._folder / "out"
        if ended.how == "done" and out.exists() and aftermath.contents(out / self._name) != self._wanted:
            raise Broken("the result is not what the source holds")
        if UNCONFIRMED in ended.text and aftermath.contents(out / self._name) == self._wanted:
            return  # the disk failed behind the commit, and that was said
        if ended.how == "told" and out.exists():
            raise Broken(f"it failed, and left {os.listdir(out)}")

    @property
    def _wanted(self) -> aftermath.Contents:
        return self._prepared.new[self._name]

    def _run(self, deed: str, at: int, kind: str) -> Ended:
        import shutil

        shutil.rmtree(self._folder / "out", ignore_errors=True)

        def act() -> dict[str, int]:
            seam = Seam(at, kind, watched=WATCHED, below=os.path.realpath(self._folder))
            seam.install()
            DEEDS[deed](self._folder, self._name)
            return {"calls": seam.count}

        return children.run(act, self._report)
