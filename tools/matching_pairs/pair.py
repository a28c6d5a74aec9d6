"""A pair of naming schemes: tensors of a source, tensors of a template, and which belongs to which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from migration.planning.candidates import Candidate
from migration.planning.targets import Target
from migration.tensors import DType, TensorSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The tensor that belongs to a target: its name, and how its values stand in the target.

    `permutation` turns the axes before the shape is taken on; None leaves them.
    """

    source: str
    permutation: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingPair:
    """Candidates, targets, and for each target key that has one its truth. `ambiguous`: no name decides."""

    name: str
    candidates: tuple[Candidate, ...]
    targets: tuple[Target, ...]
    truth: dict[str, Truth]
    ambiguous: bool = False


@dataclass
class Builder:
    """Collects tensors of both sides, then makes a pair of them.

    Sources are created in the order of the calls; the template's graph has its variables breadth first,
    as TensorFlow writes it. `has_meta`: whether the source's order of creation is known.
    """

    name: str
    has_meta: bool = False
    ambiguous: bool = False
    sources: list[tuple[str, Shape, str]] = field(default_factory=list)
    places: list[tuple[tuple[str, ...], str, Shape, str]] = field(default_factory=list)
    truth: dict[str, Truth] = field(default_factory=dict)

    def source(self, name: str, shape: Sequence[int], dtype: str = "float32") -> None:
        """A tensor of the source that the template may lack."""
        self.sources.append((name, tuple(shape), dtype))

    def target(
        self, paths: str | Sequence[str], full_name: str, shape: Sequence[int], dtype: str = "float32"
    ) -> str:
        """A tensor of the template that the source may lack; its first path. Its key is returned."""
        several = (paths,) if isinstance(paths, str) else tuple(paths)
        self.places.append((several, full_name, tuple(shape), dtype))
        return key_of(several[0])

    def both(
        self,
        name: str,
        shape: Sequence[int],
        paths: str | Sequence[str],
        full_name: str,
        into: Sequence[int] | None = None,
        permutation: tuple[int, ...] | None = None,
    ) -> None:
        """A tensor that both have, in the template perhaps in another shape."""
        self.source(name, shape)
        key = self.target(paths, full_name, shape if into is None else into)
        self.truth[key] = Truth(source=name, permutation=permutation)

    def build(self) -> NamingPair:
        """The pair."""
        walk = sorted(self.places, key=lambda place: place[0][0].count("/"))
        return NamingPair(
            name=self.name,
            candidates=tuple(
                Candidate.stored(name, _spec(shape, dtype), order if self.has_meta else None)
                for order, (name, shape, dtype) in enumerate(self.sources)
            ),
            targets=tuple(
                Target(
                    key=key_of(paths[0]),
                    spec=_spec(shape, dtype),
                    node=order + 1,
                    paths=paths,
                    full_name=full_name,
                    attribute="VARIABLE_VALUE",
                    order=order,
                )
                for order, (paths, full_name, shape, dtype) in enumerate(walk)
            ),
            truth=self.truth,
            ambiguous=self.ambiguous,
        )


def key_of(path: str) -> str:
    """The checkpoint key of the variable at a path."""
    return f"{path}/.ATTRIBUTES/VARIABLE_VALUE"


def _spec(shape: Shape, dtype: str) -> TensorSpec:
    return TensorSpec(DType.from_name(dtype), shape)


Make = Callable[[], NamingPair]
