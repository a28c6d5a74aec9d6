"""A place to try in: what is given, what is written, and what nobody asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.planning.planner import make_plan
from tests.bundles import write_bundle

ARRAYS: Mapping[str, np.ndarray[Any, Any]] = {
    "a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a/bias": np.ones(3, np.float32),
    "global_step": np.array(9, np.int64),
}


@dataclass(frozen=True, slots=True)
class World:
    """Directories: `given` to the tools, `out` for results, `cwd`, and `secret`, which is none of these."""

    root: Path

    @property
    def given(self) -> Path:
        return self.root / "given"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def cwd(self) -> Path:
        return self.root / "cwd"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @classmethod
    def make(cls, root: Path) -> World:
        """A world of its own in `root`: a checkpoint is given, and a template and texts are secret."""
        shutil.rmtree(root, ignore_errors=True)
        world = cls(root)
        for folder in (world.given, world.out, world.cwd, world.secret):
            folder.mkdir(parents=True)
        os.chdir(world.cwd)
        write_bundle(world.given / "model.ckpt-9", ARRAYS)
        write_bundle(world.secret / "model.ckpt-5", {"hidden": np.zeros(2)})
        (world.secret / "passwords").write_text("0123456789" * 10)
        object_based(world.given / "model.ckpt-9", world.secret / "template")
        return world

    def state(self) -> dict[str, str]:
        """Every file and folder outside of `out`, and what is in it."""
        found = {}
        for folder in (self.given, self.secret, self.cwd):
            for path in sorted(folder.rglob("*")):
                held = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
                found[str(path)] = held
        return found


def object_based(source: Path, prefix: Path) -> None:
    """Writes what the source becomes as an object-based checkpoint without a manifest."""
    opened = Checkpoint.open(source)
    execute(make_plan(opened), opened, prefix, manifest=False)
    opened.close()
