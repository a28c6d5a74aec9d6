"""Moving averages of variables, told by how the graph updates them."""

from __future__ import annotations

from collections.abc import Mapping

from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.nodes import GraphNode

_WRITES = frozenset({"AssignSub", "AssignSubVariableOp"})


def averages(graph: Graph) -> Mapping[str, str]:
    """Shadow variable -> the variable that it averages (op names).

    The update is `shadow -= (shadow - variable) * (1 - decay)` (tf.train.ExponentialMovingAverage). An
    average of a computed tensor, as batch norm's moving mean is, has no variable and is not told here.
    """
    found: dict[str, str] = {}
    for node in graph.nodes.values():
        if node.op in _WRITES and len(node.inputs) > 1:
            shadow = graph.variable(node.inputs[0])
            averaged = _averaged(graph, node, shadow) if shadow is not None else None
            if shadow is not None and averaged is not None:
                found[shadow] = averaged
    return found


def _averaged(graph: Graph, write: GraphNode, shadow: str) -> str | None:
    product = graph.origin(write.inputs[1])
    if product is None or product.op != "Mul":
        return None
    for tensor in product.inputs:
        difference = graph.origin(tensor)
        if difference is None or difference.op != "Sub" or graph.variable(difference.inputs[0]) != shadow:
            continue
        other = graph.variable(difference.inputs[1])
        if (
            other is not None
            and other != shadow
            and graph.variables[other].shape == graph.variables[shadow].shape
        ):
            return other
    return None
