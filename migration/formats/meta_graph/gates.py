"""The constants of recurrent cells: the forget bias that an LSTM cell adds at run time.

`BasicLSTMCell` and `LSTMCell` compute `sigmoid(f + forget_bias)`, with f the third of the four parts of
`[x, h] @ kernel + bias`; the constant is nowhere in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.nodes import GraphNode, split_tensor

FORGET_GATE = 2  # the order is i, j, f, o
_ADDS = frozenset({"Add", "AddV2", "BiasAdd"})
_SPLITS = frozenset({"Split", "SplitV"})


def forget_biases(graph: Graph) -> Mapping[str, float]:
    """Kernel variable (op name) -> the constant that its cell adds to the forget gate.

    A cell without such an addition (forget_bias=0 is added all the same; cuDNN has none) is missing.
    """
    found: dict[str, float] = {}
    for node in graph.nodes.values():
        if node.op != "MatMul" or len(node.inputs) < 2:
            continue
        kernel = graph.variable(node.inputs[1])
        if kernel is None or kernel in found:
            continue
        for value in _added_to_forget_gate(graph, node):
            found[kernel] = value
            break
    return found


def _added_to_forget_gate(graph: Graph, product: GraphNode) -> Iterator[float]:
    for split in _splits(graph, product):
        for add in graph.consumers.get(f"{split.name}:{FORGET_GATE}", ()):
            for one, other in (add.inputs[:2], add.inputs[1::-1]) if add.op in _ADDS else ():
                if split_tensor(one) == (split.name, FORGET_GATE):
                    value = graph.constant(other)
                    if value is not None:
                        yield value


def _splits(graph: Graph, product: GraphNode) -> Iterator[GraphNode]:
    """The four-way splits of a product, with a bias added or not."""
    waiting = [product]
    for _ in range(8):
        if not waiting:
            return
        for reader in graph.consumers.get(waiting.pop(0).name, ()):
            if reader.op in _SPLITS and reader.number("num_split") == 4:
                yield reader
            elif reader.op in _ADDS or reader.op == "Identity":
                waiting.append(reader)
