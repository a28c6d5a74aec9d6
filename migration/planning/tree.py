"""An object graph being built, path by path."""

from __future__ import annotations

from collections.abc import Sequence

from migration.formats.object_graph import (
    VALUE,
    Attribute,
    Child,
    Node,
    ObjectGraph,
    Slot,
    checkpoint_key,
    slot_key,
)

Path = tuple[str, ...]


def spelled(name: str) -> str:
    r"""The name as the graph's strings can hold it: bytes that are no UTF-8 (of Python 2) become \xNN."""
    return (
        name
        if name.isascii()
        else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


class Tree:
    """Nodes under local names; a path names one node. Node 0 is the root."""

    def __init__(self) -> None:
        self._children: list[dict[str, int] | None] = [None]  # most nodes of a large tree are leaves
        self._attributes: dict[int, tuple[Attribute, ...]] = {}
        self._slots: dict[int, list[Slot]] = {}

    def node(self, path: Sequence[str]) -> int:
        """The node at `path`, made with all above it where it is not there."""
        at = 0
        children = self._children
        for name in path:
            held = children[at]
            if held is None:
                held = children[at] = {}
            child = held.get(name)
            if child is None:
                child = held[name] = self._new()
            at = child
        return at

    def _new(self) -> int:
        self._children.append(None)
        return len(self._children) - 1

    def variable(self, path: Path, full_name: str) -> str:
        """Make the node at `path` a variable; returns its checkpoint key."""
        key = checkpoint_key(path)
        node, attribute = self.node(path), Attribute(VALUE, spelled(full_name), key)
        self._attributes[node] = (*self._attributes.get(node, ()), attribute)
        return key

    def slot(self, variable: Path, optimizer: Path, slot_name: str, full_name: str) -> str:
        """Give the variable at a path a slot of the optimizer at another; returns the slot's key."""
        key = slot_key(variable, optimizer, slot_name)
        node = self._new()
        self._attributes[node] = (Attribute(VALUE, spelled(full_name), key),)
        slots = self._slots.setdefault(self.node(optimizer), [])
        slots.append(Slot(self.node(variable), slot_name, node))
        return key

    def graph(self) -> ObjectGraph:
        """The graph of all that was put in."""
        nodes = []
        for number, children in enumerate(self._children):
            nodes.append(
                Node(
                    tuple([Child(name, child) for name, child in children.items()]) if children else (),
                    self._attributes.get(number, ()),
                    tuple(self._slots.get(number, ())),
                    None,
                    True,
                )
            )
        return ObjectGraph(tuple(nodes))
