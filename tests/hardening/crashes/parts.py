"""The campaign: each kind of fault with its share of the time; all cases if it is long, samples if short."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from migration.checked import Writing
from tests.hardening.campaign import Budget, Outcome, Record
from tests.hardening.crashes import disks, kills, permissions, protocol, replaced, rivals, syscalls
from tests.hardening.crashes.reads import DEEDS, Reader
from tests.hardening.crashes.scenes import SCENES, Prepared, Scene
from tests.hardening.crashes.seam import KINDS
from tests.hardening.crashes.trial import Bench

T = TypeVar("T")
ROOM = 256 << 20  # bytes that trials in memory may take; they take a part of it
ACROSS = 10**6  # more than any run has calls
SINGLE = tuple(scene for scene in SCENES if not scene.directory and scene.to == "object")


@dataclass
class Session:
    """A campaign under way: its record, where it works, and the benches that were made already."""

    record: Record
    root: Path  # in memory where that is offered: there is no waiting for a disk
    disk: Path
    choices: random.Random
    benches: dict[str, Bench] = field(default_factory=dict)
    until: float = 0.0
    cut: list[str] = field(default_factory=list)

    def bench(self, scene: Scene) -> Bench:
        """The bench of that scene; of large ones, in a long run, on the disk."""
        if scene.name not in self.benches:
            root = self.disk if scene.extra and self.record.budget.is_long else self.root
            self.benches[scene.name] = Bench.of(Prepared.of(scene, root / "laid"), root / "bench")
        return self.benches[scene.name]

    def in_time(self, what: str, cases: Iterable[T]) -> Iterator[T]:
        """The cases, for as long as this part has time; one at least, so that no kind is left out."""
        for number, case in enumerate(cases):
            if number and time.monotonic() > self.until:
                if self.record.budget.is_long:
                    self.cut.append(f"{what} after {number}")
                return
            yield case

    def sampled(
        self, cases: Callable[[Scene], Iterable[T]], scenes: Iterable[Scene]
    ) -> Iterator[tuple[Scene, T]]:
        """In a long run every case of every scene, in any order; in a short one some at random."""
        scenes = list(scenes)
        if self.record.budget.is_long:
            every = [(scene, case) for scene in scenes for case in cases(scene)]
            yield from self.choices.sample(every, len(every))
            return
        known: dict[str, list[T]] = {}
        while True:
            scene = self.choices.choice(scenes)
            if scene.name not in known:
                known[scene.name] = list(cases(scene))
            yield scene, self.choices.choice(known[scene.name])


def in_memory() -> str | None:
    """A folder in memory with room enough; None where there is none."""
    place = "/dev/shm"
    return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free > ROOM else None


def _folder(place: str | None) -> Path:
    """A new folder at `place`, open to others: one kind of trial is somebody else's."""
    root = Path(tempfile.mkdtemp(prefix="ckpt-crashes-", dir=place))
    os.chmod(root, 0o755)
    return root


def campaign(budget: Budget) -> Outcome:
    """The whole of it."""
    record = Record("crashes", budget)
    root, disk = _folder(in_memory()), _folder(None)
    session = Session(record, root, disk, random.Random(budget.seed))
    try:
        left = sum(share for share, _ in PARTS)
        for share, part in PARTS:
            session.until = time.monotonic() + record.left() * share / left
            left -= share
            with record.trial("parts of the campaign", part.__name__):
                part(session)
    finally:
        for folder in (root, disk):
            shutil.rmtree(folder, ignore_errors=True)
    if session.cut:
        record.notes.append(f"time was up in: {', '.join(session.cut)}")
    return record.outcome()


def _order(session: Session) -> None:
    scenes = SCENES if session.record.budget.is_long else SCENES[:1] + SCENES[-2:]
    for scene in scenes:
        with session.record.trial("order of calls against a power cut", scene.name):
            bench = session.bench(scene)
            calls = bench.calls()
            for name in scene.names:
                protocol.check_order(calls, str(bench.folder / "new" / name))


def _faults(session: Session) -> None:
    def cases(scene: Scene) -> Iterable[tuple[str, int]]:
        return itertools.product(KINDS, range(1, len(session.bench(scene).calls()) + 2))

    for scene, (kind, at) in session.in_time("failing calls", session.sampled(cases, SCENES)):
        with session.record.trial(f"call number N: {kind}", f"{scene.name}, {kind} at call {at}"):
            session.bench(scene).try_fault(at, kind)


