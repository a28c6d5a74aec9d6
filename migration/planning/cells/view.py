"""The source as the template's recurrent and normalisation layers see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migration.errors import Problem
from migration.formats.meta_graph import MetaGraph
from migration.planning.candidates import Candidate
from migration.planning.cells.buffers import buffer_cells
from migration.planning.cells.layers import Layer, layers
from migration.planning.cells.norms import Read, norms
from migration.planning.cells.pairing import CellPair, pairs
from migration.planning.cells.sources import SourceCell, source_cells
from migration.planning.options import Options
from migration.planning.plan import Left
from migration.planning.targets import Target, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """What `virtual` makes of the candidates.

    `candidates` replaces the list that came in; `made` are the names of those that do not exist as such
    in the source. `fixed` gives the candidate of a target where kind, size, direction and number leave
    no choice, `reasons` says why. `apart` names the tensors of cells that no layer can take: a bias of
    the right shape among them is still the wrong one. `drops` were decided; `notes` and `problems` are
    for people.
    """

    candidates: tuple[Candidate, ...]
    made: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()
    drops: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def virtual(
    candidates: Sequence[Candidate],
    template: Template,
    *,
    meta: MetaGraph | None,
    options: Options,
    targets: Sequence[Target] | None = None,
    read: Read | None = None,
) -> CellView:
    """The candidates with each cell that a layer of the template can take as that layer's weights.

    `targets` are those still to be filled (all of the template's by default), `read` gives a source
    tensor by key and is asked only for a gamma or beta that no layer takes.
    """
    wanted = template.targets if targets is None else tuple(targets)
    there = layers(wanted, template.graph)
    shapes = frozenset((layer.kind, layer.inputs, layer.units) for layer in there)
    cells = source_cells(candidates, meta, options, shapes) if there else ()
    inside, closed = buffer_cells(candidates, meta) if there else ((), ())
    offered, problems = _fitting((*cells, *inside), there, wanted, candidates)
    replaced = _replaced(candidates, offered)
    norm = norms(candidates, wanted, template.graph, meta, read)
    dropped = {left.key for left in norm.drops}
    kept = [one for one in replaced if not (len(one.sources) == 1 and one.sources[0].key in dropped)]
    fixed, reasons = _fixed(pairs(offered, [layer for layer in there if not layer.cudnn]))
    names = {candidate.name for candidate in candidates}
    return CellView(
        candidates=(*kept, *(one for one in norm.added if one.name not in names)),
        made=frozenset(one.name for cell in offered if cell.style != "Keras" for one in cell.roles.values())
        | frozenset(one.name for one in norm.added),
        fixed=fixed,
        reasons=reasons,
        apart=_apart([cell for cell in cells if cell not in offered], candidates, wanted, there),
        drops=norm.drops,
        notes=(*_cell_notes(offered, options), *norm.notes),
        problems=(*problems, *closed, *norm.problems),
    )


def _fitting(
    cells: Sequence[SourceCell],
    there: Sequence[Layer],
    targets: Sequence[Target],
    candidates: Sequence[Candidate],
) -> tuple[tuple[SourceCell, ...], tuple[Problem, ...]]:
    """The cells that some layer can take, and why others cannot though a layer has their sizes.

    A cell whose tensors the template has under their very names and shapes stays as it is.
    """
    shapes = {candidate.name: candidate.spec.shape for candidate in candidates}
    named = {(target.full_name, target.spec.shape) for target in targets}
    offered: list[SourceCell] = []
    problems: list[Problem] = []
    for cell in cells:
        alike = [layer for layer in there if _same_size(cell, layer)]
        if not alike or all((name, shapes[name]) in named for name in cell.replaces):
            continue
        reasons = list(dict.fromkeys(_misfit(cell, layer) for layer in alike))
        if "" in reasons:
            offered.append(cell)
        else:
            problems.extend(Problem(kind="cell", where=cell.scope, message=why) for why in reasons)
    return _whole(offered, cells, problems), tuple(problems)


def _same_size(cell: SourceCell, layer: Layer) -> bool:
    return (cell.kind, cell.inputs, cell.units) == (layer.kind, layer.inputs, layer.units)


def _misfit(cell: SourceCell, layer: Layer) -> str:
    """Why a layer of the cell's sizes cannot compute what the cell does; "" where it can."""
    if cell.obstacle:
        return (
            f"{cell.obstacle}: keep the cell in the new code (tf_keras has LSTMCell in its legacy cells), or "
            "write a layer that has these weights"
        )
    if layer.biases == 0:
        return f"has a bias, the template's layer {layer.place} none: build it with use_bias=True"
    if layer.cudnn:
        return (
            f"the template's layer {layer.place} is a CuDNN layer: build it as {cell.kind}, which runs the "
            "same kernels on a GPU"
        )
    if cell.kind == "GRU" and (cell.biases, layer.biases) == (1, 2):
        return (
            "multiplies the reset gate into the state before the candidate's matmul, the template's GRU "
            f"layer {layer.place} after it (bias [2, {3 * layer.units}]): no weights make them equal; build "
            "the layer with reset_after=False"
        )
    if cell.kind == "GRU" and (cell.biases, layer.biases) == (2, 1):
        return (
            "multiplies the reset gate after the candidate's matmul (cuDNN's GRU), the template's GRU layer "
            f"{layer.place} before it: build the layer with reset_after=True"
        )
    return ""


def _whole(
    offered: Sequence[SourceCell], cells: Sequence[SourceCell], problems: list[Problem]
) -> tuple[SourceCell, ...]:
    """Without the cells of a buffer that only some layers of the template could take."""
    open_ = {name for cell in cells if cell not in offered for name in cell.replaces}
    kept: list[SourceCell] = []
    for cell in offered:
        torn = open_.intersection(cell.replaces)
        if not torn:
            kept.append(cell)
            continue
        problems.append(
            Problem(
                kind="cudnn buffer",
                where=cell.scope,
                message=f"fits a layer of the template, but other parts of {min(torn)} fit none: check "
                "the units and the number of the template's layers",
            )
        )
    return tuple(kept)


def _apart(
    cells: Sequence[SourceCell],
    candidates: Sequence[Candidate],
    targets: Sequence[Target],
    there: Sequence[Layer],
) -> frozenset[str]:
    """The tensors of cells whose kernels have no place in the template beside its recurrent layers."""
    of_layers = {target.key for layer in there for target in layer.targets.values()}
    places = {target.spec.shape for target in targets if target.key not in of_layers}
    shapes = {candidate.name: candidate.spec.shape for candidate in candidates}
    return frozenset(
        name
        for cell in cells
        if cell.style == "TF1"
        and not any(len(shapes[own]) > 1 and shapes[own] in places for own in cell.replaces)
        for name in cell.replaces
    )


def _replaced(candidates: Sequence[Candidate], offered: Sequence[SourceCell]) -> list[Candidate]:
    """The candidates, the tensors of each cell replaced where the first of them stood."""
    owners: dict[str, list[SourceCell]] = {}
    for cell in offered:
        for name in cell.replaces:
            owners.setdefault(name, []).append(cell)
    result: list[Candidate] = []
    done: set[str] = set()
    for candidate in candidates:
        if candidate.name not in owners:
            result.append(candidate)
        for cell in owners.get(candidate.name, ()):
            if cell.scope not in done:
                done.add(cell.scope)
                result.extend(cell.roles.values())
    return result


def _fixed(found: Sequence[CellPair]) -> tuple[dict[str, str], dict[str, str]]:
    fixed: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for pair in found:
        for role, target in pair.layer.targets.items():
            candidate = pair.cell.roles[role]
            fixed[target.key] = candidate.name
            reasons[target.key] = f"{candidate.reason}; {pair.reason}" if candidate.reason else pair.reason
    return fixed, reasons


def _cell_notes(cells: Sequence[SourceCell], options: Options) -> Iterator[str]:
    """What a person should know of the cells that became layers."""
    biases: dict[tuple[float, str], list[str]] = {}
    for cell in cells:
        if cell.forget_bias is not None:
            biases.setdefault((cell.forget_bias, cell.forget_from), []).append(cell.scope)
    for (value, origin), scopes in biases.items():
        where = f"is part of the new bias of {', '.join(scopes)}" if value else f"for {', '.join(scopes)}"
        yield f"forget_bias {value:g} ({origin}) {where}"
    if options.forget_bias is not None:
        for (value, origin), scopes in biases.items():
            if value != options.forget_bias:
                yield f"--forget_bias {options.forget_bias:g} is not used for {', '.join(scopes)}: {origin}"
    for cell in cells:
        if cell.activation not in ("", "Tanh"):
            yield f"{cell.scope} uses {cell.activation}: build its layer with that activation"
    keras = [cell.scope for cell in cells if cell.style == "Keras" and cell.kind != "RNN"]
    if keras:
        yield (
            f"{', '.join(keras)}: tf.keras of TensorFlow 1 computed LSTM and GRU with "
            "recurrent_activation='hard_sigmoid' unless told otherwise, today's layers with 'sigmoid'"
        )
    doubled = [cell.scope for cell in cells if cell.style == "CuDNN" and cell.kind != "GRU"]
    if doubled:
        yield (
            f"{', '.join(doubled)}: cuDNN trained two biases where the layer has one, their sum; outputs are "
            "equal, but training on moves the one bias half as far"
        )
    halved = [cell.scope for cell in cells if cell.style == "TF1" and cell.kind == "GRU" and cell.biases == 2]
    if halved:
        yield (
            f"{', '.join(halved)}: the gates' one bias is two halves under reset_after=True; outputs "
            "are equal, but training on moves their sum twice as far"
        )
