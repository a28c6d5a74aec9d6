"""Bringing a match into variables: by feeding keys to the ops that a Saver has, never by adding ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import io_ops

from legacy_ckpt.fitting.inventory import Inventory
from legacy_ckpt.fitting.matching import Binding, Match, part_shape
from legacy_ckpt.fitting.wanted import ReadOp, RestoreOps


def run_graph(sess: Any, ops: RestoreOps, match: Match, inventory: Inventory, saver_def: Any) -> None:
    """Runs the assignments whose every value is bound; the others stay untouched.

    The keys and slices of a RestoreV2 op are constants in the graph, and constants can be fed: so the
    same op, in a finalized graph too, reads another key. Where it also reads what the checkpoint has
    not, a small tensor of the same dtype stands in; its assignment is not run.
    """
    bound = iter(match.bindings)
    per_read = [[next(bound) for _ in read.wanted] for read in ops.reads]
    runnable = [
        assignment.op
        for assignment in ops.assignments
        if all(per_read[read][output] is not None for read, output in assignment.takes)
    ]
    if not runnable:
        return
    feeds: dict[Any, Any] = {saver_def.filename_tensor_name: inventory.prefix}
    for read, bindings in zip(ops.reads, per_read, strict=True):
        feeds |= _feeds(read, bindings, inventory)
    sess.run(saver_def.restore_op_name if match.is_complete else runnable, feeds)


def _feeds(read: ReadOp, bindings: Sequence[Binding | None], inventory: Inventory) -> dict[Any, Any]:
    if all(binding is not None and binding.is_plain for binding in bindings):
        return {}
    chosen = [
        (binding.key, binding.slice_spec) if binding else _stand_in(wish.dtype, inventory)
        for binding, wish in zip(bindings, read.wanted, strict=True)
    ]
    keys = [pair for pair in chosen if pair is not None]
    if len(keys) < len(chosen) or not all(map(read.op.graph.is_feedable, read.op.inputs[1:])):
        return _values(read, bindings, inventory)
    return {
        read.op.inputs[1]: np.array([key.encode() for key, _ in keys], object),
        read.op.inputs[2]: np.array([spec.encode() for _, spec in keys], object),
    }


def _stand_in(dtype: tf.DType, inventory: Inventory) -> tuple[str, str] | None:
    fitting = [
        (int(np.prod(held.shape, dtype=np.int64)), key)
        for key, held in inventory.held.items()
        if held.dtype == dtype
    ]
    return (min(fitting)[1], "") if fitting else None


def _values(read: ReadOp, bindings: Sequence[Binding | None], inventory: Inventory) -> dict[Any, Any]:
    """The values themselves: where the checkpoint has nothing of a dtype, or the keys may not be fed."""
    return {
        output: cut(inventory.read(binding.key), binding.slice_spec)
        for output, binding in zip(read.op.outputs, bindings, strict=True)
        if binding is not None
    }


def run_eager(saveables: Sequence[Any], match: Match, inventory: Inventory, reshape: bool) -> None:
    """Reads what is bound in one op, and restores every saveable that is bound in full."""
    bound = iter(match.bindings)
    whole = []
    for saveable in saveables:
        bindings = [next(bound) for _ in saveable.specs]
        if all(bindings):
            whole.append((saveable, [binding for binding in bindings if binding]))
    wanted = [binding for _, bindings in whole for binding in bindings]
    if not wanted:
        return
    with tf.device("cpu:0"):
        tensors = iter(
            io_ops.restore_v2(
                inventory.prefix,
                [binding.key for binding in wanted],
                [binding.slice_spec for binding in wanted],
                [binding.wanted.dtype for binding in wanted],
            )
        )
    for saveable, filled in whole:
        shapes = [spec.tensor.shape for spec in saveable.specs] if reshape else None
        saveable.restore([next(tensors) for _ in filled], shapes)


def cut(value: Any, slice_spec: str) -> Any:
    """The part of an array that a slice spec such as "4 2 0,2:-" names; all of it for ""."""
    if not slice_spec:
        return value
    extents = slice_spec.split()[-1].split(":")
    starts = [0 if extent == "-" else int(extent.split(",")[0]) for extent in extents]
    return value[tuple(slice(s, s + n) for s, n in zip(starts, part_shape(slice_spec), strict=True))]
