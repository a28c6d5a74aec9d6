"""Nodes of a GraphDef as values, and the arithmetic of their constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from migration.errors import FormatError
from migration.formats.meta_graph.inputs import INPUTS, check_inputs
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
        op = raw.op
        return cls(raw.name, op, data_inputs(raw, op), order, raw)

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


def data_inputs(raw: Node, op: str) -> tuple[str, ...]:
    """The inputs of a node of that op, without the control inputs (`^op`), which come last.

    Raises FormatError where they are not as many as an op has whose inputs are asked for by their places.
    """
    names = tuple(raw.input)
    count = len(names)
    while count and names[count - 1].startswith("^"):
        count -= 1
    if op in INPUTS:
        check_inputs(op, count, raw.name)
    return names if count == len(names) else names[:count]


def split_tensor(tensor: str) -> tuple[str, int]:
    """(op name, output index) of a tensor name of a graph: "a/b:1" -> ("a/b", 1), "a/b" -> ("a/b", 0)."""
    name, colon, index = tensor.rpartition(":")
    return (name, int(index)) if colon and is_output_index(index) else (tensor, 0)


def is_output_index(text: str) -> bool:
    """Whether a text is the number of an op's output: digits of ASCII, and few."""
    return len(text) < 10 and text.isascii() and text.isdigit()


_CONSTANTS = frozenset(
    {
        *(DType.FLOAT32, DType.FLOAT64, DType.FLOAT16, DType.BFLOAT16, DType.BOOL, DType.STRING),
        *(DType.INT32, DType.INT16, DType.INT8, DType.UINT8, DType.INT64),
    }
)


def decode_constant(tensor: Any) -> np.ndarray[Any, Any] | None:
    """The array of a TensorProto: its content, or its list of values, whose last one fills the rest.

    None for types that hold no plain numbers or strings, for what is larger than any hyperparameter, and
    for values that do not fit what the message says of them.
    """
    from migration.formats.tensor_proto import decode_tensor_proto, spec_of

    try:
        spec = spec_of(tensor)
        return decode_tensor_proto(tensor, spec) if spec.dtype in _CONSTANTS else None
    except FormatError:  # a type newer than this table too: as if it were no constant
        return None
