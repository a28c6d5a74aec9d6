"""The way back of a plan's steps.

Each tensor of the source is looked for in the tensors that were made of it. A use is the chain of
transforms that the tensor went through on its way into one step's tensor: a join (concat, stack)
counts as the shared way of its inputs, and is undone by a split. A chain of invertible transforms
gives the tensor back alone; chains that take parts (split, unstack, slice) give it back together, if
the parts cover it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from migration.formats.tensor_bundle import TensorSlice
from migration.planning.steps import Confidence, Left, Source, SourceSignature, Step
from migration.planning.transforms import (
    Concat,
    Constant,
    Slice,
    Split,
    Stack,
    Transform,
    TransformError,
    Unstack,
)
from migration.tensors import TensorSpec

MOST_NAMED = 5  # keys that a note lists before it counts the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """The parts of a reversed plan."""

    specs: Mapping[str, TensorSpec]
    partitions: Mapping[str, tuple[TensorSlice, ...]]
    steps: tuple[Step, ...]
    drops: tuple[Left, ...]
    unfilled: tuple[Left, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One transform of a use's chain: the tensors that go in, the undoing at this input, if any."""

    transform: Transform
    spec: TensorSpec  # of the input that the chain follows
    back: Transform | None


@dataclass(frozen=True, slots=True)
class Use:
    """A way from a source tensor into a step's tensor."""

    step: Step
    links: tuple[Link, ...]

    def rest(self) -> Use:
        """The way from behind the first transform on."""
        return Use(self.step, self.links[1:])


@dataclass(frozen=True, slots=True)
class Made:
    """How a tensor of the source comes back: the step's sources and transforms."""

    sources: tuple[Source, ...]
    transforms: tuple[Transform, ...]
    exact: bool

    def then(self, transform: Transform) -> Made:
        """The same, with one more transform behind it."""
        return Made(self.sources, (*self.transforms, transform), self.exact and transform.exact)


def reverse_steps(source: SourceSignature, steps: Sequence[Step], left: Iterable[Left]) -> WayBack:
    """The way back of `steps`, that were made for `source` and left `left` of it behind."""
    uses = _uses(source.specs, steps)
    partitions = _stored_partitions(source, steps)
    why = {item.key: item.reason or "no step took it along" for item in left}
    back: list[Step] = []
    unfilled: list[Left] = []
    rounded: list[str] = []
    for key, spec in source.specs.items():
        made = _best(uses.get(key, []), spec)
        if made is None:
            unfilled.append(Left(key=key, spec=spec, reason=_reason(key, uses, why)))
            continue
        back.append(_step_back(key, spec, made, uses[key], source, partitions))
        if not made.exact:
            rounded.append(key)
    drops = _drops(steps, back)
    return WayBack(
        specs={step.target: step.spec for step in steps},
        partitions=partitions,
        steps=tuple(back),
        drops=drops,
        unfilled=tuple(unfilled),
        notes=_notes(rounded, drops),
    )


def _uses(specs: Mapping[str, TensorSpec], steps: Sequence[Step]) -> dict[str, list[Use]]:
    """For each source key the ways it takes, in the order of the steps."""
    found: dict[str, list[Use]] = {}
    for step in steps:
        for key, links in _chains(specs, step):
            found.setdefault(key, []).append(Use(step, links))
    return found


def _chains(specs: Mapping[str, TensorSpec], step: Step) -> Iterable[tuple[str, tuple[Link, ...]]]:
    """Each source of the step that lies in the source checkpoint, with its chain into the tensor."""
    if not step.sources or any(source.template for source in step.sources):
        return _template_chains(specs, step)
    try:
        heads = [_unary_links(source.transforms, specs[source.key]) for source in step.sources]
        return _joined_chains(step, heads)
    except (KeyError, TransformError):
        return ()  # a step that does not fit its own source gives nothing back


def _template_chains(specs: Mapping[str, TensorSpec], step: Step) -> Iterable[tuple[str, tuple[Link, ...]]]:
    """A step that mixes in tensors of the template: what the template's are is known from the result alone."""
    return ()


def _unary_links(transforms: Sequence[Transform], spec: TensorSpec) -> tuple[tuple[Link, ...], TensorSpec]:
    links: list[Link] = []
    for transform in transforms:
        links.append(Link(transform, spec, transform.inverse((spec,))))
        spec = transform.output((spec,))
    return tuple(links), spec


def _joined_chains(
    step: Step, heads: Sequence[tuple[tuple[Link, ...], TensorSpec]]
) -> list[tuple[str, tuple[Link, ...]]]:
    keys = [source.key for source in step.sources]
    if len(heads) == 1:
        tail, _ = _unary_links(step.transforms, heads[0][1])
        return [(keys[0], heads[0][0] + tail)]
    inputs = tuple(spec for _, spec in heads)
    join = step.transforms[0]
    backs = join.undo(inputs) or (None,) * len(inputs)
    tail, _ = _unary_links(step.transforms[1:], join.output(inputs))
    return [
        (key, (*links, Link(join, spec, back), *tail))
        for key, (links, spec), back in zip(keys, heads, backs, strict=True)
    ]
