"""How each cell's stored tensors become the kernel, recurrent kernel and bias of a Keras layer.

TensorFlow 1 cells multiply [x, h] by one kernel: its first rows are the input's, its last the state's.
Gate orders along the last axis (the `call` methods of tf.nn.rnn_cell and of keras.layers):

    LSTM   TF1 i, j, f, o          Keras i, f, c, o (c is j)    cuDNN i, f, c, o
    GRU    TF1 r, u and candidate  Keras z, r, h (z is u)       cuDNN r, z, h

TF1's GRUCell multiplies r into the state before the candidate's matmul (Keras reset_after=False, one
bias), cuDNN and CudnnCompatibleGRUCell after it (reset_after=True, a bias for the input and one for the
state, shape [2, 3 * units]).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migration.planning.candidates import Candidate
from migration.planning.plan import Source
from migration.planning.transforms import (
    Add,
    Concat,
    Mean,
    PermuteBlocks,
    Reshape,
    Scale,
    Slice,
    Split,
    Transform,
    Transpose,
    output_of,
)
from migration.tensors import TensorSpec

IJFO_TO_IFCO = (0, 2, 1, 3)
RU_TO_ZR = (1, 0)
RZH_TO_ZRH = (1, 0, 2)
# Two biases that are only ever added: the mean, doubled, is their sum, and exactly so in binary
# floating point; an optimizer's slots, equal for both, take the mean alone.
SUM_OF_TWO: tuple[Transform, ...] = (Mean(0), Scale(2.0))

Piece = tuple[Candidate, tuple[Transform, ...]]
Roles = Mapping[str, Candidate]


def made(name: str, pieces: Sequence[Piece], transforms: tuple[Transform, ...], reason: str) -> Candidate:
    """The candidate that the pieces, each of one stored tensor, make together. Raises TransformError."""
    sources: list[Source] = []
    specs: list[TensorSpec] = []
    if len(pieces) == 1:  # one chain: it all stands in the step
        pieces, transforms = [(pieces[0][0], ())], (*pieces[0][1], *transforms)
    for stored, own in pieces:
        (source,) = stored.sources
        sources.append(
            Source(key=source.key, transforms=(*source.transforms, *own), template=source.template)
        )
        specs.append(output_of(own, (stored.spec,)))
    return Candidate(
        name=name,
        spec=output_of(transforms, tuple(specs)),
        sources=tuple(sources),
        transforms=transforms,
        order=pieces[0][0].order,
        reason=reason,
    )


def rows(inputs: int, state: int) -> tuple[Split, Split]:
    """The input's rows and the state's rows of a fused kernel."""
    return Split(0, (inputs, state), 0), Split(0, (inputs, state), 1)


def fused_lstm(scope: str, parts: Roles, inputs: int, units: int, forget_bias: float, why: str) -> Roles:
    """BasicLSTMCell, LSTMCell and the block cells: kernel [inputs + units, 4 units], bias [4 units]."""
    reason = f"gates i, j, f, o of {scope} as i, f, c, o"
    kernel, recurrent = rows(inputs, units)
    order = PermuteBlocks(1, IJFO_TO_IFCO)
    bias: tuple[Transform, ...] = (PermuteBlocks(0, IJFO_TO_IFCO),)
    if forget_bias:
        bias = (*bias, Add(forget_bias, 0, units, 2 * units))
    return {
        "kernel": made(f"{scope}/kernel", [(parts["kernel"], (kernel, order))], (), reason),
        "recurrent_kernel": made(
            f"{scope}/recurrent_kernel", [(parts["kernel"], (recurrent, order))], (), reason
        ),
        "bias": made(
            f"{scope}/bias", [(parts["bias"], bias)], (), f"{reason}; forget_bias {forget_bias:g} ({why})"
        ),
    }


def fused_rnn(scope: str, parts: Roles, inputs: int, units: int) -> Roles:
    """BasicRNNCell: kernel [inputs + units, units], bias [units]."""
    reason = f"the kernel of {scope} in two"
    kernel, recurrent = rows(inputs, units)
    return {
        "kernel": made(f"{scope}/kernel", [(parts["kernel"], (kernel,))], (), reason),
        "recurrent_kernel": made(f"{scope}/recurrent_kernel", [(parts["kernel"], (recurrent,))], (), reason),
        "bias": made(f"{scope}/bias", [(parts["bias"], ())], (), reason),
    }


def gru(scope: str, parts: Roles, inputs: int, units: int) -> Roles:
    """GRUCell: gates [inputs + units, 2 units] (r, u), candidate [inputs + units, units]; one bias each."""
    reason = f"gates r, u and the candidate of {scope} as z, r, h"
    joined = (Concat(1, (2 * units, units)),)
    made_of: dict[str, Candidate] = {}
    for role, part in zip(("kernel", "recurrent_kernel"), rows(inputs, units), strict=True):
        pieces: list[Piece] = [
            (parts["gates_kernel"], (part, PermuteBlocks(1, RU_TO_ZR))),
            (parts["candidate_kernel"], (part,)),
        ]
        made_of[role] = made(f"{scope}/{role}", pieces, joined, reason)
    biases: list[Piece] = [
        (parts["gates_bias"], (PermuteBlocks(0, RU_TO_ZR),)),
        (parts["candidate_bias"], ()),
    ]
    made_of["bias"] = made(f"{scope}/bias", biases, (Concat(0, (2 * units, units)),), reason)
    return made_of


def cudnn_compatible_gru(scope: str, parts: Roles, inputs: int, units: int) -> Roles:
    """CudnnCompatibleGRUCell: the candidate has a kernel and a bias for the input, and one for the state.

    The gates have one bias where Keras (reset_after=True) adds two: each gets one half.
    """
    reason = f"gates r, u and the candidate's two projections of {scope} as z, r, h (reset_after=True)"
    joined = (Concat(1, (2 * units, units)),)
    made_of: dict[str, Candidate] = {}
    names = (("kernel", "candidate_input_kernel"), ("recurrent_kernel", "candidate_hidden_kernel"))
    for (role, candidate), part in zip(names, rows(inputs, units), strict=True):
        pieces: list[Piece] = [
            (parts["gates_kernel"], (part, PermuteBlocks(1, RU_TO_ZR))),
            (parts[candidate], ()),
        ]
        made_of[role] = made(f"{scope}/{role}", pieces, joined, reason)
    half: Piece = (parts["gates_bias"], (PermuteBlocks(0, RU_TO_ZR), Scale(0.5)))
    biases = [half, (parts["candidate_input_bias"], ()), half, (parts["candidate_hidden_bias"], ())]
    both = (Concat(0, (2 * units, units) * 2), Reshape((2, 3 * units)))
    made_of["bias"] = made(f"{scope}/bias", biases, both, reason)
    return made_of


def keras_cudnn(scope: str, parts: Roles, inputs: int, units: int, gates: int) -> Roles:
    """tf.keras CuDNNLSTM and CuDNNGRU: each gate's kernel lies as cuDNN reads it, [units, inputs] by rows.

    Keras converts its HDF5 files the same way (`_convert_rnn_weights` in saving/legacy/hdf5_format.py):
    the input kernel keeps its shape and changes between row-major and column-major, the recurrent one
    is transposed, gate by gate.
    """
    reason = f"cuDNN's kernels of {scope}, gate by gate, as Keras's"
    kernel = (
        Reshape((inputs, gates, units)),
        Transpose((1, 0, 2)),
        Reshape((gates, units, inputs)),
        Transpose((2, 0, 1)),
        Reshape((inputs, gates * units)),
    )
    recurrent = (Reshape((units, gates, units)), Transpose((2, 1, 0)), Reshape((units, gates * units)))
    bias: tuple[Transform, ...] = (Reshape((2, gates * units)),)
    if gates == 4:
        bias = (*bias, *SUM_OF_TWO)
    return {
        "kernel": made(f"{scope}/kernel", [(parts["kernel"], kernel)], (), reason),
        "recurrent_kernel": made(
            f"{scope}/recurrent_kernel", [(parts["recurrent_kernel"], recurrent)], (), reason
        ),
        "bias": made(f"{scope}/bias", [(parts["bias"], bias)], (), reason),
    }


def cudnn_buffer(
    scope: str, buffer: Candidate, starts: tuple[int, int], inputs: int, units: int, gates: int
) -> Roles:
    """One layer and direction of cuDNN's opaque buffer, whose weights and biases begin at `starts`.

    Weights: for each gate a matrix [units, inputs] by rows, then for each gate one [units, units].
    Biases: for each gate one for the input, then for each gate one for the state.
    """
    weights, biases = starts
    split = weights + gates * units * inputs
    zrh = (PermuteBlocks(1, RZH_TO_ZRH),) if gates == 3 else ()
    reason = f"the part of {buffer.name} that is {scope}"

    def matrix(start: int, columns: int) -> tuple[Transform, ...]:
        whole = (Slice((start,), (gates * units * columns,)), Reshape((gates * units, columns)))
        return (*whole, Transpose((1, 0)), *zrh)

    bias: tuple[Transform, ...] = (Slice((biases,), (2 * gates * units,)), Reshape((2, gates * units)), *zrh)
    if gates != 3:
        bias = (*bias, *SUM_OF_TWO)
    return {
        "kernel": made(f"{scope}/kernel", [(buffer, matrix(weights, inputs))], (), reason),
        "recurrent_kernel": made(f"{scope}/recurrent_kernel", [(buffer, matrix(split, units))], (), reason),
        "bias": made(f"{scope}/bias", [(buffer, bias)], (), reason),
    }
