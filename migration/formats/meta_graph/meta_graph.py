"""A MetaGraphDef, asked what a migration wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from migration.formats.meta_graph.averages import averages
from migration.formats.meta_graph.gates import forget_biases
from migration.formats.meta_graph.global_step import global_step
from migration.formats.meta_graph.graph import Graph
from migration.formats.meta_graph.saver import SavedVariable, saved
from migration.formats.meta_graph.update import Update
from migration.formats.meta_graph.updates import updates


@dataclass(frozen=True)
class MetaGraph(Graph):
    """The graph beside a checkpoint. Each question is answered once, when it is first asked."""

    @classmethod
    def from_bytes(cls, raw: bytes, where: str = "the graph file") -> MetaGraph:
        """The graph in the bytes of a `.meta` file. They are read on the first question, which raises
        FormatError where they are no MetaGraphDef."""
        return cls(raw, where=where)

    @classmethod
    def from_saved_model(cls, raw: bytes, where: str = "the graph file") -> MetaGraph:
        """The first graph of a `saved_model.pb` (the one tagged `train`, where there is one)."""
        return cls(raw, saved_model=True, where=where)

    @cached_property
    def saved(self) -> Mapping[str, tuple[SavedVariable, ...]]:
        """Checkpoint key -> the variables (slices) that the graph's savers store under it."""
        return saved(self)

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """Variable op name -> the checkpoint key that it is saved under; unsaved ones are missing."""
        return {part.variable: key for key, parts in self.saved.items() for part in parts}

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """What the optimizers do to variables, in creation order."""
        return updates(self)

    @cached_property
    def averages(self) -> Mapping[str, str]:
        """Shadow variable -> the variable that it is the moving average of (op names)."""
        return averages(self)

    @cached_property
    def forget_biases(self) -> Mapping[str, float]:
        """LSTM kernel variable (op name) -> the constant that its cell adds to the forget gate."""
        return forget_biases(self)

    @cached_property
    def global_step(self) -> str | None:
        """The op name of the step variable: of the collection of that name, or the one scalar integer (or
        float) variable that training counts up by one."""
        return global_step(self)
