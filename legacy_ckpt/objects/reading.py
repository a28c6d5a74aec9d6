"""Tensors of a checkpoint into live variables: all of it verified first, then moved, with little memory.

Everything that can go wrong is looked for in a first pass, which reads and computes but changes nothing.
The second pass restores a few tensors at a time: the memory of the values they replace serves for the next
ones, where a restore of all at once would need as much again, and the time to map it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np
import tensorflow as tf

from legacy_ckpt.objects.live import LiveCheckpoint, Place
from migration.checkpoint import Checkpoint
from migration.contents.streams import blocks, open_stream
from migration.convert.outputs import computed_array
from migration.errors import ReplacedError
from migration.planning.plan import Source, Step
from migration.tensors import TensorSpec

_BATCH = 16 << 20  # bytes restored by one op: few enough to be small beside a model that is worth the care
_BLOCK = 1 << 20  # bytes checked at a time: they stay in a processor's cache
_WORKERS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that the checkpoint holds as the variable wants it."""

    step: Step
    key: str
    place: tuple[int, int]  # shard and offset, to read in order


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor that had to be computed."""

    step: Step
    array: np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Values:
    """What a restore is going to assign."""

    stored: tuple[Stored, ...]
    made: tuple[Made, ...]


def verified(steps: Iterable[Step], source: Checkpoint, objects: LiveCheckpoint) -> Values:
    """The values of all steps: computed where they have to be, else checked where they lie.

    Raises FormatError for missing or damaged bytes, ReplacedError where the checkpoint is another by now,
    TransformError for a value that cannot be computed.
    """
    source.check_shards()
    stored, made = [], []
    for step in steps:
        plain = _stored(step, source)
        if plain is None:
            arrays = [_side(taken, source, objects).read(taken.key) for taken in step.sources]
            made.append(Made(step, computed_array(step, arrays)))
        else:
            stored.append(plain)
    stored.sort(key=lambda each: each.place)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for _ in pool.map(lambda key: _check(source, key), dict.fromkeys(each.key for each in stored)):
            pass
    source.check_unchanged()
    return Values(tuple(stored), tuple(made))


def _side(taken: Source, source: Checkpoint, objects: LiveCheckpoint) -> Checkpoint:
    return objects if taken.template else source


def _stored(step: Step, source: Checkpoint) -> Stored | None:
    if len(step.sources) != 1 or step.transforms or step.sources[0].transforms or step.sources[0].template:
        return None
    key = step.sources[0].key
    if source.spec(key) != step.spec:
        return None
    if source.format == "V1":
        return Stored(step, key, (0, 0))
    entry = source.placed(key)[0][1]
    return Stored(step, key, (entry.shard, entry.offset))


def _check(source: Checkpoint, key: str) -> None:
    for _ in blocks(open_stream(source, key), _BLOCK):
        pass


def assign(values: Values, source: Checkpoint, places: Mapping[str, Place]) -> None:
    """Give each holder its tensors; one that has several gets them together.

    Raises ReplacedError where the checkpoint changed since it was verified: then some hold new values.
    """
    waiting: dict[int, dict[str, Any]] = {}
    wanted = _attributes(places)
    for step, tensor in _tensors(values, source):
        place = places[step.target]
        collected = waiting.setdefault(id(place.holder), {})
        collected[place.local_name] = tensor
        if len(collected) == wanted[id(place.holder)]:
            place.holder._restore_from_tensors(waiting.pop(id(place.holder)))


def _attributes(places: Mapping[str, Place]) -> dict[int, int]:
    """How many tensors each holder has."""
    found: dict[int, int] = {}
    for place in places.values():
        found[id(place.holder)] = found.get(id(place.holder), 0) + 1
    return found


def _tensors(values: Values, source: Checkpoint) -> Iterator[tuple[Step, Any]]:
    for made in values.made:
        yield made.step, _tensor(made.array, made.step.spec)
    ahead: deque[tuple[list[Stored], Future[list[Any]]]] = deque()
    batches = _batches(values.stored)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for batch in chain(batches, repeat([], _WORKERS)):
            ahead.append((batch, pool.submit(_restored, batch, source)))
            if len(ahead) > _WORKERS:
                ready, restored = ahead.popleft()
                tensors = restored.result()
                del (
                    restored
                )  # from here on, each tensor is its variable's alone, and its old value goes at once
                for each in ready:
                    yield each.step, tensors.pop(0)


def _batches(stored: Sequence[Stored]) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    size = 0
    for each in stored:
        nbytes = each.step.spec.nbytes or 0
        if batch and size + nbytes > _BATCH:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += nbytes
    if batch:
        yield batch


def _restored(batch: Sequence[Stored], source: Checkpoint) -> list[Any]:
    if not batch:
        return []
    try:
        with tf.device("/cpu:0"):
            tensors = list(
                tf.raw_ops.RestoreV2(
                    prefix=source.prefix,
                    tensor_names=[each.key for each in batch],
                    shape_and_slices=[""] * len(batch),
                    dtypes=[tf.as_dtype(each.step.spec.dtype.value) for each in batch],
                )
            )
        source.check_unchanged()  # TensorFlow reads what lies there now
    except (tf.errors.OpError, ReplacedError) as error:
        raise ReplacedError(
            f"{source.prefix} changed while it was restored: some objects hold its values, others their own "
            f"still: restore again ({getattr(error, 'message', error)})"
        ) from None
    return tensors


def _tensor(array: np.ndarray[Any, np.dtype[Any]], spec: TensorSpec) -> Any:
    wanted = tf.as_dtype(spec.dtype.value)
    tensor = tf.constant(array)
    return tensor if tensor.dtype == wanted else tf.bitcast(tensor, wanted)
