"""What the source offers for a target: a stored tensor, or one made of stored tensors."""

from __future__ import annotations

from dataclasses import dataclass

from migration.planning.plan import Source
from migration.planning.transforms import Transform
from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tensor that the source can give, under a name that people and the matching read.

    A stored tensor is its own candidate. A recognised structure (an RNN cell's fused kernel, say)
    offers candidates that do not exist as such: `sources` and `transforms` say how they are made.
    `order` is the creation order in the graph, where a `.meta` tells it.
    """

    name: str
    spec: TensorSpec
    sources: tuple[Source, ...]
    transforms: tuple[Transform, ...] = ()
    order: int | None = None
    reason: str = ""

    @classmethod
    def stored(cls, key: str, spec: TensorSpec, order: int | None = None) -> Candidate:
        """The candidate that a tensor of the source is by itself."""
        return cls(name=key, spec=spec, sources=(Source(key=key),), order=order)
