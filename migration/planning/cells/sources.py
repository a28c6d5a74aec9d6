"""The recurrent cells of a source: recognised by their tensors' names and shapes, and by the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from migration.formats.meta_graph import MetaGraph
from migration.planning.candidates import Candidate
from migration.planning.cells import layouts
from migration.planning.cells.evidence import NOTHING, Evidence, evidence
from migration.planning.cells.layouts import Roles
from migration.planning.cells.names import Direction, Kind, direction_of, kind_of, part_of
from migration.planning.options import Options

Shapes: TypeAlias = frozenset[tuple[str, int, int]]  # (kind, inputs, units)

TF1_FORGET_BIAS = 1.0  # the default of BasicLSTMCell, LSTMCell, LayerNormBasicLSTMCell and the block cells
_GRU = frozenset({"gates_kernel", "gates_bias", "candidate_kernel", "candidate_bias"})
_CUDNN_GRU = frozenset(
    {
        "gates_kernel",
        "gates_bias",
        "candidate_input_kernel",
        "candidate_hidden_kernel",
        "candidate_input_bias",
        "candidate_hidden_bias",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCell:
    """A cell of the source, and what it offers to a Keras layer.

    `roles` are its virtual candidates (kernel, recurrent_kernel, bias), made of the candidates named in
    `replaces`; `biases` is 1, or 2 where input and state have one each. `obstacle` says why no Keras
    layer computes the same; `forget_from` where the forget bias came from.
    """

    kind: Kind
    scope: str
    inputs: int
    units: int
    biases: int
    roles: Roles
    replaces: tuple[str, ...]
    direction: Direction
    obstacle: str = ""
    forget_bias: float | None = None
    forget_from: str = ""
    activation: str = ""
    style: str = "TF1"


def source_cells(
    candidates: Sequence[Candidate], meta: MetaGraph | None, options: Options, shapes: Shapes
) -> tuple[SourceCell, ...]:
    """The cells among the candidates, in their order.

    `shapes` holds (kind, inputs, units) of the template's layers: a scope whose name does not tell its
    kind is a cell only where the graph, or a layer of just that shape, says so.
    """
    found = []
    for scope, parts in _scopes(candidates).items():
        cell = _cell(scope, parts, meta, options, shapes)
        if cell is not None:
            found.append(cell)
    return tuple(found)


def _scopes(candidates: Sequence[Candidate]) -> dict[str, dict[str, Candidate]]:
    found: dict[str, dict[str, Candidate]] = {}
    for candidate in candidates:
        named = part_of(candidate.name)
        if named is None or len(candidate.sources) != 1 or candidate.transforms:
            continue
        scope, part = named
        found.setdefault(scope, {}).setdefault(part, candidate)
    return found


def _cell(
    scope: str,
    parts: Mapping[str, Candidate],
    meta: MetaGraph | None,
    options: Options,
    shapes: Shapes,
) -> SourceCell | None:
    if set(parts) >= _CUDNN_GRU:
        return _gru(scope, parts, meta, cudnn=True)
    if set(parts) >= _GRU:
        return _gru(scope, parts, meta, cudnn=False)
    if "recurrent_kernel" in parts:
        return _keras(scope, parts)
    if "kernel" in parts and "kernel_shard" not in parts:
        return _fused(scope, parts, meta, options, shapes)
    return None


def _gru(
    scope: str, parts: Mapping[str, Candidate], meta: MetaGraph | None, cudnn: bool
) -> SourceCell | None:
    hidden = parts["candidate_hidden_kernel" if cudnn else "candidate_kernel"].spec.shape
    gates = parts["gates_kernel"].spec.shape
    if len(hidden) != 2 or len(gates) != 2:
        return None
    units, inputs = hidden[1], gates[0] - hidden[1]
    wanted = {"gates_kernel": (inputs + units, 2 * units), "gates_bias": (2 * units,)}
    if cudnn:
        wanted |= {"candidate_input_kernel": (inputs, units), "candidate_hidden_kernel": (units, units)}
        wanted |= {"candidate_input_bias": (units,), "candidate_hidden_bias": (units,)}
    else:
        wanted |= {"candidate_kernel": (inputs + units, units), "candidate_bias": (units,)}
    if inputs < 1 or any(parts[part].spec.shape != shape for part, shape in wanted.items()):
        return None
    layout = layouts.cudnn_compatible_gru if cudnn else layouts.gru
    known = NOTHING if cudnn else evidence(meta, _keys(parts["candidate_bias"]))
    return SourceCell(
        kind="GRU",
        scope=scope,
        inputs=inputs,
        units=units,
        biases=2 if cudnn else 1,
        roles=layout(scope, parts, inputs, units),
        replaces=tuple(parts[part].name for part in wanted),
        direction=direction_of(scope),
        activation=known.activation,
    )


def _keras(scope: str, parts: Mapping[str, Candidate]) -> SourceCell | None:
    """A Keras layer that a name-based Saver stored: its own layout, or cuDNN's."""
    if not {"kernel", "bias"} <= set(parts):
        return None
    kernel, recurrent, bias = (parts[role].spec.shape for role in ("kernel", "recurrent_kernel", "bias"))
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1] or not recurrent[0]:
        return None
    inputs, units, width = kernel[0], recurrent[0], recurrent[1]
    kinds: dict[int, Kind] = {units: "RNN", 3 * units: "GRU", 4 * units: "LSTM"}
    biases = {(width,): 1, (2, width): 2, (2 * width,): 2}.get(bias)
    if width not in kinds or biases is None:
        return None
    kind, cudnn = kinds[width], bias == (2 * width,)
    roles: Roles = {role: parts[role] for role in ("kernel", "recurrent_kernel", "bias")}
    if cudnn:
        roles = layouts.keras_cudnn(scope, parts, inputs, units, width // units)
    return SourceCell(
        kind=kind,
        scope=scope,
        inputs=inputs,
        units=units,
        biases=1 if cudnn and kind == "LSTM" else biases,
        roles=roles,
        replaces=tuple(parts[role].name for role in ("kernel", "recurrent_kernel", "bias")),
        direction=direction_of(scope),
        style="CuDNN" if cudnn else "Keras",
    )


def _fused(
    scope: str,
    parts: Mapping[str, Candidate],
    meta: MetaGraph | None,
    options: Options,
    shapes: Shapes,
) -> SourceCell | None:
    """An LSTM or a plain RNN: one kernel for input and state, one bias."""
    kernel = parts["kernel"].spec.shape
    named = kind_of(scope)
    if len(kernel) != 2 or named == "other":
        return None
    bias = parts.get("bias")
    if bias is None:
        return _layer_norm(scope, parts, kernel) if named == "LSTM" and _obstacle(parts) else None
    if bias.spec.shape != (kernel[1],):
        return None
    known = evidence(meta, _keys(bias))
    kind = _kind(named, known, kernel, shapes)
    if kind is None or (kind == "LSTM" and kernel[1] % 4):
        return None
    units = kernel[1] // 4 if kind == "LSTM" else kernel[1]
    state = parts["projection"].spec.shape[-1] if "projection" in parts else units
    if kernel[0] <= state:
        return None
    cell = SourceCell(
        kind=kind,
        scope=scope,
        inputs=kernel[0] - state,
        units=units,
        biases=1,
        roles={},
        replaces=tuple(candidate.name for candidate in parts.values()),
        direction=direction_of(scope),
        obstacle=_obstacle(parts),
        activation=known.activation,
    )
    return cell if cell.obstacle else _laid_out(cell, parts, known, meta, options)


def _laid_out(
    cell: SourceCell,
    parts: Mapping[str, Candidate],
    known: Evidence,
    meta: MetaGraph | None,
    options: Options,
) -> SourceCell:
    """The cell with what it offers, its forget bias decided."""
    if cell.kind != "LSTM":
        return replace(cell, roles=layouts.fused_rnn(cell.scope, parts, cell.inputs, cell.units))
    value, origin = _forget_bias(cell.scope, known, meta, options)
    roles = layouts.fused_lstm(cell.scope, parts, cell.inputs, cell.units, value, origin)
    return replace(cell, roles=roles, forget_bias=value, forget_from=origin)


def _layer_norm(scope: str, parts: Mapping[str, Candidate], kernel: tuple[int, ...]) -> SourceCell | None:
    units = kernel[1] // 4
    if kernel[1] % 4 or kernel[0] <= units:
        return None
    return SourceCell(
        kind="LSTM",
        scope=scope,
        inputs=kernel[0] - units,
        units=units,
        biases=1,
        roles={},
        replaces=tuple(candidate.name for candidate in parts.values()),
        direction=direction_of(scope),
        obstacle=_obstacle(parts),
    )


def _keys(candidate: Candidate) -> tuple[str, ...]:
    """The keys under which a graph's saver may know a tensor: the stored one, or its name after rules."""
    return candidate.sources[0].key, candidate.name


def _obstacle(parts: Mapping[str, Candidate]) -> str:
    """What a fused LSTM has that no Keras layer has; "" for a plain one."""
    if any(part.endswith(("_gamma", "_beta")) for part in parts):
        return "normalises each gate (LayerNormBasicLSTMCell), which no Keras layer does"
    extras = []
    if any(part.startswith("peephole") for part in parts):
        extras.append("peepholes (w_f_diag, w_i_diag, w_o_diag)")
    if "projection" in parts:
        extras.append("a projection of its output (projection/kernel)")
    return f"has {' and '.join(extras)}, which Keras's LSTM has not" if extras else ""


def _kind(named: str, known: Evidence, kernel: tuple[int, ...], shapes: Shapes) -> Kind | None:
    if named in ("LSTM", "RNN"):
        return "LSTM" if named == "LSTM" else "RNN"
    if known.kind is not None and (named or (known.kind == "LSTM" and known.forget_bias is not None)):
        return known.kind
    if not named:
        return None  # nothing but the graph can make a cell of such a name
    units = kernel[1] // 4
    lstm = kernel[1] % 4 == 0 and ("LSTM", kernel[0] - units, units) in shapes
    rnn = ("RNN", kernel[0] - kernel[1], kernel[1]) in shapes
    if lstm != rnn:
        return "LSTM" if lstm else "RNN"
    return None


def _forget_bias(scope: str, known: Evidence, meta: MetaGraph | None, options: Options) -> tuple[float, str]:
    """The forget bias, and where it is from: the graph's constant, the flag, or TensorFlow 1's default."""
    if known.forget_bias is not None:
        return known.forget_bias, "the graph's constant"
    if "cudnn" in scope.lower():
        return 0.0, "cuDNN adds none"
    if options.forget_bias is not None:
        return options.forget_bias, "--forget_bias"
    where = "no .meta and no --forget_bias" if meta is None else "not in the .meta, and no --forget_bias"
    return TF1_FORGET_BIAS, f"TensorFlow 1's default: {where}"
