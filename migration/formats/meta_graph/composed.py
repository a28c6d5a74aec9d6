"""Adams that a program spelled in plain ops instead of a fused one.

Sparse gradients (embeddings) under `tf.compat.v1.train.AdamOptimizer`, LazyAdam, and the BERT code's
AdamWeightDecay all come down to: some write to the variable takes away a multiple of
`m / (sqrt(v) + epsilon)`, and m and v are slots that the same step wrote. That shape is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from migration.formats.meta_graph.graph import Feed, Graph
from migration.formats.meta_graph.nodes import TRANSPARENT_OPS, VARIABLE_OPS, GraphNode
from migration.formats.meta_graph.update import Update, scope_of

_SUBTRACTING = frozenset({"AssignSub", "AssignSubVariableOp"})
_SCATTERING = frozenset({"ScatterSub", "ResourceScatterSub"})
_ASSIGNING = frozenset({"Assign", "AssignVariableOp"})
_SCATTERED = frozenset({"ScatterUpdate", "ResourceScatterUpdate"})
_HANDING_ON = frozenset({"ScatterAdd", "ScatterUpdate", "ScatterSub", "Assign", "AssignAdd", "AssignSub"})
_GATHERING = frozenset({"Gather", "GatherV2", "ResourceGather"})
_SUMS = frozenset({"Add", "AddV2"})
_TERMS = frozenset({"Add", "AddV2", "Sub", "Mul", "Neg"})
_QUOTIENTS = frozenset({"RealDiv", "Div"})
_POWERS = frozenset({"Pow", *VARIABLE_OPS})
_MOST_TERMS = 40  # nodes looked at below one write; an initializer's expression can be long


def composed_adam(graph: Graph, node: GraphNode) -> Update | None:
    """The Adam step that ends in this write to a variable, None for any other node."""
    value = _written(node)
    ratio = _adam_ratio(graph, value) if value is not None else None
    if value is None or ratio is None:
        return None
    variable = graph.variable(node.inputs[0])
    denominator = graph.origin(ratio.inputs[1])
    if variable is None or denominator is None:
        return None
    root, epsilon = _root_and_epsilon(graph, denominator)
    m, factors = _moment_and_factors(graph, ratio.inputs[0])
    v = slot_written(graph, root.inputs[0]) if root is not None else None
    if m is None or v is None or len({variable, m, v}) < 3:
        return None
    if len({graph.variables[name].shape for name in (variable, m, v)}) > 1:
        return None
    numbers = _rate(graph, [*factors, *_factors_above(graph, value, ratio)], value)
    numbers["epsilon"] = graph.feed(epsilon)
    for name, slot in (("beta1", m), ("beta2", v)):
        if (decay := _decay(graph, slot)) is not None:
            numbers[name] = decay
    kind = "Adam" if "beta1_power" in numbers else "AdamWeightDecay"
    scope = scope_of(node.name)
    return Update(
        node=node.name, kind=kind, variable=variable, slots={"m": m, "v": v}, numbers=numbers, scope=scope
    )


def _written(node: GraphNode) -> str | None:
    """The tensor that a write subtracts, or sets."""
    if node.op in _SUBTRACTING or node.op in _ASSIGNING:
        return node.inputs[1] if len(node.inputs) > 1 else None
    return node.inputs[2] if node.op in _SCATTERING and len(node.inputs) > 2 else None


def _terms(graph: Graph, tensor: str, ops: frozenset[str]) -> Iterator[GraphNode]:
    """The nodes below a tensor that only sums and products separate from it."""
    waiting, seen = [tensor], 0
    while waiting and seen < _MOST_TERMS:
        node = graph.origin(waiting.pop(0))
        if node is None:
            continue
        seen += 1
        yield node
        if node.op in ops:
            waiting.extend(node.inputs)


def _adam_ratio(graph: Graph, tensor: str) -> GraphNode | None:
    """The quotient by (sqrt(..) + constant) in a written value."""
    for node in _terms(graph, tensor, _TERMS):
        if node.op in _QUOTIENTS:
            below = graph.origin(node.inputs[1])
            if below is not None and below.op in _SUMS and _root_and_epsilon(graph, below)[0] is not None:
                return node
    return None


def _root_and_epsilon(graph: Graph, total: GraphNode) -> tuple[GraphNode | None, str]:
    for one, other in (total.inputs[:2], total.inputs[1::-1]):
        root = graph.origin(one)
        if root is not None and root.op == "Sqrt":
            return root, other
    return None, ""


def _factors(graph: Graph, tensor: str) -> Iterator[tuple[str, GraphNode, bool]]:
    """(tensor, node, whether it divides) of each factor of a product."""
    waiting = [(tensor, False)]
    for _ in range(_MOST_TERMS):
        if not waiting:
            return
        name, divides = waiting.pop(0)
        node = graph.origin(name)
        if node is None:
            continue
        if node.op == "Mul":
            waiting += [(one, divides) for one in node.inputs]
        elif node.op in _QUOTIENTS:
            waiting += [(node.inputs[0], divides), (node.inputs[1], not divides)]
        else:
            yield name, node, divides


def _moment_and_factors(graph: Graph, tensor: str) -> tuple[str | None, list[str]]:
    """The slot among a numerator's factors, and the other factors (those of the learning rate)."""
    whole = slot_written(graph, tensor)
    if whole is not None:
        return whole, []
    node = graph.origin(tensor)
    if node is None or node.op != "Mul":
        return None, []
    for one, other in (node.inputs[:2], node.inputs[1::-1]):
        slot = slot_written(graph, one)
        shape = graph.variables[slot].shape if slot is not None else ()
        if slot is not None and shape != ():  # a scalar variable is a learning rate
            return slot, [other]
    return None, []


