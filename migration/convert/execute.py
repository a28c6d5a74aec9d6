"""A plan, executed: the one place that writes a checkpoint."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from migration.checkpoint import MANIFEST_KEY, Checkpoint
from migration.convert.layout import Layout, index_of, lay_out
from migration.convert.outputs import SideOf, by_key, kept_names, outputs_of, scalar_string
from migration.convert.pieces import Output, Stored
from migration.convert.writing import Progress, fill
from migration.errors import InputError, Problem, TargetError, UnmappedError
from migration.formats.object_graph import GRAPH_KEY
from migration.formats.tensor_bundle import shard_name
from migration.location import INDEX
from migration.planning.assembling import restorable
from migration.planning.manifest import Manifest, restores
from migration.planning.plan import Confidence, Left, Plan, Source
from migration.planning.savecounter import counted
from migration.planning.signature import check_source as explain_source
from migration.planning.signature import check_steps
from migration.storage import Staging, stale_stagings

DataMode = Literal["copy", "link"]


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
) -> Receipt:
    """Write what `plan` says, from `source`, to the prefix `destination`.

    `copy` streams what the plan uses into one new shard; `link` gives the source's shards a further
    name and writes an index and a small shard. `keep_names` leaves the source's keys in the index, on
    the same bytes. `template` is needed only where a step takes a tensor from it. With `manifest` the
    result remembers its source; the original that a way back makes again has nothing to remember.

    Raises UnmappedError where the plan leaves anything undecided, PlanError where it was made for other
    tensors, TargetError for a destination that is the source, exists (unless `overwrite`), or cannot
    be written, and FormatError for damaged bytes. After any error nothing is left behind. The plan's
    save counter becomes the number at the end of `destination`, where there is one.
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
            f"{source.prefix}: a V1 file holds its tensors in a table, nothing to link: use --data=copy"
        )
    replaced = check_target(prefix, source, overwrite=overwrite)
    side_of = _sides(source, template)
    layout = lay_out(
        by_key(_all_outputs(plan, source, side_of, keep_names, manifest)).values(),
        source if data == "link" else None,
    )
    _write(prefix, source, layout, side_of, replaced, overwrite, progress)
    return _receipt(prefix, plan, source, layout, time.monotonic() - started)


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


def check_target(prefix: str, source: Checkpoint, *, overwrite: bool) -> list[str]:
    """The names of files that the write replaces. Raises TargetError for a target that may not be written."""
    name = os.path.basename(prefix)
    if not name or name in (".", "..") or os.path.isdir(prefix):
        raise TargetError(
            f"{prefix}: a directory: a checkpoint needs a prefix in it, like {os.path.join(prefix, 'ckpt')}"
        )
    if _is_source(prefix, source):
        raise TargetError(
            f"{prefix}: the target is the source, which is never written: choose another prefix"
        )
    directory = os.path.dirname(prefix) or "."
    there = _present(prefix)
    has_index = name + INDEX in there
    shards = [each for each in there if each != name + INDEX]
    unfinished = shards and not has_index and any(stale_stagings(directory, name))
    if (has_index or shards) and not overwrite and not unfinished:
        what = "a checkpoint" if has_index else f"shards without an index ({shards[0]})"
        raise TargetError(f"{prefix}: {what} is already there: choose another prefix, or pass --overwrite")
    return there


def _present(prefix: str) -> list[str]:
    """The names of the files that the target has already, its index first."""
    name = os.path.basename(prefix)
    shards = [os.path.basename(path) for path in glob.glob(glob.escape(prefix) + ".data-?????-of-?????")]
    return [*([name + INDEX] if os.path.exists(prefix + INDEX) else []), *sorted(shards)]


def _still_free(prefix: str, replaced: list[str], overwrite: bool) -> list[str]:
    """What is to be replaced now that no other run writes. Raises TargetError where one wrote meanwhile."""
    there = _present(prefix)
    if not overwrite and not set(there) <= set(replaced):
        raise TargetError(
            f"{prefix}: another run wrote it meanwhile: choose another prefix, or pass --overwrite"
        )
    return there


def _is_source(prefix: str, source: Checkpoint) -> bool:
    if os.path.realpath(prefix) == os.path.realpath(source.prefix):
        return True
    try:
        return any(os.path.samefile(prefix + INDEX, path) for path in source.location.files)
    except OSError:
        return False


def _sides(source: Checkpoint, template: Checkpoint | None) -> SideOf:
    def side_of(taken: Source) -> Checkpoint:
        if not taken.template:
            return source
        if template is None:
            raise InputError(f"the plan takes {taken.key} from its template: pass --template")
        return template

    return side_of


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


def _write(
    prefix: str,
    source: Checkpoint,
    layout: Layout,
    side_of: SideOf,
    replaced: list[str],
    overwrite: bool,
    progress: Progress | None,
) -> None:
    name = os.path.basename(prefix)
    shards = [shard_name(name, number, layout.num_shards) for number in range(layout.num_shards)]
    with Staging(prefix) as staging:
        replaced = _still_free(prefix, replaced, overwrite)
        for number, shard in enumerate(layout.linked):
            staging.link(source.shard_path(shard), shards[number])
        crcs = {}
        if layout.num_shards > len(layout.linked):
            crcs = fill(staging.create(shards[-1], layout.new_size), layout, side_of, progress)
        staging.create(name + INDEX).write(0, index_of(layout, crcs).to_bytes())
        staging.commit([*shards, name + INDEX], replaced)


def _receipt(prefix: str, plan: Plan, source: Checkpoint, layout: Layout, seconds: float) -> Receipt:
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
        shards=layout.num_shards,
        seconds=seconds,
        plan=plan,
    )
