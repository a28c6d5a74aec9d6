"""Which checkpoint key belongs to which variable, as the graph's own save ops say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.nodes import GraphNode

# Where an op's tensors start: after (filename, tensor_names, shapes_and_slices), for `Save` without the last.
_SAVE_OPS = {"SaveV2": 3, "SaveSlices": 3, "Save": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVariable:
    """A variable that is stored under a key, and as which slice ('' for the whole; TensorFlow's text,
    e.g. "10 2 0,5:0,2": the whole's shape, then start,length or - for each dimension)."""

    variable: str
    slice_spec: str = ""


def saved(graph: Graph) -> Mapping[str, tuple[SavedVariable, ...]]:
    """Checkpoint key -> the variables stored under it.

    A graph can hold several savers. The one that `saver_def` names comes first; a key or a variable
    that it knows is not told again by another.
    """
    found: dict[str, dict[str, SavedVariable]] = {}
    taken: set[str] = set()
    for scope in _saves_by_scope(graph):
        fresh: dict[str, dict[str, SavedVariable]] = {}
        for node in scope:
            for key, part in _entries(graph, node):
                if key not in found and part.variable not in taken:
                    fresh.setdefault(key, {}).setdefault(part.variable, part)
        found |= fresh
        taken |= {name for parts in fresh.values() for name in parts}
    return {key: tuple(parts.values()) for key, parts in found.items()}


def _saves_by_scope(graph: Graph) -> list[list[GraphNode]]:
    """The save ops of each saver (they share a name scope), the graph's own saver first, then the latest."""
    own = graph.message.saver_def.filename_tensor_name.split("/")[0]
    scopes: dict[str, list[GraphNode]] = {}
    for node in graph.nodes.values():
        if node.op in _SAVE_OPS:
            scopes.setdefault(node.name.rpartition("/")[0], []).append(node)
    order = sorted(scopes, key=lambda scope: (scope != own, -scopes[scope][0].order))
    return [scopes[scope] for scope in order]


def _entries(graph: Graph, node: GraphNode) -> Iterator[tuple[str, SavedVariable]]:
    start = _SAVE_OPS[node.op]
    names = _strings(graph, node.inputs[1])
    slices = _strings(graph, node.inputs[2]) if start == 3 else [""] * len(names)
    for name, part, tensor in zip(names, slices, node.inputs[start:], strict=False):
        variable = graph.variable(tensor)
        if variable is not None:
            yield name, SavedVariable(variable=variable, slice_spec=part)


def _strings(graph: Graph, tensor: str) -> list[str]:
    node = graph.origin(tensor)
    array = node.array() if node is not None else None
    if array is None or array.dtype.kind != "O":
        return []
    return [item.decode("utf-8", "replace") for item in array.reshape(-1)]
