"""What a Saver asks a checkpoint for: read off the restore ops of a graph, or off eager saveables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import handle_data_util, resource_variable_ops

Shape = tuple[int | None, ...]

_PASSES_ON = frozenset({"Identity", "Reshape"})  # what builders put between a read and its assignment
_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One tensor that a restore reads: its key, the part of it, and what it is assigned to.

    `shape` is None where it is not known, or where a custom SaveableObject takes the value.
    """

    name: str
    slice_spec: str
    dtype: tf.DType
    shape: Shape | None
    reshape: bool

    def __str__(self) -> str:
        return str(self.dtype.name) + ("" if self.shape is None else dims(self.shape))


@dataclass(frozen=True, slots=True)
class ReadOp:
    """A RestoreV2 op, and what each of its outputs reads."""

    op: tf.Operation
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """An op that puts values into place, and the (read op, output) pairs that it takes."""

    op: tf.Operation
    takes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RestoreOps:
    """The restore part of a Saver's graph."""

    reads: tuple[ReadOp, ...]
    assignments: tuple[Assignment, ...]

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Everything read, op after op."""
        return tuple(wanted for read in self.reads for wanted in read.wanted)


def restore_ops(graph: tf.Graph, restore_op_name: str) -> RestoreOps | None:
    """The ops that the restore op runs; None where there is no such op, or one that reads otherwise."""
    found: dict[str, int] = {}
    ops: list[tf.Operation] = []
    assignments = []
    try:
        everything = graph.get_operation_by_name(restore_op_name)
    except (KeyError, ValueError):
        return None  # another graph than the Saver's: to run the op says so
    for op in _leaves(everything):
        takes = []
        for tensor in _reads_behind(op):
            if tensor.op.name not in found:
                found[tensor.op.name] = len(ops)
                ops.append(tensor.op)
            takes.append((found[tensor.op.name], tensor.value_index))
        if takes:
            assignments.append(Assignment(op, tuple(takes)))
    targets = {take: a.op for a in assignments for take in a.takes}
    reads = [_read_op(index, op, targets) for index, op in enumerate(ops)]
    return None if not reads or None in reads else RestoreOps(tuple(filter(None, reads)), tuple(assignments))


def _leaves(op: tf.Operation) -> Iterator[tf.Operation]:
    """The ops that a group runs; `tf.group` nests one NoOp a device."""
    pending, seen = [op], {op.name}
    while pending:
        current = pending.pop()
        if current.type != "NoOp":
            yield current
            continue
        fresh = [other for other in current.control_inputs if other.name not in seen]
        seen.update(other.name for other in fresh)
        pending.extend(reversed(fresh))


def _reads_behind(op: tf.Operation) -> list[tf.Tensor]:
    """The RestoreV2 outputs that `op` depends on, in order."""
    pending, seen, reads = list(reversed(list(op.inputs))), set(), []
    while pending:
        tensor = pending.pop()
        if tensor.name in seen:
            continue
        seen.add(tensor.name)
        if tensor.op.type == "RestoreV2":
            reads.append(tensor)
        else:
            pending.extend(reversed(list(tensor.op.inputs)))
    return reads


def _read_op(index: int, op: tf.Operation, targets: dict[tuple[int, int], tf.Operation]) -> ReadOp | None:
    names, slices = constant_strings(op.inputs[1]), constant_strings(op.inputs[2])
    if names is None or slices is None:
        return None
    wanted = []
    for output, tensor in enumerate(op.outputs):
        shape, reshape = _target(targets.get((index, output)))
        wanted.append(
            Wanted(
                name=names[output],
                slice_spec=slices[output],
                dtype=tensor.dtype.base_dtype,
                shape=shape,
                reshape=reshape,
            )
        )
    return ReadOp(op, tuple(wanted))


def constant_strings(tensor: tf.Tensor) -> list[str] | None:
    """The value of a constant vector of strings; None for anything else.

    `tensor_util.constant_value` would mark the tensor as one that must not be fed, and it will be.
    """
    if tensor.op.type != "Const":
        return None
    return [value.decode() for value in tf.make_ndarray(tensor.op.get_attr("value")).reshape(-1)]


def _target(assign: tf.Operation | None) -> tuple[Shape | None, bool]:
    """The shape of the variable that `assign` writes, and whether the value is reshaped first."""
    if assign is None or assign.type not in _ASSIGNS:
        return None, False
    value, reshape = assign.inputs[1], False
    while value.op.type in _PASSES_ON:
        reshape = reshape or value.op.type == "Reshape"
        value = value.op.inputs[0]
    if value.op.type != "RestoreV2":
        return None, False
    if assign.type == "Assign" and not assign.get_attr("validate_shape") and not reshape:
        return None, False
    return _variable_shape(assign.inputs[0]), reshape


def _variable_shape(variable: tf.Tensor) -> Shape | None:
    """The static shape of a variable: of its ref tensor, its handle's op, or inferred for the handle."""
    if variable.dtype != tf.resource:
        return shape_of(variable.shape)
    if variable.op.type == "VarHandleOp":
        return shape_of(tf.TensorShape(variable.op.get_attr("shape")))
    handle = handle_data_util.get_resource_handle_data(variable)
    if handle is None or not handle.is_set or len(handle.shape_and_type) != 1:
        return None
    return shape_of(tf.TensorShape(handle.shape_and_type[0].shape))


def dims(shape: Sequence[int | None]) -> str:
    """A shape as people read it: "[2, ?]"."""
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def shape_of(shape: tf.TensorShape) -> Shape | None:
    """A static shape as a tuple; None where not even the rank is known."""
    return None if shape.rank is None else tuple(shape.as_list())


def wanted_by_saveables(saveables: Sequence[Any], reshape: bool) -> tuple[Wanted, ...]:
    """What eager saveables ask for, spec by spec."""
    return tuple(
        Wanted(
            name=spec.name,
            slice_spec=spec.slice_spec,
            dtype=spec.dtype,
            shape=_saveable_shape(saveable),
            reshape=reshape,
        )
        for saveable in saveables
        for spec in saveable.specs
    )


def _saveable_shape(saveable: Any) -> Shape | None:
    """The shape of the one variable that a saveable assigns; None for a custom one."""
    if hasattr(saveable, "_var_shape"):
        return shape_of(saveable._var_shape)
    held = [value for value in vars(saveable).values() if resource_variable_ops.is_resource_variable(value)]
    return shape_of(held[0].shape) if len(held) == len(saveable.specs) == 1 else None
