"""Optimizer ops: which variable each one updates, which slots it reads, and what its numbers are.

The argument lists are those of TensorFlow's public op definitions (training_ops.cc); a sparse form has
`indices` after `grad`.
"""

from __future__ import annotations

from collections.abc import Mapping

from migration.formats.meta_graph.composed import composed_adam
from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.nodes import GraphNode
from migration.formats.meta_graph.update import Update, scope_of

_ARGUMENTS: Mapping[str, str] = {
    "Adam": "var m v beta1_power beta2_power lr beta1 beta2 epsilon grad",
    "AdamWithAmsgrad": "var m v vhat beta1_power beta2_power lr beta1 beta2 epsilon grad",
    "AdaMax": "var m v beta1_power lr beta1 beta2 epsilon grad",
    "Adadelta": "var accum accum_update lr rho epsilon grad",
    "Adagrad": "var accum lr grad",
    "AdagradV2": "var accum lr epsilon grad",
    "AdagradDA": "var gradient_accumulator gradient_squared_accumulator grad lr l1 l2 global_step",
    "AddSign": "var m lr alpha sign_decay beta grad",
    "PowerSign": "var m lr logbase sign_decay beta grad",
    "CenteredRMSProp": "var mg ms mom lr rho momentum epsilon grad",
    "RMSProp": "var ms mom lr rho momentum epsilon grad",
    "Ftrl": "var accum linear grad lr l1 l2 lr_power",
    "FtrlV2": "var accum linear grad lr l1 l2 l2_shrinkage lr_power",
    "GradientDescent": "var lr grad",
    "ProximalGradientDescent": "var lr l1 l2 grad",
    "ProximalAdagrad": "var accum lr l1 l2 grad",
    "Momentum": "var accum lr grad momentum",
    "KerasMomentum": "var accum lr grad momentum",
}
_SLOT_ARGUMENTS = frozenset(
    {
        *("m", "v", "vhat", "mg", "ms", "mom", "accum", "accum_update", "linear"),
        *("gradient_accumulator", "gradient_squared_accumulator"),
    }
)
_NO_NUMBERS = frozenset({"var", "grad", "indices"})


def updates(graph: Graph) -> tuple[Update, ...]:
    """Every optimizer step in the graph, in creation order: fused ops, and Adams made of plain ops."""
    found: list[tuple[int, Update]] = []
    for node in graph.nodes.values():
        update = _fused(graph, node) or composed_adam(graph, node)
        if update is not None:
            found.append((node.order, update))
    return tuple(update for _, update in found)


def _fused(graph: Graph, node: GraphNode) -> Update | None:
    sparse = "SparseApply" in node.op
    kind = node.op.removeprefix("Resource").removeprefix("Sparse").removeprefix("Apply")
    if "Apply" not in node.op or kind not in _ARGUMENTS:
        return None
    names = _ARGUMENTS[kind].split()
    if sparse:
        names.insert(names.index("grad") + 1, "indices")
    if len(node.inputs) < len(names):
        return None
    arguments = dict(zip(names, node.inputs, strict=False))
    variable = graph.variable(arguments["var"])
    if variable is None:
        return None
    slots = {name: graph.variable(arguments[name]) for name in names if name in _SLOT_ARGUMENTS}
    return Update(
        node=node.name,
        kind=kind,
        variable=variable,
        slots={name: slot for name, slot in slots.items() if slot is not None},
        numbers={
            name: graph.feed(tensor)
            for name, tensor in arguments.items()
            if name not in _NO_NUMBERS and name not in _SLOT_ARGUMENTS
        },
        nesterov=node.flag("use_nesterov"),
        scope=scope_of(node.name),
    )
