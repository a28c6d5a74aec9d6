"""SIGKILL at moments spread over a whole run: of a forked process, and of the tool itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.hardening.campaign import Record
from tests.hardening.crashes import children
from tests.hardening.crashes.children import Ended
from tests.hardening.crashes.scenes import SCENES, Scene
from tests.hardening.crashes.trial import Bench

LEAST_WORKERS, LEAST_TOOLS = 500, 100  # in a long run, whatever time it takes


def large(megabytes: int) -> list[Scene]:
    """The scenes with so much to copy that a kill may fall into it."""
    return [
        Scene(
            name=f"{scene.name}, {megabytes} MB",
            writing=scene.writing,
            directory=scene.directory,
            extra=megabytes // (3 if scene.directory else 1),
        )
        for scene in SCENES
        if scene.to == "object" and not scene.writing.keep_names
    ]


def kill_workers(record: Record, benches: Sequence[Bench], times: tuple[int, int], deadline: float) -> None:
    """Kill forked runs at every bench in turn, as many as there is time for between two bounds."""
    choices, phases = random.Random(record.budget.seed), Counter[str]()
    lengths = [_length(bench) for bench in benches]
    for number in range(times[1]):
        if number >= times[0] and time.monotonic() > deadline:
            break
        bench, length = benches[number % len(benches)], lengths[number % len(benches)]
        moment = _Moment(choices, length)
        case = f"{bench.scene.name}, killed {moment}"
        with record.trial("SIGKILL of a process at a random moment", case):
            bench.try_run(lambda bench=bench, moment=moment: _killed(bench, moment, phases))
    record.notes.append("the kills fell: " + ", ".join(f"{count} {what}" for what, count in phases.items()))


def _length(bench: Bench) -> float:
    """How long a run takes, the middle of three."""
    taken = []
    for _ in range(3):
        bench.prepared.lay(bench.folder)
        started = time.monotonic()
        children.run(lambda: bench.scene.act(bench.folder), bench.report)
        taken.append(time.monotonic() - started)
    return sorted(taken)[1]


class _Moment:
    """When to kill: some part of the run's time after its start, or just after a thing appears."""

    def __init__(self, choices: random.Random, length: float) -> None:
        self.awaited = choices.choice(("", "", ".*ckpt-staging-*", ".*ckpt-staging-*/journal", "*.index"))
        self.delay = choices.random() * (length * 1.1 if not self.awaited else length / 20)

    def __str__(self) -> str:
        return f"{self.delay:.4f} s after {self.awaited or 'its start'}"

    def wait(self, folder: Path, child: int) -> None:
        """Sleep until then."""
        deadline = time.monotonic() + 5.0
        while self.awaited and not any(folder.glob(self.awaited)) and time.monotonic() < deadline:
            if _has_ended(child):
                return
            time.sleep(0.0002)
        time.sleep(self.delay)


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _killed(bench: Bench, moment: _Moment, phases: Counter[str]) -> Ended:
    bench.report.unlink(missing_ok=True)
    child = children.start(lambda: bench.scene.act(bench.folder), bench.report)
    moment.wait(bench.folder / "new", child)
    os.kill(child, signal.SIGKILL)
    ended = children.end(child, bench.report)
    phases[phase(bench.folder / "new") if ended.how == "killed" else "behind the end"] += 1
    return ended


def phase(target: Path) -> str:
    """How far a run had come that left this."""
    folders = [path for path in target.glob(".*.ckpt-staging-*") if path.is_dir()] if target.is_dir() else []
    if not folders:
        return "before or behind the writing"
    if not any((folder / "journal").exists() for folder in folders):
        return "in the writing, or while the folder was removed"
    moved = all(any(folder.glob("*.index")) for folder in folders)
    return "in the commit, before the index" if moved else "in the commit, behind the index"


def kill_tools(record: Record, benches: Sequence[Bench], times: tuple[int, int], deadline: float) -> None:
    """Kill the tool itself, in a process of its own, as often."""
    choices = random.Random(record.budget.seed + 1)
    for number in range(times[1]):
        if number >= times[0] and time.monotonic() > deadline:
            break
        bench = benches[number % len(benches)]
        delay = choices.random() * 0.8
        with record.trial("SIGKILL of ckpt-migrate", f"{bench.scene.name}, killed after {delay:.4f} s"):
            bench.try_run(lambda bench=bench, delay=delay: _killed_tool(bench, delay))


def command(bench: Bench) -> list[str]:
    """The command line that does what the scene does."""
    scene, folder = bench.scene, bench.folder
    tool = [sys.executable, "-B", "-m", "ckpt_tools.migrate_checkpoint", f"--data={scene.writing.data}"]
    tool += ["--overwrite"] if scene.writing.overwrite else []
    tool += ["--keep_names"] if scene.writing.keep_names else []
    tool += ["--verify=data"] if scene.writing.verify_data else []
    if scene.directory:
        return [*tool, f"--model_dir={folder}/old", f"--output_dir={folder}/new"]
    name = scene.names[0]
    return [*tool, f"--to={scene.to}", f"--checkpoint={folder}/old/{name}", f"--output={folder}/new/{name}"]


def _killed_tool(bench: Bench, delay: float) -> Ended:
    process = subprocess.Popen(command(bench), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    return ended_tool(process.returncode, errors)


def ended_tool(status: int, errors: str) -> Ended:
    """How a process of the tool ended."""
    if status < 0 or status == 128 + signal.SIGKILL:
        return Ended("killed", errors)
    if status == 0:
        return Ended("done")
    return Ended("escaped" if "Traceback" in errors or status != 1 else "told", errors)
