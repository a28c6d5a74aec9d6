"""`Saver(object_view=...)`: which object keys each saved checkpoint gets, beside its names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from tensorflow.core.protobuf import saver_pb2

from legacy_ckpt.saver.live_graph import LiveGraph, saved_places
from legacy_ckpt.saver.two_views import Additions, Place, add_keys
from migration.checkpoint import Checkpoint
from migration.formats.object_graph import (
    GRAPH_KEY,
    VALUE,
    Attribute,
    Child,
    Node,
    ObjectGraph,
    checkpoint_key,
)
from migration.planning.assembling import ASSEMBLED
from migration.planning.plan import Plan

SAVE_COUNTER = "save_counter"  # tf.train.Checkpoint's own child: without it, one object stays unmatched


class View(Protocol):
    """What says which keys a checkpoint at `prefix`, just written by `saver`, gets."""

    def additions(self, saver: Any, prefix: str) -> Additions:
        """The object keys on the saver's names, the object graph, and whatever else it needs."""


class ObjectView:
    """Puts a view into checkpoint after checkpoint, and counts them as `tf.train.Checkpoint.save` does."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._count = 0

    @classmethod
    def of(cls, given: Any, write_version: int) -> ObjectView:
        """From what `object_view=` takes. Raises ValueError for V1, TypeError for anything else."""
        if write_version != saver_pb2.SaverDef.V2:
            raise ValueError("object_view needs write_version V2: a V1 file has one name for each tensor")
        if isinstance(given, Plan):
            from legacy_ckpt.saver.plan_view import PlanView  # it loads the whole of migration.convert

            return cls(PlanView(given))
        if isinstance(given, Mapping):
            return cls(MappingView(given))
        if hasattr(given, "_trackable_children"):
            return cls(LiveView(given))
        raise TypeError(
            f"object_view is a tf.train.Checkpoint, a mapping from object path to variable name, or a Plan; "
            f"got {type(given).__name__}"
        )

    def check(self, saver: Any) -> None:
        """Before anything is written: raises ValueError where the view asks for what is not saved."""
        if isinstance(self._view, LiveView):
            self._view.prepare(saver)

    def add_to(self, saver: Any, prefix: str) -> None:
        """Adds the object keys to the checkpoint that `saver` has just written at `prefix`.

        Raises ValueError where the view asks for a variable that the Saver does not save.
        """
        additions = self._view.additions(saver, prefix)
        self._count += 1
        counter = {checkpoint_key((SAVE_COUNTER,)): np.array(self._count, np.int64)}
        add_keys(prefix, Additions(additions.aliases, counter | dict(additions.values)))


class LiveView:
    """Live objects: a tf.train.Checkpoint, a model, anything trackable."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._prepared: tuple[LiveGraph, dict[str, Place]] | None = None

    def prepare(self, saver: Any) -> None:
        """Looks at the objects before the save; `additions` takes what was seen here."""
        self._prepared = self.places_of(saver)

    def additions(self, saver: Any, prefix: str) -> Additions:
        """The graph of the objects at the save, each variable on the name that the Saver gave it."""
        graph, places = self._prepared or self.places_of(saver)
        self._prepared = None
        hidden = sorted({place.key for place in saved_places(saver._var_list).values()} - _keys(places))
        if hidden:
            warnings.warn(
                f"object_view does not reach {len(hidden)} variables of this Saver: {', '.join(hidden[:10])}",
                stacklevel=2,
            )
        return Additions(places, {GRAPH_KEY: np.array(graph.serialized, object)})

    def places_of(self, saver: Any) -> tuple[LiveGraph, dict[str, Place]]:
        """The objects now, and where the Saver puts each; raises ValueError for what it does not save."""
        graph, places = LiveGraph.of(self._root), saved_places(saver._var_list)
        absent = [key for key, identity in graph.variables.items() if identity not in places]
        if absent:
            raise ValueError(
                f"object_view holds {len(absent)} variables that this Saver does not save: "
                f"{', '.join(absent[:10])}; add them to var_list, or leave them out of the objects"
            )
        return graph, {key: places[identity] for key, identity in graph.variables.items()}


def _keys(places: Mapping[str, Place]) -> set[str]:
    return {place.key for place in places.values()}


class MappingView:
    """A mapping from object path ("net/dense/kernel") to variable name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._paths = {tuple(path.split("/")): name for path, name in names.items()}

    def additions(self, saver: Any, prefix: str) -> Additions:
        """A tree of objects along the paths. What TensorFlow cannot restore from slices is written whole."""
        checkpoint = Checkpoint.open(prefix)
        held = checkpoint.specs
        absent = sorted(name for name in self._paths.values() if name not in held)
        if absent:
            raise ValueError(
                f"object_view asks for {len(absent)} names that this Saver does not save: "
                f"{', '.join(absent)}; it saves {', '.join(sorted(held))}"
            )
        keys = {checkpoint_key(path): name for path, name in self._paths.items()}
        odd = {name for name in checkpoint.partitions if held[name].dtype not in ASSEMBLED}
        aliases = {key: Place(name) for key, name in keys.items() if name not in odd}
        values: dict[str, Any] = {key: checkpoint.read(name) for key, name in keys.items() if name in odd}
        tree = tree_of({**self._paths, (SAVE_COUNTER,): SAVE_COUNTER})
        return Additions(aliases, {**values, GRAPH_KEY: np.array(tree.to_bytes(), object)})


def tree_of(paths: Mapping[tuple[str, ...], str]) -> ObjectGraph:
    """The object graph in which each path leads to a variable of that name."""
    numbers: dict[tuple[str, ...], int] = {(): 0}
    for path in paths:
        for length in range(1, len(path) + 1):
            numbers.setdefault(path[:length], len(numbers))
    nodes = []
    for here in numbers:
        below = [path for path in numbers if path and path[:-1] == here]
        children = tuple(Child(path[-1], numbers[path]) for path in below)
        own = (Attribute(VALUE, paths[here], checkpoint_key(here)),) if here in paths else ()
        nodes.append(Node(children, own))
    return ObjectGraph(tuple(nodes))
