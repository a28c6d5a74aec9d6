"""What the graph of a `.meta` knows of a cell and the checkpoint does not: forget bias and activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migration.formats.meta_graph import GraphNode, MetaGraph
from migration.formats.meta_graph.nodes import TRANSPARENT_OPS, split_tensor
from migration.planning.cells.names import Kind

NEW_INPUT, FORGET_GATE = 1, 2  # places in i, j, f, o
_SUMS = frozenset({"BiasAdd", "Add", "AddV2"})
_SPLITS = frozenset({"Split", "SplitV"})
_JOINS = frozenset(
    {"Concat", "ConcatV2"}
)  # the parts of a partitioned variable are read as one through these
_BLOCKS = frozenset({"LSTMBlockCell", "BlockLSTM"})  # for one step, or for all; the constant is an attribute
_ACTIVATIONS = frozenset({"Tanh", "Relu", "Relu6", "Elu", "Selu", "Sigmoid", "Softsign", "Softplus"})
_MOST_READS = 4096  # ops that read one bias: a long static_rnn has a few for each time step


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a graph says of the cell that a bias belongs to. None and "": it does not say."""

    kind: Kind | None = None
    forget_bias: float | None = None
    activation: str = ""


NOTHING = Evidence()


def evidence(meta: MetaGraph | None, bias_keys: tuple[str, ...]) -> Evidence:
    """What the graph says of the cell whose bias is saved under one of these keys (or names)."""
    if meta is None:
        return NOTHING
    for key in bias_keys:
        for variable in variables_of(meta, key):
            for reader in readers(meta, variable):
                found = _of_reader(meta, reader)
                if found is not None:
                    return found
    return NOTHING


def variables_of(meta: MetaGraph, key: str) -> tuple[str, ...]:
    """The op names of the variables that are saved under a key; the key where no saver knows it."""
    saved = meta.saved.get(key)
    return tuple(part.variable for part in saved) if saved else (key,)


def readers(meta: MetaGraph, variable: str) -> Iterator[GraphNode]:
    """The ops that take a variable's value, reads and casts left behind."""
    waiting = [variable]
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_READS:
        tensor = waiting.pop(0)
        for reader in meta.consumers.get(tensor, ()):
            if reader.name in seen:
                continue
            seen.add(reader.name)
            if reader.op in TRANSPARENT_OPS or reader.op in _JOINS:
                waiting.append(reader.name)
            else:
                yield reader


def _of_reader(meta: MetaGraph, reader: GraphNode) -> Evidence | None:
    if reader.op in _BLOCKS:
        return Evidence(kind="LSTM", forget_bias=float(reader.raw.attr["forget_bias"].f), activation="Tanh")
    if reader.op not in _SUMS:
        return None
    for taker in meta.consumers.get(reader.name, ()):
        if taker.op in _SPLITS and taker.number("num_split") == 4:
            return Evidence(
                kind="LSTM",
                forget_bias=_forget_bias(meta, taker),
                activation=_activation(meta, f"{taker.name}:{NEW_INPUT}"),
            )
    activation = _activation(meta, reader.name)
    products = [meta.node(tensor) for tensor in reader.inputs]
    if activation and any(node is not None and _joins_state(meta, node) for node in products):
        return Evidence(kind="RNN", activation=activation)  # or a GRU's candidate, whose names tell it
    return None


def _joins_state(meta: MetaGraph, product: GraphNode) -> bool:
    """Whether a matmul's left side is [x, h]: two tensors side by side."""
    if product.op != "MatMul":
        return False
    left = meta.node(product.inputs[0])
    return left is not None and left.op in _JOINS and len(left.inputs) == 3


def _forget_bias(meta: MetaGraph, split: GraphNode) -> float | None:
    """The constant added to the forget gate; 0 where the gate goes into its sigmoid as it is."""
    for taker in meta.consumers.get(f"{split.name}:{FORGET_GATE}", ()):
        if taker.op == "Sigmoid":
            return 0.0
        if taker.op not in _SUMS:
            continue
        one, other = taker.inputs[:2]
        added = other if split_tensor(one) == (split.name, FORGET_GATE) else one
        value = meta.constant(added)
        if value is not None:
            return value
    return None


def _activation(meta: MetaGraph, tensor: str) -> str:
    takers = meta.consumers.get(tensor, ())
    return next((taker.op for taker in takers if taker.op in _ACTIVATIONS), "")
