"""The TensorFlow 1 graph and the new model give the same outputs for the same inputs.

The graph is run by an entry point of the group `ckpt_migration.graph_runners` (legacy_ckpt has one), since
nothing here imports TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from migration.checkpoint import Checkpoint
from migration.errors import InputError
from migration.testing.gaps import Gap, gap_between, worst_first
from migration.testing.opening import Openable, opened
from migration.testing.wording import count, section, told

RUNNERS = "ckpt_migration.graph_runners"
RTOL, ATOL = 1e-5, 1e-6  # float32 sums in another order differ by about this much

Fetches = str | Sequence[str] | Mapping[str, str | int]
Inputs = Sequence[str] | Mapping[str, str]
Runner = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsComparison:
    """A row for each fetched tensor, the worst first; the tolerances that decided."""

    prefix: str
    rows: tuple[Gap, ...]
    rtol: float
    atol: float

    @property
    def failures(self) -> tuple[Gap, ...]:
        """The rows that are not good."""
        return tuple(row for row in self.rows if not row.is_good)

    @property
    def is_equal(self) -> bool:
        """Whether every output is within the tolerance."""
        return not self.failures

    def text(self) -> str:
        """For people: the summary, and every row."""
        return told(
            f"{len(self.failures)} of {count(len(self.rows), 'output')} differ from the graph of "
            f"{self.prefix} (rtol={self.rtol}, atol={self.atol})",
            section("outputs, worst first", list(map(str, self.rows))),
        )


def assert_same_outputs(
    tf1_prefix: Openable,
    feeds: Mapping[str, Any],
    fetches: Fetches,
    model: Callable[..., Any],
    *,
    inputs: Inputs | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    meta: str | os.PathLike[str] | None = None,
    runner: Runner | None = None,
) -> None:
    """Raises AssertionError unless `model` gives what the TensorFlow 1 graph gives; see `compare_outputs`.

    The text names each output, the worst first, with its largest absolute difference, the relative 2-norm
    of the difference, and the element that is farthest off.
    """
    __tracebackhide__ = True
    comparison = compare_outputs(
        tf1_prefix, feeds, fetches, model, inputs=inputs, rtol=rtol, atol=atol, meta=meta, runner=runner
    )
    if not comparison.is_equal:
        raise AssertionError(comparison.text())


def compare_outputs(
    tf1_prefix: Openable,
    feeds: Mapping[str, Any],
    fetches: Fetches,
    model: Callable[..., Any],
    *,
    inputs: Inputs | None = None,
    rtol: float = RTOL,
    atol: float = ATOL,
    meta: str | os.PathLike[str] | None = None,
    runner: Runner | None = None,
) -> OutputsComparison:
    """The outputs of the graph saved with `tf1_prefix`, against those of `model`, on the same inputs.

    feeds: arrays by tensor of the graph ("x" or "x:0"). fetches: the graph's tensors: one name where the
        model returns one output; a sequence in the order of the model's outputs; or a mapping from each name
        to the key, attribute or index of the model's output.
    model: called with the fed arrays, in order; returns arrays or tensors. `inputs` says which feeds it gets:
        a sequence, in order, or a mapping from feed to keyword argument; what is left out (a keep_prob, say)
        only the graph gets.
    meta: the .meta file or the SavedModel directory with the graph, where it is not beside the checkpoint.
    runner: instead of the installed one; runner(prefix, graph_file, feeds, fetches) -> arrays by fetch.

    Outputs differ in an element where |model - graph| is greater than atol + rtol * |graph|; shapes have to
    be equal, dtypes need not. Raises InputError where a name is not in the graph, there is no graph, the
    model's outputs cannot be told apart, or no runner is installed.
    """
    checkpoint = opened(tf1_prefix, "tf1_prefix")
    places = _places(fetches)
    arguments, keywords = _arguments(feeds, inputs)
    run = runner or installed_runner()
    wanted = run(checkpoint.prefix, _graph_file(checkpoint, meta), dict(feeds), list(places))
    found = _picked(model(*arguments, **keywords), places)
    rows = [_compared(name, wanted[name], found[name], rtol, atol) for name in places]
    return OutputsComparison(prefix=checkpoint.prefix, rows=tuple(worst_first(rows)), rtol=rtol, atol=atol)


def installed_runner() -> Runner:
    """The runner of graphs that is installed. Raises InputError where none is, or it does not load."""
    for point in entry_points(group=RUNNERS):
        try:
            runner: Runner = point.load()
        except ImportError as error:
            raise InputError(
                f"the TensorFlow 1 graph needs TensorFlow to run: install it ({error})"
            ) from error
        return runner
    raise InputError(
        f"nothing is installed that runs a TensorFlow 1 graph (entry point group {RUNNERS}): install "
        "ckpt-migration again, or pass runner="
    )


def _graph_file(checkpoint: Checkpoint, meta: str | os.PathLike[str] | None) -> str:
    path = checkpoint.location.graph_file if meta is None else os.fspath(meta)
    if path is None:
        raise InputError(
            f"{checkpoint.prefix}: no .meta and no saved_model.pb beside it: pass meta=, or build the graph "
            "again, restore, and save with write_meta_graph=True"
        )
    return path


def _places(fetches: Fetches) -> dict[str, str | int | None]:
    """For each fetched name the place of the model's output; None where it is the only one."""
    if isinstance(fetches, str):
        return {fetches: None}
    if isinstance(fetches, Mapping):
        places: dict[str, str | int | None] = dict(fetches)
    else:
        places = {name: number for number, name in enumerate(fetches)}
        if len(places) != len(fetches):
            raise InputError("fetches names a tensor twice")
    if not places:
        raise InputError("fetches is empty: name the tensors of the graph that are compared")
    return places


