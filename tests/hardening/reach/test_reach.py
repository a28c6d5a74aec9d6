"""The campaign of reach would notice what goes too far; and a hostile template or state file is told."""

from __future__ import annotations

import fractions
import importlib
import os
import pickle
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migration import location, outside
from tests.hardening.reach import system_calls, trials
from tests.hardening.reach.watched import watched
from tests.hardening.reach.watching import Watch
from tests.hardening.reach.world import World


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)  # a world has a current directory of its own
    return World.make(tmp_path / "world")


@pytest.mark.parametrize(
    "act",
    [
        lambda world: (world.secret / "passwords").read_bytes(),
        lambda world: (world.given / "new").write_bytes(b""),
        lambda world: os.listdir(world.secret),
        lambda world: os.rename(world.out, world.root / "elsewhere"),
        lambda world: os.symlink("x", world.secret / "link"),
        lambda world: subprocess.run(["true"], check=True),
        lambda world: os.system("true"),
        lambda world: exec("1"),
        lambda world: eval("1"),
        lambda world: pickle.loads(trials.PICKLED.replace(b"touch owned", b"true")),
        lambda world: socket.socket().close(),
    ],
)
def test_what_goes_too_far_is_noticed(watch: Watch, world: World, act: Callable[[World], object]) -> None:
    with watch.over([str(world.given)], [str(world.out)]):
        act(world)
    assert watch.faults


def test_what_is_asked_for_is_no_fault(watch: Watch, world: World) -> None:
    with watch.over([str(world.given), f"{world.secret}/"], [str(world.out)]):
        (world.given / "model.ckpt-9.index").read_bytes()
        (world.out / "new").write_bytes(b"")
        os.listdir(world.secret)
        importlib.reload(fractions)  # to load a module runs its code
    assert not watch.faults


@pytest.mark.parametrize(
    "each",
    [
        trials.a_plan_whose_template_is_elsewhere,
        trials.a_state_file_that_leads_elsewhere_though_it_is_beside,
    ],
)
def test_a_product_that_follows_every_path_would_be_found(
    watch: Watch, world: World, monkeypatch: pytest.MonkeyPatch, each: trials.Trial
) -> None:
    assert not watched(watch, each, World.make(world.root))["faults"]
    for module in (location, outside):
        monkeypatch.setattr(module, "leads_outside", lambda *_: False)
    faults = watched(watch, each, World.make(world.root))["faults"]
    assert any("secret" in str(fault) for fault in faults)  # type: ignore[attr-defined]


def test_a_trace_is_read(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        '1 newfstatat(AT_FDCWD, "/ckpt-reach/one/begin", 0x0, 0) = -1 ENOENT\n'
        '1 openat(AT_FDCWD, "/w/given/x", O_RDONLY) = 3\n'
        '1 newfstatat(AT_FDCWD, "/w", {...}, 0) = 0\n'
        '1 openat(AT_FDCWD, "/w/secret/x", O_RDONLY) = 3\n'
        "1 clone3({flags=CLONE_VM|CLONE_THREAD}, 88) = 2\n"
        '2 execve("/bin/true", ["true"], 0x0) = 0\n'
        '1 newfstatat(AT_FDCWD, "/ckpt-reach/one/end", 0x0, 0) = -1 ENOENT\n'
        '1 openat(AT_FDCWD, "/w/secret/y", O_RDONLY) = 3\n'
    )
    found = list(system_calls.faults_in(trace, {"one": ["/w/given"]}))
    assert [fault.partition("(")[0] for _, fault in found] == ["openat of /w/secret/x", "execve"]
