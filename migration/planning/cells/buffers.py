"""cuDNN's opaque buffer: all layers of a CudnnLSTM, CudnnGRU or CudnnRNN in one vector.

Its sizes stand nowhere in the checkpoint: they are constants of the graph (inputs of the ops
CudnnRNNParamsSize, CudnnRNNCanonicalToParams, CudnnRNNParamsToCanonical), and are believed only where
they account for every element.

The layout (NVIDIA cuDNN API, cudnnGetRNNLinLayerMatrixParams; the same that tf.keras relies on in
`canonical_to_params` of layers/rnn/gru_lstm_utils.py): first the weights of each layer, the forward
direction before the backward one, then all biases in the same order; per layer a matrix [units, inputs]
by rows for each gate, then [units, units] for each gate; a bias of the input for each gate, then one of
the state. Gates are i, f, c, o for LSTM and r, z, h for GRU. A layer above a bidirectional one reads
both directions: 2 * units inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migration.errors import Problem
from migration.formats.meta_graph import GraphNode, MetaGraph
from migration.planning.candidates import Candidate
from migration.planning.cells import layouts
from migration.planning.cells.evidence import readers, variables_of
from migration.planning.cells.names import Direction, Kind
from migration.planning.cells.sources import SourceCell

PARAMS = 3  # the place of the buffer among the inputs of the CudnnRNN ops and of CudnnRNNParamsToCanonical
_SIZED = ("CudnnRNNParamsSize", "CudnnRNNCanonicalToParams", "CudnnRNNParamsToCanonical")
_MODES: dict[str, tuple[Kind, int]] = {
    "lstm": ("LSTM", 4),
    "gru": ("GRU", 3),
    "rnn_tanh": ("RNN", 1),
    "rnn_relu": ("RNN", 1),
}
_ONE: tuple[tuple[str, Direction], ...] = (("", ""),)
_BOTH: tuple[tuple[str, Direction], ...] = (("/fw", "forward"), ("/bw", "backward"))
_DEFAULTS = {"rnn_mode": "lstm", "direction": "unidirectional", "input_mode": "linear_input"}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a graph says of a buffer."""

    mode: str
    direction: str
    layers: int
    units: int
    input_size: int

    @property
    def directions(self) -> int:
        """How many directions each layer runs in."""
        return 2 if self.direction == "bidirectional" else 1

    def inputs(self, layer: int) -> int:
        """How many numbers a layer reads at each time step."""
        return self.input_size if layer == 0 else self.directions * self.units

    def weights(self, layer: int) -> int:
        """How many weights one direction of a layer has."""
        return _MODES[self.mode][1] * self.units * (self.inputs(layer) + self.units)

    @property
    def biases(self) -> int:
        """How many biases one direction of a layer has."""
        return 2 * _MODES[self.mode][1] * self.units

    @property
    def all_weights(self) -> int:
        """Where the biases begin."""
        return self.directions * (self.weights(0) + (self.layers - 1) * self.weights(1))

    @property
    def total(self) -> int:
        """How many elements the buffer has."""
        return self.all_weights + self.directions * self.layers * self.biases


def buffer_cells(
    candidates: Sequence[Candidate], meta: MetaGraph | None
) -> tuple[tuple[SourceCell, ...], tuple[Problem, ...]]:
    """The cells inside the opaque buffers among the candidates, and the buffers that stay closed."""
    cells: list[SourceCell] = []
    problems: list[Problem] = []
    for candidate in candidates if meta is not None else ():
        if len(candidate.spec.shape) != 1 or len(candidate.sources) != 1 or candidate.transforms:
            continue
        users = [] if meta is None else _users(meta, candidate)
        if meta is None or not users:
            continue
        sizes = {found for found in _sizes(meta, users) if found.total == candidate.spec.size}
        if len(sizes) == 1:
            cells.extend(cells_of(candidate, sizes.pop()))
        else:
            problems.append(_closed(candidate, len(sizes)))
    return tuple(cells), tuple(problems)


def _closed(buffer: Candidate, fitting: int) -> Problem:
    why = "none of the graph's sizes" if not fitting else f"{fitting} of the graph's sizes"
    return Problem(
        kind="cudnn buffer",
        where=buffer.name,
        message=(
            f"is cuDNN's opaque buffer of {buffer.spec.size} numbers, and {why} accounts for all of them: "
            "save the model once more with its canonical names (CudnnLSTM's own saveable), or slice the "
            "buffer with rules"
        ),
    )


def _users(meta: MetaGraph, candidate: Candidate) -> list[GraphNode]:
    """The cuDNN ops that take the buffer."""
    return [
        reader
        for variable in variables_of(meta, candidate.sources[0].key)
        for reader in readers(meta, variable)
        if reader.op.startswith("CudnnRNN")
        and "Backprop" not in reader.op
        and len(reader.inputs) > PARAMS
        and meta.variable(reader.inputs[PARAMS]) == variable
    ]


def _setting(node: GraphNode, attribute: str) -> str:
    return node.text(attribute) or _DEFAULTS[attribute]


def _sizes(meta: MetaGraph, users: Sequence[GraphNode]) -> Iterator[Sizes]:
    """The sizes that the graph gives for the mode and direction in which the buffer is used."""
    used = {tuple(_setting(user, name) for name in _DEFAULTS) for user in users}
    for node in meta.nodes.values():
        if not node.op.startswith(_SIZED) or len(node.inputs) < 3:
            continue
        mode, direction, input_mode = (_setting(node, name) for name in _DEFAULTS)
        if (mode, direction, input_mode) not in used or mode not in _MODES or input_mode == "skip_input":
            continue
        if node.number("num_proj"):
            continue
        numbers = [meta.constant(tensor) for tensor in node.inputs[:3]]
        known = [int(number) for number in numbers if number is not None and 1 <= number < math.inf]
        if len(known) == 3:
            yield Sizes(mode, direction, *known)


def cells_of(buffer: Candidate, sizes: Sizes) -> Iterator[SourceCell]:
    """The cells in a buffer of these sizes, in its order: by layer, forward before backward."""
    kind, gates = _MODES[sizes.mode]
    weights, biases = 0, sizes.all_weights
    for layer in range(sizes.layers):
        for half, facing in _BOTH if sizes.directions == 2 else _ONE:
            scope = f"{buffer.name}/cell_{layer}{half}"
            inputs = sizes.inputs(layer)
            yield SourceCell(
                kind=kind,
                scope=scope,
                inputs=inputs,
                units=sizes.units,
                biases=2 if kind == "GRU" else 1,
                roles=layouts.cudnn_buffer(scope, buffer, (weights, biases), inputs, sizes.units, gates),
                replaces=(buffer.name,),
                direction=facing,
                activation="Relu" if sizes.mode == "rnn_relu" else "Tanh",
                style="CuDNN",
            )
            weights += sizes.weights(layer)
            biases += sizes.biases
