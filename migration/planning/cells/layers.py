"""The recurrent layers of a template: a kernel and a recurrent kernel under one roof, and perhaps a bias."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migration.formats.object_graph import ObjectGraph
from migration.planning.cells.names import Direction, Kind, direction_of
from migration.planning.targets import Target

ROLES = ("kernel", "recurrent_kernel", "bias")
_GATES: Mapping[int, Kind] = {4: "LSTM", 3: "GRU", 1: "RNN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A Keras recurrent cell in the template.

    `place` is the path of the object that holds the weights (or, where the graph has no such object,
    the scope of their full names); `biases` is 0 without bias, 1 for shape [gates * units], 2 for a bias
    of the input and one of the state (GRU with reset_after=True, CuDNNLSTM, CuDNNGRU).
    """

    kind: Kind
    inputs: int
    units: int
    biases: int
    place: str
    scope: str
    direction: Direction
    targets: Mapping[str, Target]

    @property
    def cudnn(self) -> bool:
        """Whether this is a CuDNNLSTM or CuDNNGRU of tf.compat.v1.keras, whose two biases lie flat."""
        return self.biases == 2 and len(self.targets["bias"].spec.shape) == 1


def layers(targets: Sequence[Target], graph: ObjectGraph) -> tuple[Layer, ...]:
    """The recurrent layers among these targets, in the graph's order.

    The object that holds all three decides. Keras 3 does not track a StackedRNNCells' list of cells:
    its weights are known to the optimizer alone, and are told by their full names.
    """
    found: list[Layer] = []
    taken: set[str] = set()
    for place, group in [*_by_holder(targets, graph), *_by_full_name(targets)]:
        layer = None if any(target.key in taken for target in group.values()) else _layer(place, group)
        if layer is not None:
            found.append(layer)
            taken |= {target.key for target in group.values()}
    return tuple(sorted(found, key=lambda layer: layer.targets["kernel"].order))


def _by_holder(targets: Sequence[Target], graph: ObjectGraph) -> Iterator[tuple[str, dict[str, Target]]]:
    by_node = {target.node: target for target in reversed(targets)}
    for number, node in enumerate(graph.nodes):
        group = {
            child.local_name.removeprefix("_"): by_node[child.node]
            for child in node.children
            if child.local_name.removeprefix("_") in ROLES and child.node in by_node
        }
        if {"kernel", "recurrent_kernel"} <= set(group):
            path = graph.paths[number]
            yield "/".join(path or ()), group


def _by_full_name(targets: Sequence[Target]) -> Iterator[tuple[str, dict[str, Target]]]:
    """Groups of one scope; a name that comes again begins the next group (full names need not be unique)."""
    open_groups: dict[str, dict[str, Target]] = {}
    done: list[tuple[str, dict[str, Target]]] = []
    for target in targets:
        scope, _, role = target.full_name.rpartition("/")
        if role not in ROLES:
            continue
        group = open_groups.get(scope)
        if group is None or role in group:
            group = open_groups[scope] = {}
            done.append((scope, group))
        group[role] = target
    yield from done


def _layer(place: str, group: Mapping[str, Target]) -> Layer | None:
    if not {"kernel", "recurrent_kernel"} <= set(group):
        return None
    kernel, recurrent = group["kernel"].spec.shape, group["recurrent_kernel"].spec.shape
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1] or not recurrent[0]:
        return None
    inputs, units = kernel[0], recurrent[0]
    kind = _GATES.get(recurrent[1] // units)
    if kind is None or recurrent[1] % units:
        return None
    biases = _biases(group, recurrent[1])
    if biases is None:
        return None
    scope = group["kernel"].full_name.rpartition("/")[0]
    return Layer(
        kind=kind,
        inputs=inputs,
        units=units,
        biases=biases,
        place=place,
        scope=scope,
        direction=direction_of(place) or direction_of(scope),
        targets=dict(group),
    )


def _biases(group: Mapping[str, Target], width: int) -> int | None:
    if "bias" not in group:
        return 0
    shape = group["bias"].spec.shape
    return {(width,): 1, (2, width): 2, (2 * width,): 2}.get(shape)
