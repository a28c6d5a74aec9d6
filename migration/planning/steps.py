"""What a plan consists of: steps, their sources, what is left over, and what the plan was made for."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from migration.formats.object_graph import ObjectGraph
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.transforms import Transform
from migration.tensors import TensorSpec

Direction = Literal["object", "name", "rename"]


class Confidence(enum.Enum):
    """How sure a step's mapping is. An undecided step is never executed."""

    CERTAIN = "certain"
    LIKELY = "likely"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One tensor that a step reads, and what it undergoes first: the source's, or the template's."""

    key: str
    transforms: tuple[Transform, ...] = ()
    template: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tensor of the result.

    `sources` go through their own transforms, then all of them into the first of `transforms` (with one
    source and no transforms the bytes are the source's own). A step without sources starts with a
    constant. `partitions` are the slices that the result stores the tensor as, `()` stores it whole; None
    keeps the source's own for a plain reference and stores anything else whole.
    """

    target: str
    spec: TensorSpec
    sources: tuple[Source, ...] = ()
    transforms: tuple[Transform, ...] = ()
    origin: str = (
        "mapping"  # mapping, rule, full name, path, slot, cell, matching, constant, template, name scope ...
    )
    reason: str = ""
    confidence: Confidence = Confidence.CERTAIN
    candidates: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    full_name: str = ""
    partitions: tuple[TensorSlice, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the tensor is one of the source's as it is, under another key."""
        return (
            len(self.sources) == 1
            and not self.sources[0].template
            and not self.sources[0].transforms
            and not self.transforms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A tensor of one side without a partner on the other: `key`, what it is, and why, or what comes near.

    `equal_to` is another tensor of its side that has the same bytes: the way back makes a copy of that.
    """

    key: str
    spec: TensorSpec
    reason: str = ""
    nearest: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    full_name: str = ""
    equal_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSignature:
    """The names, dtypes, shapes and partitions that a plan was made for."""

    specs: Mapping[str, TensorSpec]
    partitions: Mapping[str, tuple[TensorSlice, ...]] = field(default_factory=dict)
    graph: ObjectGraph | None = None  # the source's own, where it is object-based


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateReference:
    """Which template a plan was made for; read again only where a step takes a tensor from it."""

    path: str
    digest: str
