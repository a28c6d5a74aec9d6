"""The variables of a graph, in the order in which the program made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migration.formats.meta_graph.nodes import VARIABLE_OPS, GraphNode
from migration.tensors import DType

if TYPE_CHECKING:
    from migration.formats.proto.meta_graph_pb2 import MetaGraph as MetaGraphDef
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


def variables(nodes: Mapping[str, GraphNode], message: MetaGraphDef) -> Mapping[str, GraphVariable]:
    """Every variable op of the graph by name, in creation order; slices as the collections tell them."""
    protos = {proto.variable_name.removesuffix(":0"): proto for proto in _protos(message)}
    trainable = {
        proto.variable_name.removesuffix(":0")
        for proto in collection_variables(message, "trainable_variables")
    }
    found: dict[str, GraphVariable] = {}
    for node in nodes.values():
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


def _protos(message: MetaGraphDef) -> Iterator[VariableDef]:
    for name in _PROTO_COLLECTIONS:
        yield from collection_variables(message, name)


def collection_variables(message: MetaGraphDef, name: str) -> Iterator[VariableDef]:
    """The variables that a collection of that name lists; none where it holds other things."""
    from google.protobuf.message import DecodeError

    from migration.formats.proto import meta_graph_pb2

    if name not in message.collection_def:
        return
    for raw in message.collection_def[name].bytes_list.value:
        try:
            yield meta_graph_pb2.Variable.FromString(raw)
        except DecodeError:  # a collection of that name with things of the user's own
            continue
