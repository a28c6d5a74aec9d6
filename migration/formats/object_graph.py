"""The object graph: which objects an object-based checkpoint holds, and under which key each value lies.

Node 0 is the root. Fields that this version does not know survive a read and a write, on every level.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from google.protobuf.message import DecodeError

from migration.errors import FormatError
from migration.formats.proto import object_graph_pb2 as pb

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the bundle's key of the serialized graph
VALUE = "VARIABLE_VALUE"  # the attribute that holds a variable's tensor
MOST_NAMES_A_NODE, ALWAYS_NAMES = 100, 2_000_000  # in all paths together; real ones have about ten a node
AT_ONCE = 4096  # nodes that are written into one message: a message takes several times its bytes
MOST_PARTIAL_PATHS = 4096  # where nodes share nodes, paths multiply: a bound on the search for one node


@dataclass(frozen=True, slots=True)
class Child:
    """An edge: the attribute name under which a node holds another."""

    local_name: str
    node: int
    unknown: bytes = b""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A tensor of a node: its name in the node, the variable's own name, and its key in the bundle."""

    name: str
    full_name: str
    checkpoint_key: str
    unknown: bytes = b""


@dataclass(frozen=True, slots=True)
class Slot:
    """An optimizer node's word that `slot_node` is its `slot_name` for the variable of node `variable`."""

    variable: int
    slot_name: str
    slot_node: int
    unknown: bytes = b""