def slot_written(graph: Graph, tensor: str) -> str | None:
    """The variable whose new value a tensor is: read after the write, handed on by it, or written by it."""
    node = graph.origin(tensor)
    for _ in range(_MOST_TERMS):  # rows are gathered of what was gathered, in a damaged graph without end
        if node is None or node.op not in _GATHERING:
            break
        node = graph.origin(node.inputs[0])
    if node is None or node.op in VARIABLE_OPS:
        return node.name if node is not None else None
    if node.op in _HANDING_ON:
        return graph.variable(node.inputs[0])
    for reader in graph.consumers.get(node.name, ()):
        if reader.op in _ASSIGNING and reader.inputs[1].removesuffix(":0") == node.name:
            return graph.variable(reader.inputs[0])
        if reader.op in _SCATTERED and reader.inputs[2].removesuffix(":0") == node.name:
            return graph.variable(reader.inputs[0])
    return None


def _factors_above(graph: Graph, value: str, ratio: GraphNode) -> list[str]:
    """The factors that stand beside the ratio, or a sum that holds it, in a written value."""
    node = graph.origin(value)
    for _ in range(_MOST_TERMS):
        if node is None or node.name == ratio.name or node.op not in _TERMS:
            return []
        branch = [one for one in node.inputs if any(n.name == ratio.name for n in _terms(graph, one, _TERMS))]
        if not branch:
            return []
        if node.op == "Mul":
            return [one for one in node.inputs if one != branch[0]]
        node = graph.origin(branch[0])
    return []


def _rate(graph: Graph, tensors: list[str], value: str) -> dict[str, Feed]:
    """The learning rate, and the beta powers that correct it, among the factors of a step."""
    numbers: dict[str, Feed] = {}
    rates: list[str] = []
    for tensor, node, divides in [factor for one in tensors for factor in _factors(graph, one)]:
        power = _power(graph, node)
        if power is not None:
            numbers["beta1_power" if divides else "beta2_power"] = Feed(power, variable=graph.variable(power))
        else:
            rates.append(tensor)
    numbers["lr"] = graph.feed(rates[0]) if len(rates) == 1 else Feed(value)
    return numbers


def _power(graph: Graph, node: GraphNode) -> str | None:
    """The power in `1 - power` or `sqrt(1 - power)`: a variable, or computed of a step count."""
    inner = graph.origin(node.inputs[0]) if node.op == "Sqrt" else node
    if inner is None or inner.op != "Sub" or graph.constant(inner.inputs[0]) != 1.0:
        return None
    power = graph.origin(inner.inputs[1])
    return inner.inputs[1] if power is not None and power.op in _POWERS else None


def _decay(graph: Graph, slot: str) -> Feed | None:
    """The constant that a slot's old value is multiplied by where the slot is written."""
    for reader in graph.consumers.get(slot, ()):
        if reader.op in _ASSIGNING:
            value = reader.inputs[1]
        elif reader.op in _SCATTERED:
            value = reader.inputs[2]
        else:
            continue
        for node in _terms(graph, value, _SUMS):
            if node.op != "Mul":
                continue
            for one, other in (node.inputs[:2], node.inputs[1::-1]):
                if _reads(graph, one, slot) and graph.constant(other) is not None:
                    return graph.feed(other)
    return None


def _reads(graph: Graph, tensor: str, slot: str) -> bool:
    node = graph.origin(tensor, TRANSPARENT_OPS | _GATHERING)
    return node is not None and node.name == slot
