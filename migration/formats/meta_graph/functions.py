"""Function bodies laid out in place, so that a graph with TF2 control flow reads like one without.

`tf.while_loop`, `tf.cond` and calls of `tf.function` keep their ops in a library of functions since
TensorFlow 1.13 (control flow v2). Each call site gets the body's nodes under its own name, with the
arguments replaced by what the call passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from migration.formats.meta_graph.nodes import VARIABLE_OPS, GraphNode, data_inputs, is_output_index

if TYPE_CHECKING:
    from migration.formats.proto.meta_graph_pb2 import Function

# The attributes that name a body, and how many inputs stand before its arguments.
_CALLS: Mapping[str, tuple[tuple[str, ...], int]] = {
    "While": (("body",), 0),
    "StatelessWhile": (("body",), 0),
    "If": (("then_branch", "else_branch"), 1),
    "StatelessIf": (("then_branch", "else_branch"), 1),
    "PartitionedCall": (("f",), 0),
    "StatefulPartitionedCall": (("f",), 0),
}
_DEEPEST = 8  # calls within calls
# A library that calls itself must not fill the memory, nor take long to follow.
_MOST_NODES = 2_000_000
_MOST_COPIES = 50  # of a graph's nodes, on average
_ALWAYS = 50_000  # nodes of a small graph
_MOST_CHARACTERS = 1 << 27  # of all names together, which are longer with every call


def inlined(nodes: Mapping[str, GraphNode], functions: Mapping[str, Function]) -> dict[str, GraphNode]:
    """The nodes of every function that a node of the graph calls, as `call/node`, outermost first."""
    found: dict[str, GraphNode] = {}
    defined = len(nodes) + sum(len(function.node_def) for function in functions.values())
    most, characters = min(_MOST_NODES, max(_ALWAYS, _MOST_COPIES * defined)), 0
    waiting = deque((node, 0) for node in nodes.values() if node.op in _CALLS)
    while waiting:
        call, depth = waiting.popleft()
        for body in _bodies(call, functions):
            for node in _placed(call, body, len(nodes) + len(found)):
                characters += len(node.name) + sum(map(len, node.inputs))
                if len(found) >= most or characters > _MOST_CHARACTERS:
                    return found
                found.setdefault(node.name, node)
                if node.op in _CALLS and depth < _DEEPEST:
                    waiting.append((node, depth + 1))
    return found


def _bodies(call: GraphNode, functions: Mapping[str, Function]) -> Iterator[Function]:
    for attribute in _CALLS[call.op][0]:
        name = call.raw.attr[attribute].func.name if attribute in call.raw.attr else ""
        if name in functions:
            yield functions[name]


def _placed(call: GraphNode, body: Any, order: int) -> Iterator[GraphNode]:
    passed = call.inputs[_CALLS[call.op][1] :]
    arguments = dict(zip((one.name for one in body.signature.input_arg), passed, strict=False))
    if "While" in call.op:  # only what the loop hands on unchanged is worth what the call passed
        unchanged = set(body.ret.values())
        arguments = {name: tensor for name, tensor in arguments.items() if name in unchanged}
    prefix = f"{call.name}/{body.signature.name}"
    for place, raw in enumerate(body.node_def):
        if raw.op in VARIABLE_OPS:
            continue
        op = raw.op
        inputs = tuple(_outer(name, prefix, arguments) for name in data_inputs(raw, op))
        yield GraphNode(f"{prefix}/{raw.name}", op, inputs, order + place, raw)


def _outer(tensor: str, prefix: str, arguments: Mapping[str, str]) -> str:
    """A body's tensor name in the graph: an argument, or `node:output:index` as `prefix/node:index`."""
    if tensor in arguments:
        return arguments[tensor]
    name, _, index = tensor.rpartition(":")
    node = name.partition(":")[0] or tensor
    numbered = is_output_index(index) and index != "0" and name
    return f"{prefix}/{node}:{index}" if numbered else f"{prefix}/{node}"
