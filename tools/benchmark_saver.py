"""Speed and memory of legacy_ckpt against TensorFlow's own classes, as one table.

Time: both sides in turn in one session, in another order each turn. Of each the median and the fastest run
(on a machine with other work, the nearest to what the call itself takes), and the processors' time. Memory:
the peak of a process that does just the one thing.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absl import flags
from ckpt_tools import terminal

FLAGS = flags.FlagValues()
_GIGABYTES = flags.DEFINE_float("gigabytes", 1.0, "What a Saver saves and restores.", flag_values=FLAGS)
_OBJECTS = flags.DEFINE_float("object_gigabytes", 2.0, "What is restored into objects.", flag_values=FLAGS)
_VARIABLES = flags.DEFINE_integer("variables", 200, "Variables in each.", flag_values=FLAGS)
_RUNS = flags.DEFINE_integer("runs", 9, "Measured runs of each; the median counts.", flag_values=FLAGS)
_DIRECTORY = flags.DEFINE_string(
    "directory", None, "Where to work; a temporary one if not given.", flag_values=FLAGS
)
_SECTIONS = flags.DEFINE_list(
    "sections", ["savers", "objects"], "Which to measure: savers, objects.", flag_values=FLAGS
)
_ALONE = flags.DEFINE_string(
    "alone", None, "Do this one thing in --directory, and print the peak memory in MB.", flag_values=FLAGS
)

STOCK, OURS = "TensorFlow", "legacy_ckpt"


Measure = Callable[["Case"], tuple[float, float, float]]


@dataclass(slots=True)
class Case:
    """One call that is measured, and the case that it is held against."""

    name: str
    call: Callable[[], Any]
    against: str = ""
    goal: str = ""
    writes: str = ""  # what the names of its files start with
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def measure(self) -> tuple[float, float]:
        """Seconds by the clock and of all processors, on a quiet disk; what the run wrote is taken away."""
        os.sync()
        started, worked = time.perf_counter(), time.process_time()
        self.call()
        measured = time.perf_counter() - started, time.process_time() - worked
        for path in glob.glob(f"{self.writes}*") if self.writes else ():
            os.remove(path)
        return measured


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    if _ALONE.value:
        return _alone(Path(_DIRECTORY.value), _SECTIONS.value[0], _ALONE.value)
    with tempfile.TemporaryDirectory(prefix="saver-benchmark-", dir=_DIRECTORY.value) as folder:
        cases: dict[str, Case] = {}
        for name in _SECTIONS.value:
            with SESSIONS[name](Path(folder), write=True) as measured:
                if name not in ONCE:
                    _in_turn(measured, lambda case: (*case.measure(), 0.0))
            _in_turn(
                measured, functools.partial(_fresh, folder, name), 1 if name not in ONCE else _RUNS.value
            )
            cases |= {case.name: case for case in measured}
        print(_table(cases))
    return terminal.Status.DONE


def _in_turn(cases: list[Case], measure: Measure, runs: int | None = None) -> None:
    """Measure all in turn, every time from another one on. With `runs`, in processes of their own."""
    for turn in range(runs or _RUNS.value + 1):
        shift = turn % len(cases)
        for case in cases[shift:] + cases[:shift]:
            seconds, processor, case.megabytes = measure(case)
            if (turn and not runs) or (runs and runs > 1):  # in one process, the first run of each warms up
                case.seconds.append(seconds)
                case.processor.append(processor)
                terminal.note(f"{case.name}: {seconds:.3f} s, of processors {processor:.3f} s")


def _fresh(folder: str, section: str, case: Case) -> tuple[float, float, float]:
    """Seconds, seconds of processors, and peak memory of the first such call of a process."""
    command = [
        sys.executable,
        "-m",
        "ckpt_tools.benchmark_saver",
        f"--directory={folder}",
        f"--alone={case.name}",
    ]
    command += [f"--{flag.name}={flag.value}" for flag in (_GIGABYTES, _OBJECTS, _VARIABLES)]
    command.append(f"--sections={section}")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, processor, megabytes = map(float, done.stdout.split()[-3:])
    return seconds, processor, megabytes


def _alone(folder: Path, section: str, name: str) -> int:
    with SESSIONS[section](folder, write=False) as cases:
        measured = next(case for case in cases if case.name == name).measure()
        print(*measured, _own_peak())
    return terminal.Status.DONE


def _own_peak() -> float:
    """The peak memory of this process in MB. On Linux, ru_maxrss starts at the parent's, VmHWM does not."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# What is measured -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _savers(folder: Path, *, write: bool) -> Iterator[list[Case]]:
    """A graph whose variables both Savers save and restore; `write` makes the file that is restored."""
    import tensorflow as tf

    from legacy_ckpt import Saver

    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as sess:
        shape = _shape(_GIGABYTES.value)
        variables = [
            tf1.get_variable(f"layer_{number}/kernel", shape, initializer=tf1.ones_initializer())
            for number in range(_VARIABLES.value)
        ]
        objects = tf.train.Checkpoint(layers=variables)
        stock, ours, seen = (
            tf1.train.Saver(variables),
            Saver(variables),
            Saver(variables, object_view=objects),
        )
        for variable in variables:  # one at a time: all at once take twice the memory
            sess.run(variable.initializer)
        source = str(folder / "names")
        if write:
            stock.save(sess, source)
            objects.save(str(folder / "objects"))  # what it adds to the graph is no one's cost

        def twice() -> None:
            stock.save(sess, str(folder / "twice"))
            objects.save(str(folder / "twice_objects"))

        def saving(saver: Any, name: str) -> Callable[[], Any]:
            return lambda: saver.save(sess, str(folder / name))

        saved, restored = f"{STOCK}, save", f"{STOCK}, restore"
        yield [
            Case(saved, saving(stock, "stock"), writes=str(folder / "stock")),
            Case(f"{OURS}, save", saving(ours, "ours"), saved, "at most 1.02", str(folder / "ours")),
            Case(
                f"{OURS}, save with object_view",
                saving(seen, "view"),
                saved,
                "at most 1.05",
                str(folder / "view"),
            ),
            Case(f"{STOCK}, save with both classes", twice, saved, writes=str(folder / "twice")),
            Case(restored, lambda: stock.restore(sess, source)),
            Case(f"{OURS}, restore", lambda: ours.restore(sess, source), restored, "at most 1.02"),
        ]


