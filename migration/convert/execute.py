"""A plan, executed: the one place that writes a checkpoint."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from migration.checkpoint import MANIFEST_KEY, Checkpoint
from migration.convert.layout import Layout, index_of, lay_out
from migration.convert.outputs import SideOf, by_key, kept_names, outputs_of, scalar_string
from migration.convert.pieces import Output, Stored
from migration.convert.target import check_free, check_target
from migration.convert.writing import Progress, fill
from migration.errors import InputError, Problem, ReplacedError, UnmappedError
from migration.formats.object_graph import GRAPH_KEY
from migration.formats.tensor_bundle import shard_name
from migration.location import INDEX
from migration.planning.assembling import restorable
from migration.planning.manifest import Manifest, restores
from migration.planning.plan import Confidence, Left, Plan, Source
from migration.planning.savecounter import counted
from migration.planning.signature import check_source as explain_source
from migration.planning.signature import check_steps
from migration.storage import Staging
from migration.stored_file import FileStamp

DataMode = Literal["copy", "link"]
Check = Callable[[str, Plan], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was written: the prefix, how many tensors under how many keys, and where their bytes went.

    `copied`, `linked` and `computed` count bytes; copied ones were compared with their checksums as
    they passed. `seconds` is wall time.
    """

    prefix: str
    tensors: int
    keys: int
    copied: int
    linked: int
    computed: int
    shards: int
    seconds: float
    plan: Plan


def execute(
    plan: Plan,
    source: Checkpoint,
    destination: str | os.PathLike[str],
    *,
    data: DataMode = "copy",
    keep_names: bool = False,
    manifest: bool = True,
    overwrite: bool = False,
    template: Checkpoint | None = None,
    progress: Progress | None = None,
    check: Check | None = None,
) -> Receipt:
    """Write what `plan` says, from `source`, to the prefix `destination`.

    `copy` streams what the plan uses into one new shard; `link` gives the source's shards a further
    name and writes an index and a small shard. `keep_names` leaves the source's keys in the index, on
    the same bytes. `template` is needed only where a step takes a tensor from it. With `manifest` the
    result remembers its source; the original that a way back makes again has nothing to remember.
    `check` is called with a prefix under which the result can be read before it is put into place, and the
    plan as executed; what it raises ends the run.

    A reader of `destination` sees what was there before or the whole result, at every moment, and so does
    one who comes after a crash. Without an error the old files are gone; after one they are as they were.
    Threads and processes may run this at once, with one source, too; of those that write one target at the
    same moment, one does and the others raise TargetError.

    Raises UnmappedError where the plan leaves anything undecided, PlanError where it was made for other
    tensors, TargetError for a destination that is the source, exists (unless `overwrite`), or cannot
    be written, FormatError for damaged bytes, and ReplacedError for a source or a template that is not any
    more what was opened. After any error nothing is left behind. The plan's save counter becomes the number
    at the end of `destination`, where there is one.
    """
    started = time.monotonic()
    prefix = os.fspath(destination)
    plan = counted(plan, prefix)
    check_decided(plan)
    check_source(plan, source)
    check_steps(plan, source.specs, None if template is None else template.specs)
    plan = restorable(plan, source.partitions)
    source.check_shards()
    if data == "link" and source.format != "V2":
        raise InputError(
            f"{source.prefix}: a V1 file holds its tensors in a table, nothing to link: use data='copy' "
            "(--data=copy)"
        )
    replaced = check_target(prefix, source, overwrite=overwrite)
    side_of = _sides(source, template)
    layout = lay_out(
        by_key(_all_outputs(plan, source, side_of, keep_names, manifest)).values(),
        source if data == "link" else None,
    )
    read = (source, *_templates(plan, template))
    writing = _Writing(plan, prefix, source, read, layout, side_of, progress)
    shards = writing.run(replaced, overwrite, check)
    return _receipt(prefix, plan, source, layout, shards, time.monotonic() - started)


def check_decided(plan: Plan) -> None:
    """Raises UnmappedError where a step is undecided, a target gets nothing or a source goes nowhere."""
    undecided = [step for step in plan.steps if step.confidence is Confidence.UNDECIDED]
    problems = [
        Problem(
            kind="undecided",
            where=step.target,
            message=f"undecided: {step.reason or 'several fit'}{_list(step.candidates)}",
        )
        for step in undecided
    ]
    problems += [_left("unfilled", left, "the source has nothing for it") for left in plan.unfilled]
    problems += [_left("unused", left, "no step uses it") for left in plan.unused]
    if problems:
        raise UnmappedError(
            f"{len(undecided)} undecided, {len(plan.unfilled)} targets without a source, "
            f"{len(plan.unused)} sources without a target; nothing was written",
            problems,
        )


