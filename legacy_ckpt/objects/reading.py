"""Tensors of a checkpoint into live variables: all of it verified first, then moved, with little memory.

Everything that can go wrong is looked for in a first pass, which reads and computes but changes nothing.
The second pass reads each tensor once more and hands its memory to the variable: so no more than a few
tensors are in memory beside the variables' own, where reading all of them first would need as much again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import ops

from legacy_ckpt.objects.live import LiveCheckpoint, Place
from migration.checkpoint import Checkpoint
from migration.convert.outputs import computed_array
from migration.errors import FormatError
from migration.formats.tensor_bundle import BundleEntry, check_tensor
from migration.planning.plan import Source, Step
from migration.contents.streams import blocks, open_stream
from migration.tensors import DType, TensorSpec

_ALIGNMENT = 64  # bytes; TensorFlow copies an array that is not aligned to this
_AHEAD = 2  # tensors that are read while others are assigned
_WORKERS = min(2, os.cpu_count() or 1)
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor that lies in a shard as the variable wants it."""

    step: Step
    key: str
    entry: BundleEntry


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor that was computed, or that is small or in parts, with its value."""

    step: Step
    array: Array


Value = Stored | Made


def verified(steps: Iterable[Step], source: Checkpoint, objects: LiveCheckpoint) -> list[Value]:
    """The values of all steps, in the order of the source's bytes: computed, or checked where they lie.

    Raises FormatError for missing or damaged bytes, TransformError for a value that cannot be computed.
    """
    source.check_shards()
    plain: list[Value] = []
    made: list[Value] = []
    for step in steps:
        stored = _stored(step, source)
        if stored is None:
            made.append(Made(step, computed_array(step, [_side(each, source, objects).read(each.key) for each in step.sources])))
        else:
            plain.append(stored)
    plain.sort(key=lambda each: (each.entry.shard, each.entry.offset) if isinstance(each, Stored) else (0, 0))
    with ThreadPoolExecutor(_WORKERS) as pool:
        for _ in pool.map(lambda key: _check(source, key), {each.key: None for each in plain if isinstance(each, Stored)}):
            pass
    return [*plain, *made]


def _side(taken: Source, source: Checkpoint, objects: LiveCheckpoint) -> Checkpoint:
    return objects if taken.template else source


def _stored(step: Step, source: Checkpoint) -> Stored | None:
    if len(step.sources) != 1 or step.transforms or step.sources[0].transforms or step.sources[0].template:
        return None
    key = step.sources[0].key
    if source.format != "V2" or key in source.partitions or step.spec.dtype.itemsize is None:
        return None
    ((extent, entry),) = source.placed(key)
    return Stored(step, key, entry) if extent is None and entry.spec == step.spec else None


def _check(source: Checkpoint, key: str) -> None:
    for _ in blocks(open_stream(source, key), 1 << 20):
        pass


def assign(values: Iterable[Value], source: Checkpoint, places: Mapping[str, Place]) -> None:
    """Give each holder its tensors; one that has several gets them together.

    Raises FormatError where the checkpoint changed since it was verified: then some hold new values.
    """
    waiting: dict[int, dict[str, Any]] = {}
    wanted = _attributes(places)
    done = 0
    try:
        for value, tensor in _tensors(values, source):
            place = places[value.step.target]
            collected = waiting.setdefault(id(place.holder), {})
            collected[place.local_name] = tensor
            del tensor
            if len(collected) == wanted[id(place.holder)]:
                place.holder._restore_from_tensors(waiting.pop(id(place.holder)))
                done += 1
    except FormatError as error:
        raise FormatError(
            f"the checkpoint changed while it was read: {done} objects hold its values, the others do not: "
            f"restore again ({error})"
        ) from None


def _attributes(places: Mapping[str, Place]) -> dict[int, int]:
    """How many tensors each holder has."""
    found: dict[int, int] = {}
    for place in places.values():
        found[id(place.holder)] = found.get(id(place.holder), 0) + 1
    return found


def _tensors(values: Iterable[Value], source: Checkpoint) -> Iterator[tuple[Value, Any]]:
    """Each value as a tensor, read a little ahead by other threads, made here: devices are per thread."""
    values = deque(values)
    ahead: deque[tuple[Value, Future[Array]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        while values or ahead:
            while values and len(ahead) < _AHEAD:
                value = values.popleft()
                ahead.append((value, pool.submit(_array, value, source)))
            value, reading = ahead.popleft()
            tensor = _tensor(reading.result(), value.step.spec)
            del reading
            yield value, tensor
            del tensor


def _array(value: Value, source: Checkpoint) -> Array:
    if isinstance(value, Made):
        return value.array
    entry = value.entry
    raw = _aligned(entry.size)
    source.shard_file(entry.shard).read_into(entry.offset, memoryview(raw))
    check_tensor(entry, memoryview(raw), f"tensor {value.key!r} of {source.prefix}")
    return raw.view(entry.spec.dtype.numpy).reshape(entry.spec.shape)


def _aligned(size: int) -> Array:
    """Memory that TensorFlow takes over as it is."""
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size]


def _tensor(array: Array, spec: TensorSpec) -> Any:
    wanted = tf.as_dtype(spec.dtype.value)
    if spec.dtype is DType.STRING:
        return tf.constant(array, tf.string)
    # tf.convert_to_tensor would copy the array first, in case that its owner changes it: nobody owns this one
    tensor = ops.EagerTensor(array, context.context().device_name, None)
    return tensor if tensor.dtype == wanted else tf.bitcast(tensor, wanted)
