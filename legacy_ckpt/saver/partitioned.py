"""A trackable over a PartitionedVariable, which `tf.train.Checkpoint` refuses by itself."""

from __future__ import annotations

from typing import Any

from tensorflow.python.ops import control_flow_ops, variables
from tensorflow.python.trackable import base
from tensorflow.python.training.saving import saveable_object, saveable_object_util


class TrackablePartitions(base.Trackable):  # type: ignore[misc]  # TensorFlow ships no types
    """One object for all parts: `tf.train.Checkpoint(table=TrackablePartitions(partitioned_variable))`.

    Saved, it is one tensor of the whole shape, stored in slices, under one key; restored, each part
    takes its slice, of a whole tensor or of one that was sliced otherwise.
    """

    def __init__(self, partitioned_variable: Any) -> None:
        """Raises TypeError for anything but what `tf1.get_variable(..., partitioner=...)` returns."""
        if not isinstance(partitioned_variable, variables.PartitionedVariable):
            raise TypeError(
                f"a PartitionedVariable is needed, got {type(partitioned_variable).__name__}: "
                f"track other variables as they are"
            )
        self._partitioned_variable = partitioned_variable

    @property
    def name(self) -> str:
        """The name of the whole variable."""
        return str(self._partitioned_variable.name)

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        return {base.VARIABLE_VALUE_KEY: lambda name: _AllParts(self._partitioned_variable, name)}


class _AllParts(saveable_object.SaveableObject):  # type: ignore[misc]  # TensorFlow ships no types
    """The parts under one key, a spec for each slice."""

    def __init__(self, partitioned_variable: Any, name: str) -> None:
        self._saveables = list(saveable_object_util.saveable_objects_for_op(partitioned_variable, name))
        specs = [spec for saveable in self._saveables for spec in saveable.specs]
        super().__init__(partitioned_variable, specs, name)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        """Assigns each part; returns an op in a graph."""
        shapes = restored_shapes or [None] * len(restored_tensors)
        assigned = [
            saveable.restore([tensor], None if shape is None else [shape])
            for saveable, tensor, shape in zip(self._saveables, restored_tensors, shapes, strict=True)
        ]
        return control_flow_ops.group(*assigned)
