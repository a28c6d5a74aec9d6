"""From a plan to the entries of the result: what each is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from migration.contents.streams import BLOCK, blocks, open_stream
from migration.convert.pieces import Computed, Identity, Output, Piece, Ready, Stored
from migration.errors import FormatError, PlanError, Problem
from migration.formats.coding import extend_crc32c, mask, masked_crc32c
from migration.formats.string_tensors import encode_strings
from migration.formats.tensor_bundle import BundleEntry, TensorSlice, encode_tensor
from migration.planning.plan import Source, Step
from migration.planning.reading import source_array
from migration.planning.transforms import Constant, apply_step, as_reference
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

    from migration.checkpoint import Checkpoint

SideOf = Callable[[Source], "Checkpoint"]


def outputs_of(steps: Iterable[Step], side_of: SideOf) -> Iterator[Output]:
    """The result's entry for each step. Reads bytes only of tensors that a step takes a part of."""
    verified: set[Identity] = set()
    for step in steps:
        yield _plain(step, side_of) or _referring(step, side_of, verified) or _made(step, side_of)


def kept_names(source: Checkpoint, steps: Sequence[Step]) -> Iterator[Output]:
    """An entry under its old key for every tensor of the source that no step leaves under it.

    Raises PlanError where another tensor takes the key, so that the old name could not stay.
    """
    taken = {step.target: step for step in steps}
    lost = [
        Problem(kind="collision", where=key, message=f"the result's own {taken[key].spec} has this key")
        for key in source.specs
        if key in taken and not (taken[key].is_plain and taken[key].sources[0].key == key)
    ]
    if lost:
        raise PlanError(
            f"{source.prefix}: not every old name can stay: migrate without keep_names (--keep_names)", lost
        )
    for key, spec in source.specs.items():
        if key not in taken:
            step = Step(target=key, spec=spec, sources=(Source(key=key),))
            yield _plain(step, lambda _: source) or _made(step, lambda _: source)


def scalar_string(key: str, value: bytes) -> Output:
    """An entry for bookkeeping: a scalar string tensor."""
    payload, crc = encode_strings([value])
    return Output(key, TensorSpec(DType.STRING, ()), ((None, Ready(payload, crc)),))


def step_arrays(step: Step, side_of: SideOf) -> list[np.ndarray[Any, Any]]:
    """The arrays that the step reads, in its order."""
    return [source_array(side_of(source), source) for source in step.sources]


def _plain(step: Step, side_of: SideOf) -> Output | None:
    """The common case, first and fast: a tensor under a new key, its bytes and slices as they are."""
    if len(step.sources) != 1 or step.transforms or step.sources[0].transforms:
        return None
    side, key = side_of(step.sources[0]), step.sources[0].key
    if side.format != "V2":
        return None
    entry = side.index.entries.get(key)
    if entry is None or (entry.spec is not step.spec and entry.spec != step.spec):
        return None
    if not entry.slices:
        return (
            Output(step.target, step.spec, ((None, Stored(side, key, entry)),))
            if not step.partitions
            else None
        )
    placed = side.placed(key)
    if step.partitions is not None and not _same_parts(placed, step):
        return None
    return Output(step.target, step.spec, tuple((extent, Stored(side, key, part)) for extent, part in placed))


def _same_parts(placed: tuple[tuple[TensorSlice | None, BundleEntry], ...], step: Step) -> bool:
    stored = {extent.resolved(step.spec.shape) for extent, _ in placed if extent is not None}
    wanted = {extent.resolved(step.spec.shape) for extent in step.partitions or ()}
    return stored == wanted


def _referring(step: Step, side_of: SideOf, verified: set[Identity]) -> Output | None:
    """A reshape or a run of leading rows: still the source's bytes, if they lie in one piece."""
    if step.partitions is not None or len(step.sources) != 1:
        return None
    side, key = side_of(step.sources[0]), step.sources[0].key
    if side.format != "V2" or key in side.partitions:
        return None
    run = as_reference(step, side.specs)
    ((_, entry),) = side.placed(key) if run else ((None, None),)
    if run is None or entry is None:
        return None
    _, start, stop = run
    if stop is None or (start, stop) == (0, entry.size):
        return Output(step.target, step.spec, ((None, Stored(side, key, entry)),))
    part = _part(Stored(side, key, entry), start, stop, verified)
    return Output(step.target, step.spec, ((None, part),))


