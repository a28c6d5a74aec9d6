"""Runs the trials in a process of their own, watched: one JSON line for each."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.hardening.names.running import TOOLS, run
from tests.hardening.reach.trials import TRIALS, Trial
from tests.hardening.reach.watching import Watch
from tests.hardening.reach.world import World

MARK = "/ckpt-reach"  # a path that is asked for at the beginning and the end of each trial, for strace


def main(names: list[str]) -> None:
    """Run the trials of these names, or all."""
    with tempfile.TemporaryDirectory(prefix="ckpt-reach-") as folder:
        root = Path(os.path.realpath(folder)) / "world"
        _warm(World.make(root))
        watch = Watch()
        for each in TRIALS:
            if not names or each.__name__ in names:
                print(json.dumps(watched(watch, each, World.make(root))), flush=True)
        os.chdir("/")


def watched(watch: Watch, each: Trial, world: World) -> dict[str, object]:
    """One trial in a fresh world: its faults, and what there was to see."""
    acting = each(world)
    may_read = [str(world.given), str(world.cwd), *next(acting)]
    before, events, faults = world.state(), watch.events, []
    os.path.exists(f"{MARK}/{each.__name__}/begin")
    with watch.over(may_read, [str(world.out)]):
        try:
            next(acting, None)
        except Exception as error:
            faults.append(f"{type(error).__name__}: {error}")
    os.path.exists(f"{MARK}/{each.__name__}/end")
    after = world.state()
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    faults += [f"changed: {path}" for path in changed]
    faults += list(dict.fromkeys(watch.faults))
    look = [*may_read, str(world.out), f"{world.root}/"]
    return {"trial": each.__name__, "events": watch.events - events, "faults": faults, "look": look}


def _warm(world: World) -> None:
    """Loads what a run loads, so that there is less to tell apart later."""
    for tool in TOOLS:
        with contextlib.suppress(Exception):
            run(tool, "--help")
    run("migrate", f"--checkpoint={world.given}/model.ckpt-9", f"--output={world.out}/warm")


if __name__ == "__main__":
    main(sys.argv[1:])
