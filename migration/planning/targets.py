"""The tensors that a template asks for, with every name under which a person may know them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from migration.errors import InputError
from migration.formats.object_graph import ObjectGraph
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

MARK = "/.ATTRIBUTES/"  # stands in the keys of objects' values, before the attribute's name
MOST_PATHS = 8  # a node that a deep tree shares can be reached by very many paths


@runtime_checkable
class Writable(Protocol):
    """A live object that writes an object-based checkpoint of itself, such as tf.train.Checkpoint."""

    def write(self, file_prefix: str) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One tensor of the template.

    `paths` are the '/'-joined local names that lead to its node, shortest first; `full_name` is the
    variable's own name; `order` is its place among the graph's attributes.
    """

    key: str
    spec: TensorSpec
    node: int
    paths: tuple[str, ...]
    full_name: str
    attribute: str
    order: int

    @property
    def spoken(self) -> str:
        """What tells a person most about the tensor: of its paths and its full name the one with the most
        words (an optimizer's list is often the shortest path, and says nothing); else its key."""
        names = [*self.paths, self.full_name.removesuffix(":0")]
        return max(filter(None, names), key=_words, default=self.key)


def _words(name: str) -> int:
    """How many parts of a name are neither numbers nor a library's own lists."""
    return sum(not (part.isdigit() or part.startswith("_")) for part in name.split("/"))


@dataclass(frozen=True, kw_only=True)
class Template:
    """An object-based checkpoint as the shape of a result. `keep` holds what must outlive it."""

    checkpoint: Checkpoint
    graph: ObjectGraph
    keep: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, thing: Checkpoint | str | os.PathLike[str] | Writable | Template) -> Template:
        """The template that `thing` is: an open checkpoint, a path to one, or a live object.

        A live object writes itself, values included, into a temporary directory that is removed with
        the template. Raises InputError where there is no object graph.
        """
        from migration.checkpoint import Checkpoint

        if isinstance(thing, Template):
            return thing
        keep = None
        if isinstance(thing, (str, os.PathLike)):
            thing = Checkpoint.open(thing)
        elif not isinstance(thing, Checkpoint):
            if not isinstance(thing, Writable):
                raise InputError(
                    f"{type(thing).__name__} cannot serve as a template: pass a checkpoint, its path, or an "
                    "object with a write(prefix) method such as tf.train.Checkpoint"
                )
            keep = tempfile.TemporaryDirectory(prefix="ckpt-template-")
            prefix = os.path.join(keep.name, "template")
            thing.write(prefix)
            thing = Checkpoint.open(prefix)
        if thing.graph is None:
            raise InputError(
                f"{thing.prefix} is name-based and has no object graph: a template is a checkpoint that "
                "the new code saved once with tf.train.Checkpoint"
            )
        return cls(checkpoint=thing, graph=thing.graph, keep=keep)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every tensor that the graph names, in the graph's order."""
        specs = self.checkpoint.specs
        parts = parts_of(self.graph, specs)
        found: list[Target] = []
        for number, node in enumerate(self.graph.nodes):
            for attribute in node.attributes:
                stem = attribute.checkpoint_key.removesuffix(attribute.name)
                for key in (
                    *([attribute.checkpoint_key] if attribute.checkpoint_key in specs else ()),
                    *parts.get(attribute.checkpoint_key, ()),
                ):
                    found.append(
                        Target(
                            key=key,
                            spec=specs[key],
                            node=number,
                            paths=tuple("/".join(path) for path in self.graph.all_paths(number, MOST_PATHS)),
                            full_name=attribute.full_name,
                            attribute=key.removeprefix(stem),
                            order=len(found),
                        )
                    )
        return tuple(found)

    @cached_property
    def by_key(self) -> Mapping[str, Target]:
        """The targets by checkpoint key."""
        return {target.key: target for target in self.targets}

    @cached_property
    def by_node(self) -> Mapping[int, Target]:
        """The variables by node number (a node's first attribute)."""
        found: dict[int, Target] = {}
        for target in self.targets:
            found.setdefault(target.node, target)
        return found


def parts_of(graph: ObjectGraph, keys: Iterable[str]) -> dict[str, list[str]]:
    """The keys that only begin with an attribute's: the tensors of what saves itself in several, or under a
    suffix of its own, such as lookup tables ("table-keys", "table-values") and iterators."""
    claimed = {attribute.checkpoint_key for _, attribute in graph.attributes()}
    found: dict[str, list[str]] = {}
    for key in keys:
        if key in claimed or MARK not in key:
            continue
        start = key.index(MARK) + len(MARK)
        owner = next((key[:end] for end in range(len(key) - 1, start, -1) if key[:end] in claimed), None)
        if owner is not None:
            found.setdefault(owner, []).append(key)
    return found
