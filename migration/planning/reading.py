"""What a step reads of a checkpoint, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migration.contents.partial import holds_box, only_held, read_held
from migration.planning.transforms import Slice

if TYPE_CHECKING:
    import numpy as np

    from migration.checkpoint import Checkpoint
    from migration.planning.steps import Source, Step

    Array = np.ndarray[Any, Any]


def source_array(side: Checkpoint, taken: Source) -> Array:
    """The tensor that a step's source names, before its transforms.

    Of a tensor that the file holds in part, a source that starts with a slice may take what is there; the
    rest of the array is zeros that the slice leaves out. Raises FormatError as `Checkpoint.read` does.
    """
    if taken.key in side.incomplete and taken.transforms:
        cut = taken.transforms[0]
        sizes = cut.output((side.spec(taken.key),)).shape if isinstance(cut, Slice) else ()
        if isinstance(cut, Slice) and holds_box(side, taken.key, cut.starts, sizes):
            return read_held(side, taken.key)
    return side.read(taken.key)


def both_arrays(step: Step, made: Array, result: Checkpoint) -> tuple[Array, Array]:
    """What a step makes, and what the result has under its target, to be compared.

    Where the step stores some slices of the tensor only, both are zeros outside of those. Raises FormatError
    for a result that has less than the step stores.
    """
    key = step.target
    if key in result.incomplete and step.partitions is not None:
        stored = {part.resolved(made.shape) for part in step.partitions}
        if stored == set(result.partitions[key]):
            return only_held(made, stored), read_held(result, key)
    return made, result.read(key)


def streams_alike(side: Checkpoint, key: str, result: Checkpoint, target: str) -> bool:
    """Whether two tensors can be compared as streams: each is all there, or both have the same slices."""
    if key not in side.incomplete and target not in result.incomplete:
        return True
    return side.partitions.get(key) == result.partitions.get(target)
