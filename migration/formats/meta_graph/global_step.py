"""Which variable counts the steps of training."""

from __future__ import annotations

from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.nodes import GraphNode, split_tensor
from migration.formats.meta_graph.variables import collection_variables

_COUNTING_OPS = frozenset({"AssignAdd", "AssignAddVariableOp"})


def global_step(graph: Graph) -> str | None:
    """The op name of the step variable, None where the graph does not tell which one it is.

    The collection `global_step` names it; without one it is the only scalar variable that a single
    place counts up by the constant one.
    """
    for tensor in graph.collection("global_step"):
        if (variable := graph.variable(tensor)) is not None:
            return variable
    named = [proto.variable_name for proto in collection_variables(graph.message, "global_step")]
    if named:
        step = split_tensor(named[0])[0]
        return step if step in graph.variables else None
    counted = {name for node in graph.nodes.values() if (name := _counted(graph, node)) is not None}
    return counted.pop() if len(counted) == 1 else None


def _counted(graph: Graph, node: GraphNode) -> str | None:
    """The scalar variable that this node counts up by one."""
    if node.op not in _COUNTING_OPS or len(node.inputs) < 2:
        return None
    name = graph.variable(node.inputs[0])
    if name is None or graph.variables[name].shape not in ((), (1,)):
        return None
    return name if graph.constant(node.inputs[1]) == 1.0 else None
