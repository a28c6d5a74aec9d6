"""Speed and memory of the conversion, as one table: whole processes, medians of runs in turn.

Against what a person would do without this tool (load every tensor with TensorFlow, make a tf.Variable of
each, tf.train.Checkpoint.save), and against cp.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from absl import flags
from ckpt_tools import terminal
from ckpt_tools.benchmark_sources import make_equal, make_many

FLAGS = flags.FlagValues()
_GIGABYTES = flags.DEFINE_float("gigabytes", 2.0, "Size of the checkpoint.", flag_values=FLAGS)
_SPARSE = flags.DEFINE_float("sparse_gigabytes", 20.0, "Size of the sparse one, for link.", flag_values=FLAGS)
_TENSORS = flags.DEFINE_integer("tensors", 200, "Tensors in each.", flag_values=FLAGS)
_KEYS = flags.DEFINE_integer("keys", 200_000, "Keys in the index that is listed.", flag_values=FLAGS)
_RUNS = flags.DEFINE_integer("runs", 5, "Runs of each; the median counts.", flag_values=FLAGS)
_SLOW_RUNS = flags.DEFINE_integer("slow_runs", 3, "Runs of what goes through TensorFlow.", flag_values=FLAGS)
_DIRECTORY = flags.DEFINE_string(
    "directory", None, "Where to work; a temporary one if not given.", flag_values=FLAGS
)
_TENSORFLOW = flags.DEFINE_bool("tensorflow", True, "Measure TensorFlow too.", flag_values=FLAGS)

_THROUGH_TENSORFLOW = """
import sys, tensorflow as tf
reader = tf.train.load_checkpoint(sys.argv[1])
root = tf.Module()
for number, name in enumerate(sorted(reader.get_variable_to_shape_map())):
    setattr(root, f"v{number}", tf.Variable(reader.get_tensor(name), name=name))
