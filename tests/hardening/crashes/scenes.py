"""The migrations that faults are put into: what lies there before, the call, and what may lie there after."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint
from migration.model_dir import migrate_directory
from migration.planning.planner import make_plan
from tests.bundles import write_bundle
from tests.hardening.crashes.aftermath import Contents, contents

STEPS = (10, 20, 30)  # of the checkpoints in a training directory


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One way to migrate. `old` says that other checkpoints lie at the targets, to be replaced."""

    name: str
    writing: Writing
    to: str = "object"
    directory: bool = False
    rows: int = 6  # of the largest tensor
    extra: int = 0  # further tensors, of a megabyte each

    @property
    def old(self) -> bool:
        """Whether something lies at the targets, to be replaced."""
        return self.writing.overwrite

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sources' prefixes, which the targets have too."""
        return tuple(f"model.ckpt-{step}" for step in (STEPS if self.directory else STEPS[:1]))

    def build(self, folder: Path) -> None:
        """Write the sources into `folder`/old, and into `folder`/new what is to be replaced, if anything."""
        source, target = folder / "old", folder / "new"
        source.mkdir(parents=True)
        for number, name in enumerate(self.names):
            self.write_source(source / name, number)
        if self.directory:
            lines = [f'model_checkpoint_path: "{self.names[-1]}"']
            lines += [f'all_model_checkpoint_paths: "{name}"' for name in self.names]
            (source / "checkpoint").write_text("\n".join([*lines, ""]))
        if self.old:
            target.mkdir()
            for name in self.names:  # with as many shards as the result would have: every name is in use
                count = 3 if self.writing.data == "link" else 1
                write_bundle(target / name, {"what/was/there": np.arange(5.0)}, num_shards=count)

    def write_source(self, prefix: Path, number: int) -> None:
        """The `number`-th source: other values, the same names and shapes."""
        arrays: dict[str, np.ndarray[Any, Any]] = {
            "dense/kernel": np.arange(self.rows * 4, dtype=np.float32).reshape(self.rows, 4) + number,
            "dense/bias": np.array([1.5, -2.0, number, 0.25], np.float64),
            "emb/table": np.arange(30, dtype=np.int64).reshape(10, 3) * (number + 1),
            "global_step": np.array(STEPS[number], np.int64),
            "words": np.array([b"one", b"\xff\x00", b"n%d" % number], object),
        }
        for more in range(self.extra):
            arrays[f"more/w{more:03d}"] = np.full(1 << 18, more + number, np.float32)
        if self.to == "name":  # what is turned back was made by a migration
            forward = f"{prefix}-names"
            write_bundle(forward, arrays, parts={"emb/table": 3}, num_shards=2)
            source = Checkpoint.open(forward)
            write_and_verify(make_plan(source), source, os.fspath(prefix), Writing())
            for path in prefix.parent.glob(f"{prefix.name}-names*"):
                path.unlink()
            return
        write_bundle(prefix, arrays, parts={"emb/table": 3}, num_shards=2)

    def act(self, folder: Path) -> None:
        """The migration. Raises MigrationError, or what ought not to escape from it."""
        source, target = folder / "old", folder / "new"
        if self.directory:
            report = migrate_directory(source, target, writing=self.writing, workers=2)
            if not report.is_complete:
                raise RowsFailed("; ".join(row.error for row in report.failures))
            return
        opened = Checkpoint.open(source / self.names[0])
        plan = make_plan(opened, to=self.to)  # type: ignore[arg-type]
        write_and_verify(plan, opened, os.fspath(target / self.names[0]), self.writing)

    def expected(self, folder: Path) -> dict[str, Contents]:
        """By name, what the targets are to hold; worked out by one migration without faults in `folder`."""
        self.build(folder)
        self.act(folder)
        return {name: contents(folder / "new" / name) for name in self.names}


class RowsFailed(Exception):
    """Some checkpoints of a directory could not be migrated, and were reported."""


def _scenes() -> list[Scene]:
    found = []
    for overwrite in (False, True):
        for data in ("copy", "link"):
            for keep in (False, True):
                name = f"{data}{' --keep_names' if keep else ''}{' --overwrite' if overwrite else ''}"
                writing = Writing(data=data, keep_names=keep, overwrite=overwrite)  # type: ignore[arg-type]
                found.append(Scene(name=name, writing=writing))
        more = " --overwrite" if overwrite else ""
        writing = Writing(overwrite=overwrite, verify_data=True)
        found.append(Scene(name=f"--to=name{more}", writing=writing, to="name"))
        for data in ("copy", "link"):
            writing = Writing(data=data, overwrite=overwrite)  # type: ignore[arg-type]
            found.append(Scene(name=f"directory {data}{more}", writing=writing, directory=True))
    return found


SCENES = tuple(_scenes())


@dataclass(frozen=True)
class Prepared:
    """A scene with its files laid ready, to be taken over and over again."""

    scene: Scene
    pattern: Path
    new: dict[str, Contents]
    old: dict[str, Contents]

    @classmethod
    def of(cls, scene: Scene, root: Path) -> Prepared:
        """Lay the files ready under `root`."""
        place = root / scene.name.replace(" ", "_")
        new = scene.expected(place / "expected")
        shutil.rmtree(place / "expected")
        pattern = place / "pattern"
        scene.build(pattern)
        old = {name: contents(pattern / "new" / name) for name in scene.names} if scene.old else {}
        return cls(scene, pattern, new, old)

    def lay(self, folder: Path) -> Path:
        """A copy of the files in `folder`, which is emptied before."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.pattern, folder)
        return folder


Act = Callable[[Path], None]
