"""What the names of recurrent cells tell: which part of which cell a tensor is, kind, direction, number.

The names are those of TensorFlow 0.x (`BasicLSTMCell/Linear/Matrix`), 1.0 and 1.1 (`weights`), 1.2 to
2.x (`kernel`), of tf.contrib's block and cuDNN-compatible cells, and of Keras layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Direction = Literal["forward", "backward", ""]
Kind = Literal["LSTM", "GRU", "RNN"]

_LINEAR = ("kernel", "weights", "Linear/Matrix", "linear/Matrix", "Matrix")
_OFFSET = ("bias", "biases", "Linear/Bias", "linear/Bias", "Bias")
_GATES = ("input", "transform", "forget", "output", "state")  # of LayerNormBasicLSTMCell


def _parts() -> Iterator[tuple[str, str]]:
    for old in _LINEAR:
        yield f"gates/{old}", "gates_kernel"
        yield f"candidate/{old}", "candidate_kernel"
        yield f"projection/{old}", "projection"
        yield f"candidate/input_projection/{old}", "candidate_input_kernel"
        yield f"candidate/hidden_projection/{old}", "candidate_hidden_kernel"
        yield old, "kernel"
    for old in _OFFSET:
        yield f"gates/{old}", "gates_bias"
        yield f"candidate/{old}", "candidate_bias"
        yield f"projection/{old}", "projection_bias"
        yield f"candidate/input_projection/{old}", "candidate_input_bias"
        yield f"candidate/hidden_projection/{old}", "candidate_hidden_bias"
        yield old, "bias"
    for gate in _GATES:
        yield f"{gate}/gamma", f"{gate}_gamma"
        yield f"{gate}/beta", f"{gate}_beta"
    # GRUBlockCell (first version); LSTMCell of 0.x, whose kernels were cut into shards, W_0 the only one
    yield from (("w_ru", "gates_kernel"), ("b_ru", "gates_bias"))
    yield from (("w_c", "candidate_kernel"), ("b_c", "candidate_bias"))
    yield from (("W_0", "kernel"), ("B", "bias"), ("W_P_0", "projection"))
    yield from ((f"{w}_{gate}_diag", f"peephole_{gate.lower()}") for w in "wW" for gate in "ifoIFO")
    yield "recurrent_kernel", "recurrent_kernel"


_MORE_SHARDS = re.compile(r"/w_[1-9]\d*$")  # a kernel of 0.x in several: W_0 alone is not the whole of it
_SUFFIXES = {f"/{suffix.lower()}": part for suffix, part in _parts()}
_MOST_COMPONENTS = max(suffix.count("/") for suffix in _SUFFIXES)

_OTHER_CELLS = re.compile(
    r"phased|glstm|conv|nas_cell|ugrnn|intersection|coupled|grid|time_freq|timefreq|sru|indrnn|attention"
)
_OTHER_SCOPES = re.compile(
    r"glstm|phased_lstm|grid_lstm|time_freq"
)  # cells that keep kernels in scopes of their own
_NOT_A_CELL = re.compile(r"dense|logits|softmax|projection|output|embed|attention|layer_norm|batch|fc\d*$")


def part_of(name: str) -> tuple[str, str] | None:
    """(scope of the cell, part) of a tensor's name, the longest known ending; None for other names."""
    if _MORE_SHARDS.search(name.lower()):
        return name.rpartition("/")[0], "kernel_shard"
    components = name.split("/")
    for count in range(min(_MOST_COMPONENTS, len(components) - 1), 0, -1):
        part = _SUFFIXES.get("/" + "/".join(components[-count:]).lower())
        if part is not None:
            return "/".join(components[:-count]), part
    return None


def snake(component: str) -> str:
    """A scope component as TensorFlow 1.x spells it, without its number: BasicLSTMCell_1, basic_lstm_cell."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", component)
    return re.sub(r"[_-]?\d+$", "", spaced.lower()) or component


def kind_of(scope: str) -> Kind | Literal["other", "any", ""]:
    """What a scope with a fused kernel and a bias is by its name.

    "other" is a cell that is neither a plain LSTM nor a plain RNN, "any" a scope inside an RNN that
    says nothing more, "" no cell.
    """
    tail = snake(scope.rpartition("/")[2])
    if _OTHER_CELLS.search(tail) or _OTHER_SCOPES.search(scope.lower()):
        return "other"
    if "lstm" in tail:
        return "LSTM"
    if "gru" in tail:
        return "other"  # a GRU has gates and a candidate: one kernel alone is not the cell that is known
    if tail.endswith(("rnn_cell", "rnncell", "simple_rnn")) and "multi" not in tail:
        return "RNN"
    if _NOT_A_CELL.search(tail):
        return ""
    inside = any(re.search(r"rnn|lstm|(^|_)cell$", snake(component)) for component in scope.split("/"))
    return "any" if inside else ""


def direction_of(scope: str) -> Direction:
    """Which half of a bidirectional pair a scope, a path or a full name belongs to."""
    for component in scope.lower().split("/"):
        if re.search(r"(^|_)fw(_|$|\d)|^forward(_|$)", component):
            return "forward"
        if re.search(r"(^|_)bw(_|$|\d)|^backward(_|$)", component):
            return "backward"
    return ""


def numbered(scope: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(the words, the numbers) of a scope or path: what alike cells share, and what orders them.

    A component without a number has -1 and comes first: `lstm`, `lstm_1`, `lstm_2`.
    """
    words: list[str] = []
    numbers: list[int] = []
    for component in scope.split("/"):
        found = re.search(r"[_-]?(\d+)$", component)
        words.append(component[: found.start()] if found else component)
        numbers.append(int(found.group(1)) if found else -1)
    return tuple(words), tuple(numbers)
