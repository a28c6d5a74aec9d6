"""The variables of a graph, in the order in which the program made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.formats.meta_graph.nodes import VARIABLE_OPS, GraphNode, split_tensor
from migration.tensors import DType

if TYPE_CHECKING:
    from migration.formats.meta_graph.graph import MetaGraph
    from migration.formats.proto.meta_graph_pb2 import Variable as VariableDef

_PROTO_COLLECTIONS = ("variables", "trainable_variables", "local_variables", "model_variables")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphVariable:
    """One variable: `shape` is None where the graph leaves it open, `order` its node's place in the graph.

    `slice_of`, `slice_start` and `slice_total` are set for a part of a partitioned variable: the whole's
    name, where this part starts, and the whole's shape.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: DType | None
    order: int
    is_resource: bool
    trainable: bool = False
    collected: bool = False
    slice_of: str = ""
    slice_start: tuple[int, ...] = ()
    slice_total: tuple[int, ...] = ()


def variables(graph: MetaGraph) -> Mapping[str, GraphVariable]:
    """Every variable op of the graph by name, in creation order; slices as the collections tell them."""
    protos = {proto.variable_name.removesuffix(":0"): proto for proto in _protos(graph)}
    trainable = {
        proto.variable_name.removesuffix(":0") for proto in _collection_protos(graph, "trainable_variables")
    }
    found: dict[str, GraphVariable] = {}
    for node in graph.nodes.values():
        if node.op not in VARIABLE_OPS:
            continue
        proto = protos.get(node.name)
        part = proto.save_slice_info_def if proto is not None else None
        found[node.name] = GraphVariable(
            name=node.name,
            shape=node.shape(),
            dtype=node.dtype(),
            order=node.order,
            is_resource=node.op == "VarHandleOp",
            trainable=node.name in trainable,
            collected=proto is not None,
            slice_of=part.full_name if part is not None else "",
            slice_start=tuple(part.var_offset) if part is not None else (),
            slice_total=tuple(part.full_shape) if part is not None else (),
        )
    return found


def _protos(graph: MetaGraph) -> Iterator[VariableDef]:
    for name in _PROTO_COLLECTIONS:
        yield from _collection_protos(graph, name)


def _collection_protos(graph: MetaGraph, name: str) -> Iterator[VariableDef]:
    from google.protobuf.message import DecodeError

    from migration.formats.proto import meta_graph_pb2

    if name not in graph.message.collection_def:
        return
    for raw in graph.message.collection_def[name].bytes_list.value:
        try:
            yield meta_graph_pb2.Variable.FromString(raw)
        except DecodeError:  # a collection of that name with things of the user's own
            continue


_COUNTING_OPS = frozenset({"AssignAdd", "AssignAddVariableOp"})


def global_step(graph: MetaGraph) -> str | None:
    """The op name of the step variable, None where the graph does not tell which one it is.

    The collection `global_step` names it; without one it is the only scalar variable that a single
    place counts up by the constant one.
    """
    for tensor in graph.collection("global_step"):
        if (variable := graph.variable(tensor)) is not None:
            return variable
    named = [proto.variable_name for proto in _collection_protos(graph, "global_step")]
    if named:
        return split_tensor(named[0])[0]
    counted = {name for node in graph.nodes.values() if (name := _counted(graph, node)) is not None}
    return counted.pop() if len(counted) == 1 else None


def _counted(graph: MetaGraph, node: GraphNode) -> str | None:
    """The scalar variable that this node counts up by one."""
    if node.op not in _COUNTING_OPS or len(node.inputs) < 2:
        return None
    name = graph.variable(node.inputs[0])
    if name is None or graph.variables[name].shape not in ((), (1,)):
        return None
    return name if graph.constant(node.inputs[1]) == 1.0 else None