def _arguments(feeds: Mapping[str, Any], inputs: Inputs | None) -> tuple[list[Any], dict[str, Any]]:
    names = list(feeds) if inputs is None else list(inputs)
    unknown = [name for name in names if name not in feeds]
    if unknown or isinstance(inputs, str):
        raise InputError(f"inputs={inputs!r}: a sequence of feeds, which are {', '.join(feeds) or 'none'}")
    if isinstance(inputs, Mapping):
        return [], {keyword: feeds[name] for name, keyword in inputs.items()}
    return [feeds[name] for name in names], {}


def _picked(outputs: Any, places: Mapping[str, str | int | None]) -> dict[str, Any]:
    """The model's output for each fetched name."""
    known = _by_place(outputs)
    wanted = list(places.values())
    if wanted == [None] and len(known) == 1:
        return dict(zip(places, known.values(), strict=True))
    in_order = wanted == list(range(len(wanted))) or wanted == [None]
    if in_order and not isinstance(outputs, Mapping) and len(known) != len(wanted):
        raise InputError(f"the model returns {count(len(known), 'output')}, fetches names {len(wanted)}")
    missing = object()
    found = {
        name: known.get(place, getattr(outputs, place, missing) if isinstance(place, str) else missing)
        for name, place in places.items()
    }
    for name, value in found.items():
        if value is missing:
            raise InputError(
                f"{name}: which of the model's outputs is it? They are {', '.join(map(repr, known))}: say "
                f"fetches={{{name!r}: ...}}"
            )
    return found


def _by_place(outputs: Any) -> dict[Any, Any]:
    """The outputs by key, by number, or the only one as number 0."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    return dict(enumerate(outputs)) if isinstance(outputs, (list, tuple)) else {0: outputs}


def _compared(name: str, wanted: Any, found: Any, rtol: float, atol: float) -> Gap:
    import numpy as np

    one, two = np.asarray(wanted), np.asarray(found)
    spec = f"{one.dtype}{list(one.shape)}"
    if one.shape != two.shape:
        return Gap(name=name, spec=spec, fault=f"the model gives shape {list(two.shape)}")
    return gap_between(name, spec, one, two, rtol, atol)