@contextlib.contextmanager
def _objects(folder: Path, *, write: bool) -> Iterator[list[Case]]:
    """Live objects, restored from a name-based and from an object-based checkpoint."""
    import tensorflow as tf

    import legacy_ckpt

    shape = _shape(_OBJECTS.value)
    variables = [
        tf.Variable(tf.zeros(shape), name=f"layer_{number}/kernel") for number in range(_VARIABLES.value)
    ]
    target = tf.train.Checkpoint(layers=variables)
    restore = legacy_ckpt.restore
    by_name, by_object = str(folder / "large_names"), str(folder / "large_objects")
    if write:
        tf.compat.v1.train.Saver(variables).save(None, by_name)
        target.write(by_object)
    named, graphed = f"{STOCK}, Checkpoint.restore, name-based", f"{STOCK}, Checkpoint.restore, object-based"
    yield [
        Case(named, lambda: target.restore(by_name)),
        Case(graphed, lambda: target.restore(by_object)),
        Case(f"{OURS}.restore, name-based", lambda: restore(target, by_name), named, "at most 0.5"),
        Case(
            f"{OURS}.restore, name-based, against object-based",
            lambda: restore(target, by_name),
            graphed,
            "at most 0.5",
        ),
    ]


SESSIONS = {"savers": _savers, "objects": _objects}
ONCE = frozenset(
    {"objects"}
)  # what a program does once, when it starts: measured in a fresh process each time


def _shape(gigabytes: float) -> tuple[int, int]:
    return int(gigabytes * 1e9) // _VARIABLES.value // 4096, 1024


# The table ------------------------------------------------------------------------------------------


def _table(cases: dict[str, Case]) -> str:
    rows = [("call", "median", "fastest", "processors", "to reach", "MB")]
    for case in cases.values():
        other = cases.get(case.against)
        rows.append(
            (
                case.name,
                _held(statistics.median, case.seconds, other.seconds if other else None),
                _held(min, case.seconds, other.seconds if other else None),
                _held(statistics.median, case.processor, other.processor if other else None),
                case.goal,
                f"{case.megabytes:.0f}" + (f" ({case.megabytes / other.megabytes:.3f})" if other else ""),
            )
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|--:|--:|--:|---|--:|", *lines[1:]])


def _held(kind: Callable[[list[float]], float], mine: list[float], theirs: list[float] | None) -> str:
    """Seconds, and in brackets which part of the other side's they are."""
    return f"{kind(mine):.3f}" + (f" ({kind(mine) / kind(theirs):.3f})" if theirs else "")


def run() -> None:
    """The script."""
    terminal.run(main, FLAGS, tool="benchmark")


if __name__ == "__main__":
    run()
