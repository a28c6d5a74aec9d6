"""Disks that are full: a small tmpfs where one may be mounted, else (and also) a bound on a file's size."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.hardening.campaign import Record
from tests.hardening.crashes import children
from tests.hardening.crashes.aftermath import Broken
from tests.hardening.crashes.scenes import SCENES, Scene
from tests.hardening.crashes.trial import Bench

PAGE = 4096
ROWS = 4096  # 64 KB for the largest tensor: some pages to run out of
FULL = tuple(
    Scene(name=f"full {scene.name}", writing=scene.writing, directory=scene.directory, rows=ROWS)
    for scene in SCENES
    if scene.to == "object" and not scene.writing.keep_names
)


class Disk:
    """A place for small disks, and how many steps there are from full to large enough."""

    def __init__(self, record: Record, place: Path, steps: int) -> None:
        self._record, self._place, self._steps = record, place, steps
        self._can_mount = _can_mount(place)
        if not self._can_mount:
            record.notes.append("no tmpfs may be mounted here: full disks are files that may not grow")

    def trials(self, benches: Sequence[Bench]) -> Iterator[Callable[[], None]]:
        """A trial for each size at each bench, and each kind of fullness."""
        for step in range(self._steps + 1):
            part = step / self._steps
            for bench in benches:
                yield partial(_try_bounded, self._record, bench, part)
                for kind in ("bytes", "files") if self._can_mount else ():
                    yield partial(_try_mounted, self._record, bench, self._place, part, kind)


def _try_bounded(record: Record, bench: Bench, part: float) -> None:
    """No file may become larger than some part of the largest that is needed."""
    largest = bench.prepared.pattern
    most = int(part * 1.1 * max(path.stat().st_size for path in largest.rglob("*") if path.is_file()))

    def act() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            bench.scene.act(bench.folder)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    with record.trial("a file may not grow (RLIMIT_FSIZE)", f"{bench.scene.name}, at most {most} bytes"):
        bench.try_run(lambda: children.run(act, bench.report))


def _can_mount(place: Path) -> bool:
    try:
        with mounted(place, "size=64k"):
            return True
    except (OSError, Broken):
        return False


@contextlib.contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    """A tmpfs at `place`. Raises Broken where that is not allowed."""
    place.mkdir(parents=True, exist_ok=True)
    _mount(["-t", "tmpfs", "-o", options, "tmpfs", str(place)])
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def _mount(arguments: Sequence[str]) -> None:
    if shutil.which("mount") is None or os.geteuid() != 0:
        raise Broken("mounting needs root and a mount command")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Broken(done.stderr)


def _try_mounted(record: Record, bench: Bench, place: Path, part: float, kind: str) -> None:
    """A disk that holds what lies there before, and some part of what is needed besides."""
    files = [path for path in bench.prepared.pattern.rglob("*") if path.is_file()]
    taken = sum(-(-path.stat().st_size // PAGE) for path in files)
    inodes = len(list(bench.prepared.pattern.rglob("*"))) + 2
    if kind == "bytes":
        size, count = (taken + round(part * (taken + 20))) * PAGE, 10_000
    else:
        size, count = 64 << 20, inodes + round(part * 24)
    case = f"{bench.scene.name}, {size} bytes and {count} files on the disk"
    on_disk = Bench(bench.prepared, place / "trial", bench.report)

    def act() -> None:
        bench.scene.act(on_disk.folder)

    def run() -> children.Ended:
        _mount(["-o", f"remount,size={size},nr_inodes={count}", str(place)])
        ended = children.run(act, bench.report)
        _mount(["-o", "remount,size=64m,nr_inodes=10000", str(place)])
        return ended

    with record.trial(f"a disk of too few {kind} (tmpfs)", case), mounted(place, "size=64m,nr_inodes=10000"):
        on_disk.try_run(run)
