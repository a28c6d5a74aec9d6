"""Before against after: every tensor of a migration, compared by its bytes or by the index alone."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migration.checkpoint import Checkpoint
from migration.contents.streams import Block, check_bytes, is_numeric, open_stream, pairs
from migration.errors import FormatError, Problem, VerificationError
from migration.formats.tensor_bundle import encode_tensor
from migration.pairing import Pairing, pair_up
from migration.planning.plan import Plan, Source, Step
from migration.planning.reading import both_arrays, source_array, streams_alike
from migration.planning.transforms import TransformError, apply_step
from migration.tensors import DType

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.tensor_bundle import BundleEntry, TensorSlice

Openable = Checkpoint | str | os.PathLike[str]
Progress = Callable[[int, int], None]


class Verdict(enum.Enum):
    """How a tensor of the result compares with what the plan makes of the source."""

    EQUAL = "equal"  # every byte was read on both sides
    COMPUTED = "equal, computed again"  # the step was run once more, and every byte compared
    SAME_BYTES = "the same bytes"  # both indexes point at one range of one file
    SAME_CHECKSUM = "equal checksums"  # told by both indexes, no data read
    UNREAD = "not read"  # computed; only its spec could be told without reading data
    DIFFERS = "differs"
    MISSING = "missing"
    DAMAGED = "damaged"  # the bytes of the result are not what its own index says

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against the tensor."""
        return self not in (Verdict.DIFFERS, Verdict.MISSING, Verdict.DAMAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTensor:
    """One row: the result's key, the source's keys that it is made of, the verdict, and what was found."""

    target: str
    sources: tuple[str, ...]
    verdict: Verdict
    nbytes: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """Every tensor of the result that the source has a part in, and what is left over on either side.

    `dropped` are the tensors of the source that the plan leaves out by decision; `source_only` and
    `migrated_only` are those that nothing on the other side was found for. `basis` says how the two sides
    were paired.
    """

    source: str
    migrated: str
    basis: str
    rows: tuple[VerifiedTensor, ...]
    dropped: tuple[str, ...] = ()
    source_only: tuple[str, ...] = ()
    migrated_only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[VerifiedTensor, ...]:
        """The rows that are not good."""
        return tuple(row for row in self.rows if not row.verdict.is_good)

    @property
    def is_equal(self) -> bool:
        """Whether every tensor that was compared is as it should be."""
        return not self.failures

    @property
    def is_complete(self) -> bool:
        """Whether it is equal, and neither side has a tensor that was not compared."""
        return self.is_equal and not self.source_only and not self.migrated_only

    @property
    def nbytes(self) -> int:
        """The bytes of the rows together."""
        return sum(row.nbytes for row in self.rows)

    def check(self) -> None:
        """Raises VerificationError, with each failure as a problem, unless `is_equal`."""
        if self.failures:
            counted = f"{len(self.failures)} of {len(self.rows)} tensors"
            raise VerificationError(
                f"{self.migrated}: {counted} are not what they should be",
                [
                    Problem(kind=row.verdict.name.lower(), where=row.target, message=row.detail)
                    for row in self.failures
                ],
            )


def verify(
    source: Openable,
    migrated: Openable,
    plan: Plan | None = None,
    data: bool = True,
    *,
    template: Checkpoint | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Compare every tensor of `migrated` with what `plan` makes of `source`.

    Without a plan, the manifest of either side gives it, if it was written for the other; else tensors
    are paired by key, by full name and by path. With `data` all bytes are read and compared, in bounded
    memory, and computed tensors are computed again; what the result holds beside them (its object graph, its
    save counter) is read for damage; without, the two indexes are compared: linked
    tensors must be the same range of the same file. `progress` is called with the bytes done and all.

    Raises FormatError where the source is damaged, PlanError for a plan that does not fit the source,
    ReplacedError where a side was written anew meanwhile.
    """
    source = source if isinstance(source, Checkpoint) else Checkpoint.open(source)
    migrated = migrated if isinstance(migrated, Checkpoint) else Checkpoint.open(migrated)
    source.check_shards()
    paired = pair_up(source, migrated, plan)
    comparer = _Comparer(source, migrated, template, data)
    rows = []
    total = sum(step.spec.nbytes or 0 for step in paired.steps) if progress is not None else 0
    done = 0
    for step in paired.steps:
        rows.append(comparer.row(step))
        if progress is not None:
            done += step.spec.nbytes or 0
            progress(done, total)
    rows += comparer.damaged_beside({step.target for step in paired.steps})
    return _report(source, migrated, paired, rows)


def _report(
    source: Checkpoint, migrated: Checkpoint, paired: Pairing, rows: list[VerifiedTensor]
) -> VerificationReport:
    return VerificationReport(
        source=source.prefix,
        migrated=migrated.prefix,
        basis=paired.basis,
        rows=tuple(rows),
        dropped=paired.dropped,
        source_only=paired.source_only,
        migrated_only=paired.migrated_only,
        notes=paired.notes,
    )


@dataclass(frozen=True, slots=True)
class _Comparer:
    """Compares what a step makes with what the result holds."""

    source: Checkpoint
    migrated: Checkpoint
    template: Checkpoint | None
    data: bool
    same_files: dict[tuple[str, int, int], bool] = field(default_factory=dict)

    def row(self, step: Step) -> VerifiedTensor:
        verdict, detail = self._compare(step)
        return VerifiedTensor(
            target=step.target,
            sources=tuple([taken.key for taken in step.sources]),
            verdict=verdict,
            nbytes=self._nbytes(step),
            detail=detail,
        )

    def damaged_beside(self, compared: Collection[str]) -> Iterator[VerifiedTensor]:
        """Rows for what the result holds beside the tensors that were compared, and cannot be read."""
        rest = [key for key in self.migrated.all_specs if key not in compared] if self.data else []
        for key in rest if self.migrated.format == "V2" else ():
            try:
                check_bytes(self.migrated, key)
            except FormatError as error:
                verdict, detail = self._damaged(error)
                yield VerifiedTensor(target=key, sources=(), verdict=verdict, nbytes=0, detail=detail)

    def _nbytes(self, step: Step) -> int:
        nbytes = step.spec.nbytes
        if nbytes is not None or step.target not in self.migrated:
            return nbytes or 0
        return sum(each.size for each in self.migrated.ranges(step.target))

    def _compare(self, step: Step) -> tuple[Verdict, str]:
        found = self.migrated.specs.get(step.target)
        if found is None:
            return Verdict.MISSING, "the result does not hold it"
        if found is not step.spec and found != step.spec:
            return Verdict.DIFFERS, f"{found} in the result, {step.spec} by the plan"
        if self.template is None:
            absent = [taken.key for taken in step.sources if taken.template]
            if absent:
                return Verdict.UNREAD, f"{', '.join(absent)} comes from the template"
        if not self.data:
            return self._by_index(step)
        try:
            return self._by_bytes(step) if self._is_plain(step) else self._by_computing(step)
        except TransformError as error:
            return Verdict.DIFFERS, f"its step cannot be run: {error}"

    def _side(self, taken: Source) -> Checkpoint:
        return self.template if taken.template and self.template is not None else self.source

    def _is_plain(self, step: Step) -> bool:
        """Whether the bytes are one tensor's as they lie, so that they can be compared as streams."""
        return (
            len(step.sources) == 1
            and not step.transforms
            and not step.sources[0].transforms
            and self._side(step.sources[0]).spec(step.sources[0].key) == step.spec
            and streams_alike(self._side(step.sources[0]), step.sources[0].key, self.migrated, step.target)
        )

    def _by_index(self, step: Step) -> tuple[Verdict, str]:
        if not self._is_plain(step) or self._side(step.sources[0]).format != "V2":
            return Verdict.UNREAD, "computed" if step.sources else "a constant"
        side, key = self._side(step.sources[0]), step.sources[0].key
        old, new = side.index.entries[key], self.migrated.index.entries[step.target]
        if not old.slices and not new.slices:
            return self._of_entries([(side, old, new)])
        before, after = _by_slice(side, key), _by_slice(self.migrated, step.target)
        if before.keys() != after.keys():
            return Verdict.UNREAD, "it is cut into other slices"
        return self._of_entries([(side, before[extent], after[extent]) for extent in before])

    def _of_entries(
        self, pairs: Iterable[tuple[Checkpoint, BundleEntry, BundleEntry]]
    ) -> tuple[Verdict, str]:
        same = True
        for side, old, new in pairs:
            if old.size != new.size or old.crc32c != new.crc32c:
                return Verdict.DIFFERS, "size or checksum are not the source's"
            same = same and old.offset == new.offset and self._are_one_file(side, old.shard, new.shard)
        return (Verdict.SAME_BYTES, "") if same else (Verdict.SAME_CHECKSUM, "")

    def _are_one_file(self, side: Checkpoint, old: int, new: int) -> bool:
        shards = (side.prefix, old, new)
        if shards not in self.same_files:  # asked for each of very many tensors of a few shards
            self.same_files[shards] = _same_file(side.shard_path(old), self.migrated.shard_path(new))
        return self.same_files[shards]

    def _by_bytes(self, step: Step) -> tuple[Verdict, str]:
        side, key = self._side(step.sources[0]), step.sources[0].key
        before, after = open_stream(side, key), None
        try:
            after = open_stream(self.migrated, step.target)
        except FormatError as error:
            return self._damaged(error)
        if before.size != after.size:
            return Verdict.DIFFERS, f"{after.size} bytes, the source has {before.size}"
        at, differs = 0, ""
        try:
            for old, new in pairs(before, after):  # to the end, so that damage is told from difference
                if old != new and not differs:
                    differs = _where(step, old, new, at)
                at += len(old)
        except FormatError as error:
            _raise_if_source(side, key, error)
            return self._damaged(error)
        return (Verdict.DIFFERS, differs) if differs else (Verdict.EQUAL, "")

    def _by_computing(self, step: Step) -> tuple[Verdict, str]:
        arrays = [source_array(self._side(taken), taken) for taken in step.sources]
        made = apply_step(step, arrays)
        del arrays
        if step.target in self.migrated.incomplete:
            return self._in_part(step, made)
        wanted, _ = encode_tensor(made, step.spec.dtype)
        del made
        try:
            stream = open_stream(self.migrated, step.target)
            if stream.size != len(wanted):
                return Verdict.DIFFERS, f"{stream.size} bytes, computed again it has {len(wanted)}"
            found = stream.read(stream.size)
            stream.finish()
        except FormatError as error:
            return self._damaged(error)
        if found != wanted:
            return Verdict.DIFFERS, _where(step, wanted, found, 0)
        return Verdict.COMPUTED, ""

    def _in_part(self, step: Step, made: np.ndarray[Any, Any]) -> tuple[Verdict, str]:
        """A tensor that the result is to hold some slices of: just those are compared."""
        try:
            made, there = both_arrays(step, made, self.migrated)
        except FormatError as error:
            return self._damaged(error)
        wanted, found = (encode_tensor(each, step.spec.dtype)[0] for each in (made, there))
        return (
            (Verdict.COMPUTED, "") if found == wanted else (Verdict.DIFFERS, _where(step, wanted, found, 0))
        )

    def _damaged(self, error: FormatError) -> tuple[Verdict, str]:
        """The verdict, unless a side was replaced meanwhile: what was read tells nothing then."""
        for side in (self.source, self.migrated, self.template):
            if side is not None:
                side.check_unchanged()
        return Verdict.DAMAGED, str(error)


def _by_slice(checkpoint: Checkpoint, key: str) -> Mapping[TensorSlice | None, BundleEntry]:
    shape = checkpoint.spec(key).shape
    return {
        None if extent is None else extent.resolved(shape): entry for extent, entry in checkpoint.placed(key)
    }


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _raise_if_source(source: Checkpoint, key: str, error: FormatError) -> None:
    """A damaged source is an error of its own: there is nothing to compare with."""
    if f"{key!r} of {source.prefix}" in error.exact:
        raise error


def _where(step: Step, old: Block, new: Block, start: int) -> str:
    at = next(_differing(old, new))
    itemsize = step.spec.dtype.itemsize
    if itemsize is None or step.spec.dtype is DType.STRING or not is_numeric(step.spec.dtype):
        return f"from byte {start + at} on"
    return f"from element {(start + at) // itemsize} of {step.spec.size} on"


def _differing(old: Block, new: Block) -> Iterator[int]:
    half = 1 << 12
    for start in range(0, len(old), half):
        if old[start : start + half] != new[start : start + half]:
            yield from (
                start + at
                for at, (one, other) in enumerate(
                    zip(old[start : start + half], new[start : start + half], strict=True)
                )
                if one != other
            )
