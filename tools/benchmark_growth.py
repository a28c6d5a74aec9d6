"""Time and memory of a migration as variables and bytes grow: a table, numbers as JSON, and a figure.

Every point is ckpt-migrate as a whole process, verified by the index; the fastest of a few runs counts.
Sparse files stand for sizes that no disk holds. The figure needs matplotlib (the extra `hardening`).
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from absl import flags
from ckpt_tools import tables, terminal
from ckpt_tools.benchmark_conversion import Case, migration_case
from ckpt_tools.benchmark_sources import make_equal, make_many

FLAGS = flags.FlagValues()
_VARIABLES = flags.DEFINE_list(
    "variables", ["100", "1000", "10000", "100000", "1000000"], "How many variables.", flag_values=FLAGS
)
_MEGABYTES = flags.DEFINE_list(
    "megabytes", ["1", "10", "100", "1000", "4000"], "Sizes of real bytes.", flag_values=FLAGS
)
_SPARSE = flags.DEFINE_list(
    "sparse_megabytes", ["10000", "100000", "1000000"], "Sizes of sparse files, linked.", flag_values=FLAGS
)
_RUNS = flags.DEFINE_integer("runs", 3, "Runs of each; the fastest counts.", flag_values=FLAGS)
_DIRECTORY = flags.DEFINE_string(
    "directory", None, "Where to work; a temporary one if not given.", flag_values=FLAGS
)
_NUMBERS = flags.DEFINE_string(
    "numbers",
    None,
    "A JSON file for the points; read instead of measuring where it is there.",
    flag_values=FLAGS,
)
_FIGURE = flags.DEFINE_string("figure", None, "A PNG file for the figure.", flag_values=FLAGS)
PATIENCE = 20.0  # seconds for the runs of one point; one that takes longer runs once
TENSORS = 50  # of a checkpoint whose bytes grow


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measurement: what was grown, to how many (variables, or megabytes), how its data went."""

    grown: str
    amount: int
    data: str
    seconds: float
    megabytes: float
    sparse: bool = False


def main(arguments: Sequence[str]) -> int:
    """The tool's one call. Returns the exit status."""
    numbers = Path(_NUMBERS.value) if _NUMBERS.value else None
    if numbers is not None and numbers.exists():
        points = [Point(**each) for each in json.loads(numbers.read_text())]
    else:
        points = _measured()
        if numbers is not None:
            numbers.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n")
    _show(points)
    if _FIGURE.value:
        _draw(points, _FIGURE.value)
    return terminal.Status.DONE


def _measured() -> list[Point]:
    points = []
    with tempfile.TemporaryDirectory(prefix="ckpt-growth-", dir=_DIRECTORY.value) as folder:
        for point in _points(Path(folder)):
            terminal.note(f"{point.amount} {point.grown}, {point.data}: {point.seconds:.2f} s")
            points.append(point)
    return points


def _points(folder: Path) -> Iterator[Point]:
    for amount in map(int, _VARIABLES.value):
        source = _aside(make_many, folder / "source", amount)
        yield from _both(folder, source, grown="variables", amount=amount)
    for amount in map(int, _MEGABYTES.value):
        source = _aside(make_equal, folder / "source", amount * 10**6, TENSORS, False)
        yield from _both(folder, source, grown="megabytes", amount=amount)
    for amount in map(int, _SPARSE.value):
        source = _aside(make_equal, folder / "source", amount * 10**6, 16 * TENSORS, True, TENSORS)
        yield _point(folder, source, grown="megabytes", amount=amount, data="link", sparse=True)
        shutil.rmtree(source.parent)


def _aside(make: Callable[..., Path], *arguments: Any) -> Path:
    """Made in another process: one that has held arrays would lend its peak memory to those it starts."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(make, *arguments).result()


def _both(folder: Path, source: Path, **what: Any) -> Iterator[Point]:
    for data in ("link", "copy"):
        yield _point(folder, source, data=data, **what)
    shutil.rmtree(source.parent)


def _point(folder: Path, source: Path, *, data: str, **what: Any) -> Point:
    case: Case = migration_case("migrate", source, folder / "result", data)
    while len(case.seconds) < _RUNS.value and sum(case.seconds) < PATIENCE:
        case.run()
    shutil.rmtree(folder / "result")
    return Point(data=data, seconds=min(case.seconds), megabytes=min(case.megabytes), **what)


def _show(points: Sequence[Point]) -> None:
    rows = [
        (
            f"{point.amount:,}",
            point.grown + (", sparse" if point.sparse else ""),
            point.data,
            f"{point.seconds:.2f}",
            f"{point.megabytes:.0f}",
        )
        for point in points
    ]
    columns = ("how many", "of what", "data", "seconds", "peak memory, MB")
    tables.show(columns, rows, right=("how many", "seconds", "peak memory, MB"))


# The figure -----------------------------------------------------------------------------------------

_PANELS: Sequence[tuple[str, str, str]] = (
    ("variables", "seconds", "Time is linear in the variables"),
    ("variables", "megabytes", "Memory is linear in the variables"),
    ("megabytes", "seconds", "Time does not depend on the bytes under link"),
    ("megabytes", "megabytes", "Memory does not depend on the bytes, also under copy"),
)
_AXES: Mapping[str, str] = {"variables": "variables", "megabytes": "size of the checkpoint"}
_UNITS: Mapping[str, str] = {"seconds": "wall time in seconds", "megabytes": "peak memory in MB"}
_STYLES: Mapping[str, Mapping[str, str]] = {
    "link": {"color": "#0b6fa4", "marker": "o"},
    "copy": {"color": "#c4572a", "marker": "s"},
}
# One length for both panels of a kind: a flat line looks flat only beside a steep one.
_LIMITS: Mapping[str, tuple[float, float]] = {"seconds": (0.05, 500), "megabytes": (10, 10_000)}


def _draw(points: Sequence[Point], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), constrained_layout=True)
    for panel, (grown, measure, title) in zip(axes.flat, _PANELS, strict=True):
        for data, style in _STYLES.items():
            _line(panel, [p for p in points if p.grown == grown and p.data == data], measure, data, style)
        panel.set(xscale="log", yscale="log", title=title, xlabel=_AXES[grown], ylabel=_UNITS[measure])
        panel.set_ylim(*_LIMITS[measure])
        if grown == "megabytes":
            panel.set_xticks([10.0**power for power in range(6, 13)], _SIZES)
        panel.grid(True, which="major", alpha=0.3)
        panel.legend(loc="upper left", frameon=False)
    figure.suptitle("ckpt-migrate as a whole process, verified by the index")
    figure.savefig(path, dpi=110, metadata={"Software": None})


_SIZES = ("1 MB", "10 MB", "100 MB", "1 GB", "10 GB", "100 GB", "1 TB")


def _line(panel: Any, points: Sequence[Point], measure: str, data: str, style: Mapping[str, str]) -> None:
    """Real bytes as full marks, sparse files as hollow ones, on one line."""
    scale = 10**6 if points and points[0].grown == "megabytes" else 1
    across = [point.amount * scale for point in points]
    up = [getattr(point, measure) for point in points]
    panel.plot(across, up, linewidth=1.5, label=f"--data={data}", **style)
    hollow = [at for at, point in enumerate(points) if point.sparse]
    if hollow:
        panel.plot(
            [across[at] for at in hollow],
            [up[at] for at in hollow],
            linestyle="none",
            markerfacecolor="white",
            label="sparse files",
            **style,
        )


def run() -> None:
    """The script."""
    terminal.run(main, FLAGS, tool="growth")


if __name__ == "__main__":
    run()
