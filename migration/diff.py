"""Two checkpoints of any style, compared: what only one has, what was renamed, and what changed how much."""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.checkpoint import Checkpoint, Style
from migration.contents.distance import Distance, distance_of_arrays, distance_of_streams
from migration.contents.streams import blocks, open_stream
from migration.pairing import Pairing, by_names, by_plan, check_fits
from migration.planning.plan import Plan, Step
from migration.planning.reading import both_arrays, source_array, streams_alike
from migration.planning.savecounter import SAVE_COUNTER_KEY, counted
from migration.planning.transforms import apply_step
from migration.tensors import DType

if TYPE_CHECKING:
    from migration.tensors import TensorSpec

Openable = Checkpoint | str | os.PathLike[str]
Progress = Callable[[int, int], None]


class Change(enum.Enum):
    """How a tensor of one checkpoint stands to the other."""

    EQUAL = "equal"
    VALUES = "values changed"
    SPEC = "shape or dtype changed"
    UNREAD = "not compared"  # it comes from a template that is not at hand
    RENAMED = "renamed"  # equal bytes under names that nothing else connects
    ONLY_HERE = "only here"
    ONLY_THERE = "only there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One row. `here` and `there` are its keys; `distance` is there where values changed."""

    change: Change
    here: str = ""
    there: str = ""
    spec_here: TensorSpec | None = None
    spec_there: TensorSpec | None = None
    distance: Distance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Every tensor of either checkpoint, in one row; `basis` says how they were paired."""

    here: str
    there: str
    basis: str
    rows: tuple[Compared, ...]

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same tensors, under the same names, with the same bytes."""
        return all(row.change is Change.EQUAL for row in self.rows)

    def count(self, change: Change) -> int:
        """How many rows are of that kind."""
        return sum(row.change is change for row in self.rows)


def compare(
    here: Openable,
    there: Openable,
    plan: Plan | None = None,
    *,
    template: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Difference:
    """The difference between two checkpoints, in bounded memory, every byte read and checked.

    Tensors are paired by key, by full name or by path; with a plan, what the plan makes of `here` is
    compared with `there`; `template` is needed where it takes tensors from one. Raises PlanError for a plan
    that does not fit `here`, FormatError for damaged bytes.
    """
    here = here if isinstance(here, Checkpoint) else Checkpoint.open(here)
    there = there if isinstance(there, Checkpoint) else Checkpoint.open(there)
    if plan is not None:
        check_fits(plan, here)
    paired = (
        by_names(here, there)
        if plan is None
        else by_plan(here, there, counted(plan, there.prefix), "the plan")
    )
    rows = []
    for number, step in enumerate(paired.steps):
        rows.append(_compared(here, there, template, step))
        if progress is not None:
            progress(number + 1, len(paired.steps))
    left = _left(here, there, paired)
    return Difference(here=here.prefix, there=there.prefix, basis=paired.basis, rows=(*rows, *left))


def _compared(here: Checkpoint, there: Checkpoint, template: Checkpoint | None, step: Step) -> Compared:
    key = " + ".join(taken.key for taken in step.sources)
    if step.target not in there:
        return Compared(change=Change.ONLY_HERE, here=key or step.target, spec_here=step.spec)
    row = {"here": key, "there": step.target, "spec_here": step.spec, "spec_there": there.spec(step.target)}
    if step.spec != there.spec(step.target):
        return Compared(change=Change.SPEC, **row)  # type: ignore[arg-type]
    if template is None and any(taken.template for taken in step.sources):
        return Compared(change=Change.UNREAD, **row)  # type: ignore[arg-type]
    sides = [template if taken.template and template is not None else here for taken in step.sources]
    distance = _distance(sides, there, step)
    change = Change.EQUAL if distance is None else Change.VALUES
    return Compared(change=change, distance=distance, **row)  # type: ignore[arg-type]


def _distance(sides: Sequence[Checkpoint], there: Checkpoint, step: Step) -> Distance | None:
    """The distance of what the step makes, each source read from its side, to what is there."""
    plain = len(step.sources) == 1 and not step.transforms and not step.sources[0].transforms
    bare = step.spec.dtype in (DType.VARIANT, DType.RESOURCE)
    if plain and (bare or step.spec.dtype.itemsize is not None) and _are_alike(sides[0], there, step):
        streams = open_stream(sides[0], step.sources[0].key), open_stream(there, step.target)
        return distance_of_streams(*streams, None if bare else step.spec.dtype)
    arrays = [source_array(side, taken) for side, taken in zip(sides, step.sources, strict=True)]
    return distance_of_arrays(*both_arrays(step, apply_step(step, arrays), there))


def _are_alike(side: Checkpoint, there: Checkpoint, step: Step) -> bool:
    return streams_alike(side, step.sources[0].key, there, step.target)


def _left(here: Checkpoint, there: Checkpoint, paired: Pairing) -> Iterator[Compared]:
    """Rows for what has no partner: renamed where the bytes are equal, else on one side only."""
    mine = [key for key in (*paired.source_only, *paired.dropped) if not _is_bookkeeping(key, there)]
    theirs = [key for key in paired.migrated_only if not _is_bookkeeping(key, here)]
    renamed = _renamed(here, mine, there, theirs)
    for one, other in renamed.items():
        yield Compared(
            change=Change.RENAMED,
            here=one,
            there=other,
            spec_here=here.spec(one),
            spec_there=there.spec(other),
        )
    for key in mine:
        if key not in renamed:
            yield Compared(change=Change.ONLY_HERE, here=key, spec_here=here.spec(key))
    found = set(renamed.values())
    for key in theirs:
        if key not in found:
            yield Compared(change=Change.ONLY_THERE, there=key, spec_there=there.spec(key))


def _is_bookkeeping(key: str, other: Checkpoint) -> bool:
    """The save counter is no difference to a checkpoint of a style that has none."""
    return key == SAVE_COUNTER_KEY and other.style is Style.NAME


def _renamed(here: Checkpoint, mine: list[str], there: Checkpoint, theirs: list[str]) -> dict[str, str]:
    shared = {here.spec(key) for key in mine} & {there.spec(key) for key in theirs}
    by_content: dict[tuple[TensorSpec, bytes], list[str]] = {}
    for key in theirs:
        if there.spec(key) in shared:
            by_content.setdefault((there.spec(key), _digest(there, key)), []).append(key)
    found: dict[str, str] = {}
    for key in mine:
        if here.spec(key) in shared:
            partners = by_content.get((here.spec(key), _digest(here, key)), [])
            if partners:
                found[key] = partners.pop(0)
    return found


def _digest(checkpoint: Checkpoint, key: str) -> bytes:
    known = hashlib.blake2b(digest_size=16)
    for block in blocks(open_stream(checkpoint, key)):
        known.update(block)
    return known.digest()


def changes(difference: Difference) -> Iterable[Compared]:
    """The rows that are not equal."""
    return (row for row in difference.rows if row.change is not Change.EQUAL)