def _syscalls(session: Session) -> None:
    if not syscalls.is_there(session.root):
        session.record.notes.append(
            "strace is not to be used here: failing calls are those of Python's os alone"
        )
        return

    def cases(scene: Scene) -> Iterable[tuple[tuple[str, int], str]]:
        found = syscalls.places(session.bench(scene), session.root)
        return itertools.product(found, syscalls.KINDS)

    for scene, ((name, number), kind) in session.in_time("system calls", session.sampled(cases, SCENES)):
        what = kind.partition("=")[2]
        with session.record.trial(
            f"system call of ckpt-migrate (strace): {what}", f"{scene.name}, {what} at {name} {number}"
        ):
            syscalls.try_place(session.bench(scene), session.root, name, number, kind)


def _kills(session: Session) -> None:
    is_long = session.record.budget.is_long
    scenes = kills.large(12) if is_long else session.choices.sample(kills.large(3), 2)
    benches = [session.bench(scene) for scene in scenes]
    seconds = session.until - time.monotonic()
    for kill, part, least in (
        (kills.kill_workers, 0.7, kills.LEAST_WORKERS),
        (kills.kill_tools, 0.3, kills.LEAST_TOOLS),
    ):
        bounds = (least, ACROSS) if is_long else (least // 50, least // 25)
        kill(session.record, benches, bounds, time.monotonic() + seconds * part)


def _disks(session: Session) -> None:
    is_long = session.record.budget.is_long
    scenes = disks.FULL if is_long else session.choices.sample(disks.FULL, 2)
    disk = disks.Disk(session.record, session.root / "disk", 24 if is_long else 3)
    for trial in session.in_time("full disks", disk.trials([session.bench(scene) for scene in scenes])):
        trial()


def _reads(session: Session) -> None:
    reader = Reader(session.root / "reads")
    deeds = [deed for deed in DEEDS if deed != "ckpt-migrate to new"]
    cases = [
        (deed, at, kind)
        for deed in deeds
        for at in range(1, reader.calls(deed) + 1)
        for kind in ("EIO", "EACCES", "short")
    ]
    if not session.record.budget.is_long:
        session.choices.shuffle(cases)
    for deed, at, kind in session.in_time("reads", cases):
        with session.record.trial(f"reading call number N: {kind}", f"{deed}, {kind} at call {at}"):
            reader.try_fault(deed, at, kind)


def _replaced(session: Session) -> None:
    made: dict[str, replaced.Replacing] = {}

    def cases(scene: Scene) -> Iterable[tuple[str, int]]:
        made[scene.name] = replaced.Replacing(scene, session.root / "replaced")
        return itertools.product(replaced.WAYS, range(1, made[scene.name].calls() + 1))

    ends = Counter[str]()
    for scene, (way, at) in session.in_time("replacing", session.sampled(cases, SINGLE)):
        with session.record.trial(f"source replaced: {way}", f"{scene.name}, {way}, at call {at}"):
            ends[made[scene.name].try_at(at, way)] += 1
    session.record.notes.append(
        f"a replaced source was refused {ends['told']} times, and read as a whole {ends['done']} times"
    )


def _rivals(session: Session) -> None:
    ways = {"processes": rivals.try_processes, "threads": rivals.try_threads}
    rounds = 400 if session.record.budget.is_long else 4
    cases = itertools.product(range(rounds), (2, 3), (SCENES[0], *SCENES[-3:]), ways)
    for _, count, scene, way in session.in_time("rivals", cases):
        with session.record.trial(f"{way} with one target", f"{scene.name}, {count} {way}"):
            ways[way](session.bench(scene), count)


def _permissions(session: Session) -> None:
    scene = Scene(name="permissions", writing=Writing(overwrite=True, verify_data=True))
    bench = session.bench(scene)
    bench.prepared.lay(bench.folder)
    DEEDS["ckpt-migrate to new"](bench.folder, scene.names[0])  # imports what nobody may not import later
    for loss, way in itertools.product(permissions.LOSSES, permissions.WAYS):
        with session.record.trial("permission lost between plan and run", f"{loss}, {way}"):
            permissions.WAYS[way](bench, loss)


Part = Callable[[Session], None]
# Those that must come to a number, whatever time it takes, are last.
PARTS: tuple[tuple[float, Part], ...] = (
    (1, _order),
    (1, _permissions),
    (2, _reads),
    (2, _rivals),
    (3, _replaced),
    (3, _disks),
    (8, _syscalls),
    (14, _faults),
    (8, _kills),
)