def _part(whole: Stored, start: int, stop: int, verified: set[Identity]) -> Stored:
    """A part of a tensor, whose checksum nobody wrote down: the whole is verified, the part's is taken.

    Once is enough for a tensor of many parts: `verified` are those that were.
    """
    if whole.identity not in verified:
        for _ in blocks(open_stream(whole.side, whole.key)):
            pass  # the checksum is checked as the bytes pass: they may be more than the memory
        verified.add(whole.identity)
    file, crc = whole.side.shard_file(whole.shard), 0
    for at in range(whole.offset + start, whole.offset + stop, BLOCK):
        crc = extend_crc32c(crc, file.read(at, min(BLOCK, whole.offset + stop - at)))
    return whole._replace(part=(start, stop - start, mask(crc)))


def _made(step: Step, side_of: SideOf) -> Output:
    """A tensor that is computed: at once where its size is not known before, else when it is written."""
    spec = step.spec
    extents: tuple[TensorSlice | None, ...] = _parts(step, side_of) or (None,)
    if step.sources and spec.nbytes is not None:
        pieces: list[tuple[TensorSlice | None, Piece]] = [
            (extent, Computed(step, extent, _size(spec, extent))) for extent in extents
        ]
        return Output(step.target, spec, tuple(pieces))
    if spec.dtype in (DType.VARIANT, DType.RESOURCE):
        raise FormatError(
            f"{step.target}: a {spec.dtype} tensor can only be carried over from a V2 bundle as it is"
        )
    number = _whole_number(step)
    if number is not None:
        payload = number.to_bytes(8, "little", signed=True)
        return Output(step.target, spec, ((None, Ready(payload, masked_crc32c(payload))),))
    array = computed_array(step, step_arrays(step, side_of))
    ready: list[tuple[TensorSlice | None, Piece]] = []
    for extent in extents:
        part = array if extent is None else array[extent.index(spec.shape)]
        ready.append((extent, Ready(*encode_tensor(part, spec.dtype))))
    return Output(step.target, spec, tuple(ready))


def _parts(step: Step, side_of: SideOf) -> tuple[TensorSlice, ...]:
    """The slices to store: the step's own, else, of a tensor as it is, those of its source (a V1 file)."""
    if step.partitions is not None or not step.is_plain:
        return step.partitions or ()
    key = step.sources[0].key
    return side_of(step.sources[0]).partitions.get(key, ())


def _whole_number(step: Step) -> int | None:
    """The value of a step that is just an int64 scalar, such as the save counter: it needs no array."""
    if not is_constant(step) or step.spec != TensorSpec(DType.INT64, ()) or step.partitions:
        return None
    value = getattr(step.transforms[0], "value", None)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _size(spec: TensorSpec, extent: TensorSlice | None) -> int:
    shape = spec.shape if extent is None else extent.shape(spec.shape)
    return TensorSpec(spec.dtype, shape).nbytes or 0


def computed_array(step: Step, arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The step's tensor, checked to be what the plan says."""
    array = apply_step(step, arrays)
    if array.shape != step.spec.shape or (
        step.spec.dtype is not DType.STRING and array.dtype != step.spec.dtype.numpy
    ):
        raise FormatError(
            f"{step.target}: its step makes {array.dtype}{list(array.shape)}, the plan says {step.spec}"
        )
    return array


def is_constant(step: Step) -> bool:
    """Whether the step takes nothing from anywhere."""
    return not step.sources and len(step.transforms) == 1 and isinstance(step.transforms[0], Constant)


def by_key(outputs: Iterable[Output]) -> Mapping[str, Output]:
    """The outputs by key. Raises FormatError where two have the same."""
    found: dict[str, Output] = {}
    for output in outputs:
        if output.key in found:
            raise FormatError(f"two tensors of the result have the key {output.key!r}")
        found[output.key] = output
    return found