tf.train.Checkpoint(root=root).save(sys.argv[2])
"""
_LISTED_BY_TENSORFLOW = "import sys, tensorflow as tf; print(len(tf.train.list_variables(sys.argv[1])))"


@dataclass(slots=True)
class Case:
    """One command that is measured; `prepare` runs before each, unmeasured."""

    name: str
    command: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    runs: int = 0
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of the whole process."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """The largest memory of any run, in MB of 10**6 bytes."""
        return max(self.megabytes)

    def run(self) -> None:
        """Measure it once."""
        self.prepare()
        started = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise RuntimeError(f"{self.name}: exit {process.returncode}: {errors.decode()[-2000:]}")
        self.seconds.append(seconds)
        unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
        self.megabytes.append(usage.ru_maxrss * unit / 1e6)


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="ckpt-benchmark-", dir=_DIRECTORY.value) as folder:
        cases = _cases(Path(folder))
        for turn in range(max(_RUNS.value, _SLOW_RUNS.value)):
            for case in cases.values():
                if turn < case.runs:
                    case.run()
                    terminal.note(f"{case.name}: {case.seconds[-1]:.3f} s, {case.megabytes[-1]:.0f} MB")
        print(_table(cases))
    return terminal.Status.DONE


# What is measured -----------------------------------------------------------------------------------


def _cases(folder: Path) -> dict[str, Case]:
    # A process that has held arrays would lend its peak memory to those that it starts.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as aside:
        dense = aside.submit(
            make_equal, folder / "dense", int(_GIGABYTES.value * 1e9), _TENSORS.value, False
        ).result()
        sparse = aside.submit(
            make_equal, folder / "sparse", int(_SPARSE.value * 1e9), _TENSORS.value, True
        ).result()
        many = aside.submit(make_many, folder / "many", _KEYS.value).result()
    cases = {
        "link": migration_case("link", dense, folder / "link", "link"),
        "sparse link": migration_case("link, sparse", sparse, folder / "sparse-link", "link"),
        "copy": migration_case("copy, verified", dense, folder / "copied", "copy"),
        "cp": _cp("cp", dense, folder / "cp", ""),
        "cp sync": _cp("cp, flushed to disk", dense, folder / "cp-sync", " && sync"),
        "inspect": Case("ckpt-inspect", _tool("inspect_checkpoint", f"--checkpoint={many}")),
        "help": Case("ckpt-inspect --help", _tool("inspect_checkpoint", "--help")),
        "import": Case("import migration", [sys.executable, "-c", "import migration"]),
        "python": Case("python -c pass", [sys.executable, "-c", "pass"]),
    }
    for case in cases.values():
        case.runs = _RUNS.value
    if _TENSORFLOW.value:
        out = folder / "tensorflow"
        cases["tensorflow"] = Case(
            "through TensorFlow",
            [sys.executable, "-c", _THROUGH_TENSORFLOW, str(dense), str(out / "ckpt")],
            lambda: _emptied(out),
            _SLOW_RUNS.value,
        )
        cases["list"] = Case(
            "tf.train.list_variables",
            [sys.executable, "-c", _LISTED_BY_TENSORFLOW, str(many)],
            runs=_SLOW_RUNS.value,
        )
    return cases


def _tool(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"ckpt_tools.{module}", *arguments]


def migration_case(name: str, source: Path, out: Path, data: str) -> Case:
    """ckpt-migrate of a checkpoint into a folder that is empty before each run."""
    command = _tool(
        "migrate_checkpoint", f"--checkpoint={source}", f"--output={out / 'ckpt'}", f"--data={data}"
    )
    return Case(name, command, lambda: _emptied(out))


def _cp(name: str, source: Path, out: Path, then: str) -> Case:
    command = f"cp {source.parent}/* {out}/{then}"
    return Case(name, ["sh", "-c", command], lambda: _emptied(out))


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()  # what earlier runs left to be written is not this run's


# The table ------------------------------------------------------------------------------------------


def _table(cases: dict[str, Case]) -> str:
    rows = [("process", "seconds", "peak memory, MB", "to reach", "reached")]
    for key, case in cases.items():
        goal, reached = _goal(key, cases)
        rows.append((_titled(key, case), f"{case.median:.3f}", f"{case.peak:.0f}", goal, reached))
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|--:|--:|---|---|", *lines[1:]])


def _titled(key: str, case: Case) -> str:
    sizes = {"sparse link": _SPARSE.value, "link": _GIGABYTES.value, "copy": _GIGABYTES.value}
    sizes |= {"cp": _GIGABYTES.value, "cp sync": _GIGABYTES.value, "tensorflow": _GIGABYTES.value}
    if key in sizes:
        return f"{case.name}, {sizes[key]:g} GB"
    return f"{case.name}, {_KEYS.value} keys" if key in ("inspect", "list") else case.name


def _goal(key: str, cases: dict[str, Case]) -> tuple[str, str]:
    here = cases[key].median
    if key == "link" and "tensorflow" in cases:
        return "100 times faster than TensorFlow", f"{cases['tensorflow'].median / here:.0f} times"
    if key == "sparse link":
        return f"no slower than for {_GIGABYTES.value:g} GB", f"{here / cases['link'].median:.2f} of its time"
    if key == "copy":
        plain, flushed = cases["cp"].median / here, cases["cp sync"].median / here
        return (
            "0.7 of cp's throughput, under 200 MB",
            f"{plain:.2f} of cp, {flushed:.2f} of cp flushed to disk",
        )
    if key == "inspect" and "list" in cases:
        return "faster than list_variables", f"{cases['list'].median / here:.1f} times"
    if key == "help":
        return "under 0.3 s", f"{here:.3f} s"
    if key == "import":
        return "under 0.1 s", f"{here - cases['python'].median:.3f} s beyond Python's own start"
    return "", ""


def run() -> None:
    """The script."""
    terminal.run(main, FLAGS, tool="benchmark")


if __name__ == "__main__":
    run()
