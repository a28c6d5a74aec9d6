"""Nodes of a GraphDef as values, and the arithmetic of their constants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from migration.errors import FormatError
from migration.tensors import DType

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.proto.meta_graph_pb2 import Node

VARIABLE_OPS = frozenset({"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable"})
# Ops that hand their first input on as it is, or as another type: through these a read is followed.
TRANSPARENT_OPS = frozenset(
    {
        *("Identity", "RefIdentity", "ReadVariableOp", "Cast", "Snapshot", "DeepCopy"),
        *("Enter", "RefEnter", "Exit", "NextIteration", "Switch", "RefSwitch"),
        *("StopGradient", "PreventGradient", "CheckNumerics"),
    }
)
MOST_FILLED = 1 << 20  # elements that a constant's last value may be spread over: more is no hyperparameter


class GraphNode(NamedTuple):  # a tuple: graphs have hundreds of thousands
    """One node. `inputs` are tensor names (`op`, `op:1`), control inputs left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    order: int
    raw: Node

    @classmethod
    def of(cls, raw: Node, order: int) -> GraphNode:
        """The node of that message, which is kept and read only where an attribute is asked for."""
        return cls(raw.name, raw.op, data_inputs(raw), order, raw)

    def flag(self, attribute: str) -> bool:
        """A bool attribute; False where the graph leaves it out, which is every such default here."""
        return bool(self.raw.attr[attribute].b) if attribute in self.raw.attr else False

    def text(self, attribute: str) -> str:
        """A string attribute, '' where there is none."""
        return self.raw.attr[attribute].s.decode("utf-8", "replace") if attribute in self.raw.attr else ""

    def number(self, attribute: str) -> int | None:
        """An int attribute, None where there is none."""
        return self.raw.attr[attribute].i if attribute in self.raw.attr else None

    def dtype(self, attribute: str = "dtype") -> DType | None:
        """A type attribute, a reference type as its base; None where there is none."""
        number = self.raw.attr[attribute].type if attribute in self.raw.attr else 0
        return DType.from_number(number) if number else None

    def shape(self, attribute: str = "shape") -> tuple[int, ...] | None:
        """A fully known shape attribute, else None."""
        if attribute not in self.raw.attr or self.raw.attr[attribute].shape.unknown_rank:
            return None
        dims = tuple(dim.size for dim in self.raw.attr[attribute].shape.dim)
        return None if any(size < 0 for size in dims) else dims

    def array(self) -> np.ndarray[Any, Any] | None:
        """The value of a Const as an array, strings as an object array of bytes; None for other nodes."""
        return decode_constant(self.raw.attr["value"].tensor) if self.op == "Const" else None


def data_inputs(raw: Node) -> tuple[str, ...]:
    """A node's inputs without the control inputs (`^op`), which come last."""
    names = tuple(raw.input)
    while names and names[-1].startswith("^"):
        names = names[:-1]
    return names


def split_tensor(tensor: str) -> tuple[str, int]:
    """(op name, output index) of a tensor name of a graph: "a/b:1" -> ("a/b", 1), "a/b" -> ("a/b", 0)."""
    name, colon, index = tensor.rpartition(":")
    return (name, int(index)) if colon and index.isdigit() else (tensor, 0)


_FIELDS = {
    DType.FLOAT32: "float_val",
    DType.FLOAT64: "double_val",
    DType.INT32: "int_val",
    DType.INT16: "int_val",
    DType.INT8: "int_val",
    DType.UINT8: "int_val",
    DType.INT64: "int64_val",
    DType.BOOL: "bool_val",
    DType.STRING: "string_val",
    DType.FLOAT16: "half_val",
    DType.BFLOAT16: "half_val",
}


def decode_constant(tensor: Any) -> np.ndarray[Any, Any] | None:
    """The array of a TensorProto: its content, or its list of values, whose last one fills the rest.

    None for types that hold no plain numbers or strings (the rule is tensor.proto's).
    """
    import numpy as np

    try:
        dtype = DType.from_number(tensor.dtype)
    except FormatError:  # a type newer than this table: as if it were no constant
        return None
    field = _FIELDS.get(dtype)
    if field is None:
        return None
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if any(size < 0 for size in shape):
        return None
    if tensor.tensor_content and dtype is not DType.STRING:
        if len(tensor.tensor_content) != math.prod(shape) * dtype.numpy.itemsize:
            return None
        return np.frombuffer(tensor.tensor_content, dtype.numpy).reshape(shape)
    values = list(getattr(tensor, field))
    return _spread(values, dtype, shape) if math.prod(shape) <= max(len(values), MOST_FILLED) else None


def _spread(values: list[Any], dtype: DType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    import numpy as np

    if dtype in (DType.FLOAT16, DType.BFLOAT16):  # kept as their bits
        listed = np.array(values or [0], np.uint16).view(dtype.numpy)
    elif dtype is DType.STRING:
        listed = np.empty(max(len(values), 1), object)
        listed[:] = values or [b""]
    else:
        listed = np.array(values or [0]).astype(dtype.numpy)
    size = math.prod(shape)
    if len(listed) < size:
        listed = np.concatenate([listed, np.repeat(listed[-1:], size - len(listed))])
    return listed[:size].reshape(shape)
