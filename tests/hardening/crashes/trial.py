"""One trial from end to end: files laid, a run that something happens to, what holds then, a second run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration.errors import MigrationError
from migration.storage import sweep
from tests.hardening.crashes import aftermath, children
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.scenes import Prepared, RowsFailed, Scene
from tests.hardening.crashes.seam import Call, Seam

UNTRUE = "nothing was left behind"
ADVICE = ("ENOSPC", "EIO", "EACCES")


@dataclass(frozen=True)
class Bench:
    """Where trials of one scene are made, one after the other."""

    prepared: Prepared
    folder: Path
    report: Path

    @classmethod
    def of(cls, prepared: Prepared, root: Path) -> Bench:
        """A bench under `root`."""
        root.mkdir(parents=True, exist_ok=True)
        return cls(prepared, root / "trial", root / "report")

    @property
    def scene(self) -> Scene:
        """What is migrated, and how."""
        return self.prepared.scene

    def try_fault(self, at: int, kind: str) -> Ended:
        """One run whose `at`-th call fails as `kind` says. Raises Broken where a promise does not hold."""

        def act() -> dict[str, Any]:
            seam = Seam(at, kind)
            seam.install()
            try:
                self.scene.act(self.folder)
            finally:
                told = seam.log[at - 1].name if len(seam.log) >= at else ""
            return {"calls": seam.count, "at": told}

        return self.try_run(lambda: children.run(act, self.report), must_succeed=kind == "short")

    def calls(self) -> list[Call]:
        """The calls of a run that nothing happens to."""
        self.prepared.lay(self.folder)

        def act() -> dict[str, Any]:
            seam = Seam()
            seam.install()
            self.scene.act(self.folder)
            return {"log": [[call.name, *call.paths] for call in seam.log]}

        ended = children.run(act, self.report)
        if ended.how != "done":
            raise Broken(f"a run without a fault: {ended.text}")
        return [Call(name, tuple(paths)) for name, *paths in ended.more["log"]]

    def try_run(self, run: Callable[[], Ended], *, must_succeed: bool = False) -> Ended:
        """Lay the files, let `run` happen to them, and hold what it leaves against the promises."""
        self.prepared.lay(self.folder)
        source = aftermath.picture(self.folder / "old")
        ended = run()
        if ended.how == "escaped":
            raise Broken(f"an error that is no MigrationError: {ended.text}")
        aftermath.check_source(source, self.folder / "old")
        states = self.states()
        self._check_told(ended, states, must_succeed)
        self._clear(states)
        self.second_run(states)
        aftermath.check_source(source, self.folder / "old")
        return ended

    def states(self) -> dict[str, str]:
        """What lies at each target. Raises Broken where that is neither old nor new nor, rightly, nothing."""
        return {
            name: aftermath.state_of(
                self.folder / "new" / name, self.prepared.old.get(name), self.prepared.new[name]
            )
            for name in self.scene.names
        }

    def _check_told(self, ended: Ended, states: dict[str, str], must_succeed: bool) -> None:
        """What the run said must be true of what it left."""
        if must_succeed and ended.how != "done":
            raise Broken(f"it should have succeeded: {ended.text}")
        if ended.how == "done":
            if set(states.values()) != {"new"}:
                raise Broken(f"it said that it was done, and left {states}")
            aftermath.check_shards_whole(self.folder / "new")
        if ended.how == "told" and UNTRUE in ended.text and not self.scene.directory:
            left = aftermath.strays(self.folder / "new")
            if left:
                raise Broken(f"it said {UNTRUE!r}, and left {left}")
            if states != dict.fromkeys(states, "old" if self.scene.old else "absent"):
                raise Broken(f"it said {UNTRUE!r}, and left {states}")

    def _clear(self, states: dict[str, str]) -> None:
        """What the next run does first: clearing what is left changes nothing for a reader."""
        for name in self.scene.names:
            sweep(str(self.folder / "new"), name)
        if self.states() != states:
            raise Broken(f"what was left was cleared, and made {self.states()} of {states}")
        left = aftermath.strays(self.folder / "new")
        if left and not self.scene.directory:  # of a directory, the state file is a target, too
            raise Broken(f"what was left was not cleared: {left}")

    def second_run(self, states: dict[str, str]) -> None:
        """The same command again: it succeeds, or says that all was done, and leaves no stray behind."""
        try:
            self.scene.act(self.folder)
        except (MigrationError, RowsFailed) as error:
            if not (aftermath.is_already_there(error) and set(states.values()) == {"new"}):
                raise Broken(f"the second run, after {states}: {error}") from error
        if set(self.states().values()) != {"new"}:
            raise Broken(f"the second run left {self.states()}")
        left = aftermath.strays(self.folder / "new")
        if left:
            raise Broken(f"the second run did not clear {left}")
        aftermath.check_shards_whole(self.folder / "new")
        if self.scene.directory:
            aftermath.check_state_file(self.folder / "new", self.scene.names)
