"""A graph with its nodes by name: which variable a tensor reads, and what a scalar is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from migration.errors import FormatError
from migration.formats.located import located
from migration.formats.meta_graph.functions import inlined
from migration.formats.meta_graph.nodes import TRANSPARENT_OPS, VARIABLE_OPS, GraphNode, split_tensor
from migration.formats.meta_graph.variables import GraphVariable, variables

if TYPE_CHECKING:
    from migration.formats.proto import meta_graph_pb2

DEEPEST = 64  # ops between a value and what it is made of; graphs of while loops have cycles
MOST_FOLDED = 128  # operations that make one constant: where they share operands, ways through them multiply

_FOLDED: Mapping[str, Callable[..., float]] = {
    "Neg": lambda x: -x,
    "Sqrt": lambda x: math.sqrt(x),
    "Rsqrt": lambda x: 1 / math.sqrt(x),
    "Square": lambda x: x * x,
    "Exp": lambda x: math.exp(x),
    "Add": lambda x, y: x + y,
    "AddV2": lambda x, y: x + y,
    "Sub": lambda x, y: x - y,
    "Mul": lambda x, y: x * y,
    "RealDiv": lambda x, y: x / y,
    "Div": lambda x, y: x / y,
    "Pow": lambda x, y: x**y,
    "Maximum": lambda x, y: max(x, y),
    "Minimum": lambda x, y: min(x, y),
}


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a scalar comes from: a constant, a variable (its op's name), or, with neither, a computation."""

    tensor: str
    constant: float | None = None
    variable: str | None = None


@dataclass(frozen=True)
class Graph:
    """The nodes of a MetaGraphDef, parsed where they are asked for. `where` stands in error texts."""

    raw: bytes
    saved_model: bool = False
    where: str = "the graph file"

    @cached_property
    def message(self) -> meta_graph_pb2.MetaGraph:
        """The parsed message. Raises FormatError for bytes of another kind."""
        from google.protobuf.message import DecodeError

        from migration.formats.proto import meta_graph_pb2

        try:
            if not self.saved_model:
                return meta_graph_pb2.MetaGraph.FromString(self.raw)
            graphs = meta_graph_pb2.SavedModel.FromString(self.raw).meta_graphs
        except DecodeError:
            raise FormatError(
                f"{self.where}: truncated, or no MetaGraphDef: copy it again, or remove it"
            ) from None
        if not graphs:
            raise FormatError(f"{self.where}: the SavedModel holds no graph: copy saved_model.pb again")
        return next((graph for graph in graphs if "train" in graph.meta_info_def.tags), graphs[0])

    @property
    def tensorflow_version(self) -> str:
        """The version that wrote the graph, '' where it did not say (before 0.12)."""
        return self.message.meta_info_def.tensorflow_version

    @cached_property
    def nodes(self) -> Mapping[str, GraphNode]:
        """Every node by name, in creation order; then those of the functions that nodes call, as
        `call/function/node` (see `functions.py`)."""
        definition = self.message.graph_def
        with located(self.where):
            own = {raw.name: GraphNode.of(raw, order) for order, raw in enumerate(definition.node)}
            functions = {function.signature.name: function for function in definition.library.function}
            return own | inlined(own, functions) if functions else own

    @cached_property
    def consumers(self) -> Mapping[str, tuple[GraphNode, ...]]:
        """The nodes that take each tensor (`op` for an op's first output), in creation order."""
        found: dict[str, list[GraphNode]] = {}
        for node in self.nodes.values():
            for tensor in dict.fromkeys(node.inputs):
                found.setdefault(tensor.removesuffix(":0"), []).append(node)
        return {tensor: tuple(nodes) for tensor, nodes in found.items()}

    def collection(self, name: str) -> tuple[str, ...]:
        """The names in a collection of tensors or ops; () for one of other things, or an absent one."""
        if name not in self.message.collection_def:
            return ()
        return tuple(self.message.collection_def[name].node_list.value)

    def node(self, tensor: str) -> GraphNode | None:
        """The node that makes a tensor."""
        return self.nodes.get(split_tensor(tensor)[0])

    def origin(self, tensor: str, through: frozenset[str] = TRANSPARENT_OPS) -> GraphNode | None:
        """The node where a tensor's value comes from, reads and casts left behind."""
        node = self.node(tensor)
        for _ in range(DEEPEST):
            if node is None or node.op not in through or not node.inputs:
                return node
            node = self.node(node.inputs[0])
        return None

    def variable(self, tensor: str) -> str | None:
        """The op name of the variable that a tensor is, or reads; None for any other tensor."""
        node = self.origin(tensor)
        return node.name if node is not None and node.op in VARIABLE_OPS else None

    def constant(self, tensor: str) -> float | None:
        """The value of a scalar that constants alone make; None where anything else has a say.

        A default that a feed may replace (PlaceholderWithDefault) is no constant. Arithmetic is done
        in double precision and rounded once to the tensor's own type by the caller.
        """
        return self._constant(tensor, DEEPEST, {})

    def _constant(self, tensor: str, depth: int, known: dict[str, float | None]) -> float | None:
        """The same for an operand, with the values of the operations that were met before."""
        node = self.origin(tensor) if depth else None
        if node is None or (node.op != "Const" and node.op not in _FOLDED):
            return None
        if node.op == "Const":
            return _scalar(node)
        if node.name not in known and len(known) < MOST_FOLDED:
            known[node.name] = None  # what is made of itself is no constant
            values = [self._constant(one, depth - 1, known) for one in node.inputs]
            known[node.name] = _folded(node.op, values)
        return known.get(node.name)

    def feed(self, tensor: str) -> Feed:
        """What a hyperparameter's tensor is: a constant, a variable, or something computed."""
        constant = self.constant(tensor)
        return Feed(tensor, constant, None if constant is not None else self.variable(tensor))

    @cached_property
    def variables(self) -> Mapping[str, GraphVariable]:
        """Every variable by its op's name, in creation order."""
        return variables(self.nodes, self.message)


def _scalar(node: GraphNode) -> float | None:
    """The one number that a Const holds; None where it holds anything else."""
    array = node.array()
    if array is None or array.size != 1 or array.dtype == object:
        return None
    return float(array.reshape(())[()])


def _folded(op: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    try:
        return float(_FOLDED[op](*known))
    except (ArithmeticError, ValueError, TypeError):
        return None
