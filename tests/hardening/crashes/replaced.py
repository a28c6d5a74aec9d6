"""The source replaced while it is migrated, at every step from opening it to the commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from migration.errors import MigrationError
from tests.hardening.crashes import aftermath, children
from tests.hardening.crashes.aftermath import Broken, Contents
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.scenes import Prepared, Scene
from tests.hardening.crashes.seam import READING, WRITING, Seam

WATCHED = (*WRITING, *READING, "open")
WAYS = ("renamed", "in place", "as TensorFlow saves", "shards, then later the index")
LATER = 12  # calls between the new shards and the new index, where the save is that slow


class Replacing:
    """One scene whose source turns into another checkpoint of the same names, shapes and sizes."""

    def __init__(self, scene: Scene, root: Path) -> None:
        self.scene = scene
        self._prepared = Prepared.of(scene, root / "laid")
        self._other = root / f"other-{scene.name.replace(' ', '_')}"
        self._folder, self._report = root / "replacing", root / "report"
        other = Scene(name=scene.name, writing=scene.writing, to=scene.to)
        self._expected_of_other = self._lay_other(other)

    def _lay_other(self, other: Scene) -> Contents:
        """A source with other values, and what a migration makes of it."""
        (self._other / "old").mkdir(parents=True)
        other.write_source(self._other / "old" / other.names[0], 1)
        other.act(self._other)
        return aftermath.contents(self._other / "new" / other.names[0])

    def calls(self) -> int:
        """How many calls a run makes when nothing is replaced."""
        self._prepared.lay(self._folder)
        ended = self._run(0, "renamed")
        if ended.how != "done":
            raise Broken(f"without a fault: {ended.text}")
        return int(ended.more["calls"])

    def try_at(self, at: int, way: str) -> str:
        """Replace it at the `at`-th call; returns what came of it. Raises Broken where two were mixed."""
        self._prepared.lay(self._folder)
        ended = self._run(at, way)
        if ended.how not in ("done", "told"):
            raise Broken(f"{ended.how}: {ended.text}")
        if ended.how == "done" and way == "in place" and self.scene.writing.data == "link":
            return ended.how  # behind the end: what is written into a linked file, is in both of its names
        target = self._folder / "new" / self.scene.names[0]
        old, new = self._prepared.old.get(target.name), self._prepared.new[target.name]
        state = self._state(target, old, new)
        if (ended.how == "done") != (state in ("new", "the other")):
            raise Broken(f"it ended {ended.how!r} ({ended.text}) and left {state}")
        left = aftermath.strays(target.parent)
        if left:
            raise Broken(f"it left {left}")
        self._second_run(ended, target)
        return ended.how

    def _state(self, target: Path, old: Contents | None, new: Contents) -> str:
        try:
            return aftermath.state_of(target, old, new)
        except Broken:
            if aftermath.contents(target) == self._expected_of_other:
                return "the other"
            raise

    def _second_run(self, first: Ended, target: Path) -> None:
        """What was refused is done by the next run, of what lies there now."""
        if first.how == "done":
            return
        try:
            self.scene.act(self._folder)
        except MigrationError as error:
            raise Broken(f"the second run: {error}") from error
        if aftermath.contents(target) != self._expected_of_other:
            raise Broken("the second run did not write what the source holds by now")

    def _run(self, at: int, way: str) -> Ended:
        def act() -> dict[str, Any]:
            steps = self._steps(way)
            seam = _Sequence({at: steps[0], at + LATER: steps[1]} if at else {})
            seam.install()
            try:
                self.scene.act(self._folder)
            finally:
                seam.finish()
            return {"calls": seam.count}

        return children.run(act, self._report)

    def _steps(self, way: str) -> tuple[Callable[[], None], Callable[[], None]]:
        there, here = self._other / "old", self._folder / "old"
        names = sorted(os.listdir(there), key=lambda name: name.endswith(".index"))
        shards = [name for name in names if not name.endswith(".index")]
        index = [name for name in names if name.endswith(".index")]
        put = _written_over if way == "in place" else _renamed_in

        def some(chosen: list[str]) -> Callable[[], None]:
            return lambda: [put(there / name, here / name) for name in chosen] and None

        if way == "renamed":
            return some([*index, *shards]), some([])
        return (some(shards), some(index)) if way.startswith("shards") else (some(names), some([]))


class _Sequence(Seam):
    """A seam with an action for each of several calls; `finish` does those that no call came for."""

    def __init__(self, actions: dict[int, Callable[[], None]]) -> None:
        super().__init__(watched=WATCHED)
        self._actions = actions

    def _counted(self, name: str, arguments: tuple[Any, ...]) -> int:
        number = super()._counted(name, arguments)
        action = self._actions.pop(number, None)
        if action is not None:
            action()
        return number

    def finish(self) -> None:
        """The actions that are left, in their order."""
        with self.apart():
            for number in sorted(self._actions):
                self._actions.pop(number)()


def _renamed_in(new: Path, place: Path) -> None:
    shutil.copyfile(new, f"{place}.coming")
    os.replace(f"{place}.coming", place)


def _written_over(new: Path, place: Path) -> None:
    with open(place, "r+b") as file:
        file.write(new.read_bytes())
        file.truncate()