def _left(kind: str, left: Left, cause: str) -> Problem:
    where = " = ".join([left.key, *left.paths[:1], *([left.full_name] if left.full_name else [])])
    message = f"{left.spec}: {left.reason or cause}{_list(left.nearest)}"
    return Problem(kind=kind, where=where, message=message)


def _list(names: tuple[str, ...]) -> str:
    return f" (nearest: {', '.join(names)})" if names else ""


def check_source(plan: Plan, source: Checkpoint) -> None:
    """Raises PlanError unless the source has just the names, dtypes and shapes that the plan was made for."""
    if dict(plan.source.specs) != dict(source.specs):
        explain_source(plan, source.specs)


def _sides(source: Checkpoint, template: Checkpoint | None) -> SideOf:
    def side_of(taken: Source) -> Checkpoint:
        if not taken.template:
            return source
        if template is None:
            raise InputError(f"the plan takes {taken.key} from its template: pass template (--template)")
        return template

    return side_of


def _templates(plan: Plan, template: Checkpoint | None) -> tuple[Checkpoint, ...]:
    """The template, where a step takes a tensor from it."""
    taken = any(taken.template for step in plan.steps for taken in step.sources)
    return (template,) if taken and template is not None else ()


def _all_outputs(
    plan: Plan, source: Checkpoint, side_of: SideOf, keep_names: bool, manifest: bool
) -> Iterator[Output]:
    yield from outputs_of(plan.steps, side_of)
    graph = plan.graph
    if keep_names:
        yield from kept_names(source, plan.steps)
        graph = graph or source.graph
    if graph is not None:
        yield scalar_string(GRAPH_KEY, graph.to_bytes())
    original = source.manifest_bytes
    if manifest and not (original is not None and restores(plan, original)):
        yield scalar_string(MANIFEST_KEY, Manifest.of(plan, source.digest, source.read).to_bytes())


@dataclass(frozen=True, slots=True)
class _Writing:
    """One result, written aside, looked at and put into place."""

    plan: Plan
    prefix: str
    source: Checkpoint
    read: tuple[Checkpoint, ...]
    layout: Layout
    side_of: SideOf
    progress: Progress | None

    def run(self, replaced: list[str], overwrite: bool, check: Check | None) -> int:
        """Write it; returns the number of its shards."""
        name = os.path.basename(self.prefix)
        with Staging(self.prefix) as staging:
            check_free(self.prefix, replaced, overwrite)
            count = staging.count(self.layout.num_shards)
            shards = [shard_name(name, number, count) for number in range(count)]
            self._fill(staging, shards, name + INDEX)
            staging.flush()
            try:
                if check is not None:
                    check(staging.prefix, self.plan)
            finally:  # also where something differs: that may be the cause
                self._check_sources(staging, shards)
            staging.commit(shards)
        return count

    def _fill(self, staging: Staging, shards: list[str], index: str) -> None:
        """Write all files aside; shards that are there for the sake of free names only are empty."""
        layout = self.layout
        for number, shard in enumerate(layout.linked):
            staging.link(self.source.shard_path(shard), shards[number])
        for spare in shards[layout.num_shards :]:
            staging.create(spare)
        crcs = {}
        if layout.num_shards > len(layout.linked):
            new = staging.create(shards[len(layout.linked)], layout.new_size)
            crcs = fill(new, layout, self.side_of, self.progress)
        staging.create(index).write(0, index_of(layout, crcs, len(shards)).to_bytes())

    def _check_sources(self, staging: Staging, shards: list[str]) -> None:
        """Raises ReplacedError unless all that was read or linked is what it was when it was opened."""
        try:
            for side in self.read:
                side.check_unchanged()
            for number, shard in enumerate(self.layout.linked):
                linked = os.path.join(os.path.dirname(staging.prefix), shards[number])
                if FileStamp.at(linked) != FileStamp.at(self.source.shard_path(shard)):
                    raise ReplacedError(f"{self.source.prefix} was replaced while it was linked")
        except ReplacedError as error:
            raise ReplacedError(f"{error.exact}: run again; nothing was written") from None


def _receipt(
    prefix: str, plan: Plan, source: Checkpoint, layout: Layout, shards: int, seconds: float
) -> Receipt:
    copied = sum(piece.size for piece in layout.new if isinstance(piece, Stored))
    linked = {
        (piece.shard, piece.offset): piece.size
        for output in layout.outputs
        for _, piece in output.pieces
        if isinstance(piece, Stored) and piece.side is layout.link_from
    }
    return Receipt(
        prefix=prefix,
        tensors=len(plan.steps),
        keys=len(layout.outputs),
        copied=copied,
        linked=sum(linked.values()),
        computed=layout.new_size - copied,
        shards=shards,
        seconds=seconds,
        plan=plan,
    )