@dataclass(frozen=True, slots=True)
class Node:
    """One object."""

    children: tuple[Child, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    slots: tuple[Slot, ...] = ()
    registered_saver: tuple[str, str] | None = None
    has_checkpoint_values: bool | None = None
    unknown: bytes = b""

    def child(self, local_name: str) -> int | None:
        """The number of the node under that local name; None where there is none."""
        return next((child.node for child in self.children if child.local_name == local_name), None)

    def attribute(self, name: str = VALUE) -> Attribute | None:
        """The attribute of that name; None where there is none."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


@dataclass(frozen=True)
class ObjectGraph:
    """All nodes, in the order of their numbers."""

    nodes: tuple[Node, ...]
    unknown: bytes = field(default=b"")

    @classmethod
    def from_bytes(cls, raw: bytes, where: str = "the object graph") -> ObjectGraph:
        """The graph that `raw` serializes.

        Raises FormatError where the bytes are no graph, or an edge or a slot points at no node.
        """
        try:
            message = pb.ObjectGraph.FromString(raw)
        except DecodeError as error:
            raise FormatError(
                f"{where} is not a serialized object graph ({error}): copy the file again"
            ) from None
        known = pb.ObjectGraph.FromString(raw)
        known.DiscardUnknownFields()
        rest = _rest if known.ByteSize() != message.ByteSize() else _nothing
        del known  # of a million nodes it is large
        graph = cls(tuple(_read_node(node, rest) for node in message.nodes), rest(message))
        graph._check(where)
        return graph

    def to_bytes(self) -> bytes:
        """The serialized graph; what `from_bytes` reads back equal."""
        parts = []  # serialized messages one after another are their repeated fields, joined
        for start in range(0, len(self.nodes), AT_ONCE):
            message = pb.ObjectGraph()
            for node in self.nodes[start : start + AT_ONCE]:
                _write_node(message.nodes.add(), node)
            parts.append(message.SerializeToString(deterministic=True))
        return b"".join([*parts, self.unknown])

    def _check(self, where: str) -> None:
        if not self.nodes:
            raise FormatError(f"{where} has no nodes, not even a root: copy the file again")
        for number, node in enumerate(self.nodes):
            ends = [child.node for child in node.children]
            ends += [end for slot in node.slots for end in (slot.variable, slot.slot_node)]
            for end in ends:
                if not 0 <= end < len(self.nodes):
                    raise FormatError(
                        f"{where}: node {number} points at node {end}, but there are {len(self.nodes)}: "
                        "the graph is corrupt; copy the file again"
                    )

    @cached_property
    def paths(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each node, the shortest path of local names from the root; None where none leads there.

        Raises FormatError where the paths would fill the memory: in a chain they grow with its square.
        """
        found: list[tuple[str, ...] | None] = [None] * len(self.nodes)
        found[0] = ()
        queue, names = deque([0]), 0
        while queue:
            number = queue.popleft()
            path = found[number] or ()
            for child in self.nodes[number].children:
                if found[child.node] is None and child.node != 0:
                    found[child.node] = (*path, child.local_name)
                    queue.append(child.node)
                    names += len(path) + 1
            if names > max(ALWAYS_NAMES, MOST_NAMES_A_NODE * len(self.nodes)):
                raise FormatError("the object graph is nested too deeply to be one: copy the file again")
        return tuple(found)

    @cached_property
    def parents(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """For each node, who holds it, and under which local name."""
        found: list[list[tuple[int, str]]] = [[] for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for child in node.children:
                found[child.node].append((number, child.local_name))
        return tuple(tuple(holders) for holders in found)

    def all_paths(self, node: int, most: int) -> tuple[tuple[str, ...], ...]:
        """Up to `most` paths without cycles from the root to `node`, shortest first."""
        only = self._only_path(node)
        return self._search_paths(node, most) if only is None else (only,)

    def _only_path(self, node: int) -> tuple[str, ...] | None:
        """The path to a node that it and all above it have one holder each, as most have; else None."""
        at = node
        for _ in range(MOST_PARTIAL_PATHS):
            holders = self.parents[at]
            if at == 0 and not holders:
                return self.paths[node]
            if at == 0 or len(holders) != 1:
                break
            ((at, _),) = holders
        return None

    def _search_paths(self, node: int, most: int) -> tuple[tuple[str, ...], ...]:
        found: list[tuple[str, ...]] = []
        queue: deque[tuple[int, tuple[str, ...], frozenset[int]]] = deque([(node, (), frozenset({node}))])
        for left in range(MOST_PARTIAL_PATHS - 1, -1, -1):
            if not queue or len(found) == most:
                break
            at, path, seen = queue.popleft()
            if at == 0:
                found.append(path)
                continue
            longer = (
                (holder, (name, *path), seen | {holder})
                for holder, name in self.parents[at]
                if holder not in seen and self.paths[holder] is not None
            )
            queue.extend(islice(longer, max(left - len(queue), 0)))  # more will not be looked at
        return tuple(found)

    def attributes(self) -> Iterable[tuple[int, Attribute]]:
        """Every tensor of the graph with the number of its node, in the graph's order."""
        return (
            (number, attribute) for number, node in enumerate(self.nodes) for attribute in node.attributes
        )


def escape_local_name(name: str) -> str:
    """The local name as a checkpoint key spells it: '.' doubled, '/' as '.S'."""
    return name.replace(".", "..").replace("/", ".S") if "." in name or "/" in name else name


def checkpoint_key(path: Sequence[str], attribute: str = VALUE) -> str:
    """The key that TensorFlow gives the attribute of the object at that path."""
    joined = "/".join(path)
    if "." in joined or joined.count("/") >= len(path):
        joined = "/".join(map(escape_local_name, path))
    return f"{joined}/.ATTRIBUTES/{attribute}" if path else f".ATTRIBUTES/{attribute}"


def slot_key(variable: Sequence[str], optimizer: Sequence[str], slot_name: str) -> str:
    """The key of the slot that the optimizer at one path keeps for the variable at another."""
    parts = [
        *map(escape_local_name, variable),
        ".OPTIMIZER_SLOT",
        *map(escape_local_name, optimizer),
        escape_local_name(slot_name),
    ]
    return "/".join([*parts, ".ATTRIBUTES", VALUE])


def _rest(message: Any) -> bytes:
    """The fields of `message` that its schema does not know, serialized."""
    empty = type(message)()
    empty.CopyFrom(message)
    for descriptor, _ in message.ListFields():
        empty.ClearField(descriptor.name)
    rest: bytes = empty.SerializeToString()
    return rest


def _nothing(message: Any) -> bytes:
    return b""


def _read_node(node: pb.ObjectGraph.Object, rest: Callable[[Any], bytes]) -> Node:
    saver = node.registered_saver
    return Node(
        children=tuple([Child(child.local_name, child.node_id, rest(child)) for child in node.children]),
        attributes=tuple(
            [
                Attribute(entry.name, entry.full_name, entry.checkpoint_key, rest(entry))
                for entry in node.attributes
            ]
        ),
        slots=tuple(
            [
                Slot(slot.original_variable_node_id, slot.slot_name, slot.slot_variable_node_id, rest(slot))
                for slot in node.slot_variables
            ]
        ),
        registered_saver=(saver.name, saver.object_name) if node.HasField("registered_saver") else None,
        has_checkpoint_values=(
            node.has_checkpoint_values.value if node.HasField("has_checkpoint_values") else None
        ),
        unknown=rest(node),
    )


def _write_node(message: pb.ObjectGraph.Object, node: Node) -> None:
    for child in node.children:
        edge = message.children.add(node_id=child.node, local_name=child.local_name)
        if child.unknown:
            edge.MergeFromString(child.unknown)
    for entry in node.attributes:
        attribute = message.attributes.add(
            name=entry.name, full_name=entry.full_name, checkpoint_key=entry.checkpoint_key
        )
        if entry.unknown:
            attribute.MergeFromString(entry.unknown)
    for held in node.slots:
        slot = message.slot_variables.add(
            original_variable_node_id=held.variable,
            slot_name=held.slot_name,
            slot_variable_node_id=held.slot_node,
        )
        if held.unknown:
            slot.MergeFromString(held.unknown)
    if node.registered_saver is not None:
        name, object_name = node.registered_saver
        message.registered_saver.MergeFrom(
            pb.ObjectGraph.Object.RegisteredSaver(name=name, object_name=object_name)
        )
    if node.has_checkpoint_values is not None:
        message.has_checkpoint_values.SetInParent()
        message.has_checkpoint_values.value = node.has_checkpoint_values
    if node.unknown:
        message.MergeFromString(node.unknown)
