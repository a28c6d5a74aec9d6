"""How a tensor of the source comes back out of the tensors that were made of it.

A use is the chain of transforms that the tensor went through on its way into one step's tensor: a
join (concat, stack) counts as a link of each of its inputs, and is undone by a split. A chain of
invertible transforms gives the tensor back alone; chains that take parts (split, unstack, slice) give
it back together, if the parts cover it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from migration.planning.steps import Source, Step
from migration.planning.transforms import (
    Concat,
    Slice,
    Split,
    Stack,
    Transform,
    TransformError,
    Unstack,
)
from migration.tensors import TensorSpec


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

    def undoing(self, transform: Transform, back: Transform) -> Made:
        """The same, with `back` behind it, which undoes `transform`."""
        exact = self.exact and transform.exact and back.exact
        return Made(self.sources, (*self.transforms, back), exact)


def uses_of(specs: Mapping[str, TensorSpec], steps: Sequence[Step]) -> dict[str, list[Use]]:
    """For each source key the ways it takes, in the order of the steps."""
    found: dict[str, list[Use]] = {}
    for step in steps:
        for key, links in _chains(specs, step):
            found.setdefault(key, []).append(Use(step, links))
    return found


def _chains(specs: Mapping[str, TensorSpec], step: Step) -> Iterable[tuple[str, tuple[Link, ...]]]:
    """Each source of the step that lies in the source checkpoint, with its chain into the tensor."""
    if all(source.template for source in step.sources):
        return ()
    try:
        return _joined_chains(step, _heads(specs, step))
    except (KeyError, TransformError):
        return ()  # a step that does not fit its own source gives nothing back


def _heads(specs: Mapping[str, TensorSpec], step: Step) -> list[tuple[tuple[Link, ...], TensorSpec]]:
    """Each source's own transforms, and what they make of it."""
    known = [
        None if source.template else _unary_links(source.transforms, specs[source.key])
        for source in step.sources
    ]
    inputs = [head[1] for head in known if head is not None]
    return [head if head is not None else ((), _template_input(step, inputs)) for head in known]


def _template_input(step: Step, others: Sequence[TensorSpec]) -> TensorSpec:
    """What a template's tensor brings into a join, as far as the other inputs and the result tell."""
    join, missing = step.transforms[0], len(step.sources) - len(others)
    if isinstance(join, Stack):
        return others[0]
    if not isinstance(join, Concat) or missing != 1 or len(step.transforms) != 1:
        raise TransformError(f"{step.target}: what the template brings is not known")
    axis = join.axis_of(join.axis, len(step.spec.shape))
    rest = step.spec.shape[axis] - sum(spec.shape[axis] for spec in others)
    shape = step.spec.shape
    return TensorSpec(step.spec.dtype, (*shape[:axis], rest, *shape[axis + 1 :]))


def _unary_links(transforms: Sequence[Transform], spec: TensorSpec) -> tuple[tuple[Link, ...], TensorSpec]:
    links: list[Link] = []
    for transform in transforms:
        output = transform.output((spec,))
        links.append(Link(transform, spec, transform.inverse((spec,))))
        spec = output
    return tuple(links), spec


def _joined_chains(
    step: Step, heads: Sequence[tuple[tuple[Link, ...], TensorSpec]]
) -> list[tuple[str, tuple[Link, ...]]]:
    if len(heads) == 1:
        tail, _ = _unary_links(step.transforms, heads[0][1])
        return [(step.sources[0].key, heads[0][0] + tail)]
    inputs = tuple(spec for _, spec in heads)
    join = step.transforms[0]
    tail, _ = _unary_links(step.transforms[1:], join.output(inputs))
    backs = join.undo(inputs) or (None,) * len(inputs)
    return [
        (source.key, (*links, Link(join, spec, back), *tail))
        for source, (links, spec), back in zip(step.sources, heads, backs, strict=True)
        if not source.template
    ]


def way_back(uses: Sequence[Use]) -> Made | None:
    """The first way back that is exact; failing that, the first; None where there is none."""
    found = [made for use in uses if (made := _alone(use)) is not None]
    exact = next((made for made in found if made.exact), None)
    if exact is not None:
        return exact
    found += _together(uses)
    return next((made for made in found if made.exact), found[0] if found else None)


def way_back_in_parts(uses: Sequence[Use]) -> Made | None:
    """The whole tensor of which a key holds some slices, where a use cut those out and joined them with the
    rest of it, each in its place: what the key needs is then a part of what comes back."""
    for use in uses:
        if len(use.links) > 1 and isinstance(use.links[0].transform, Slice):
            cut, join = use.links[0], use.links[1]
            if isinstance(join.transform, Concat) and _is_in_place(cut, join):
                made = _alone(Use(use.step, use.links[2:]))
                if made is not None:
                    return made
    return None


def _is_in_place(cut: Link, join: Link) -> bool:
    """Whether the slice stands in the joined tensor where it was in its own, which has the same shape."""
    box, place = cut.transform, join.back
    if not isinstance(box, Slice) or not isinstance(place, Split):
        return False
    shape, axis = cut.spec.shape, place.axis
    sizes = box.output((cut.spec,)).shape
    starts = tuple(sum(place.sizes[: place.index]) if at == axis else 0 for at in range(len(shape)))
    beside = all(sizes[at] == shape[at] for at in range(len(shape)) if at != axis)
    return beside and box.starts == starts and sum(place.sizes) == shape[axis]


def _alone(use: Use) -> Made | None:
    """The tensor out of this use's step by itself."""
    made = Made((Source(key=use.step.target),), (), True)
    for link in reversed(use.links):
        if link.back is None:
            return None
        made = made.undoing(link.transform, link.back)
    return made


def _together(uses: Sequence[Use]) -> list[Made]:
    """The ways back that need several uses: parts joined, behind what all of them went through first."""
    groups: dict[Transform, list[Use]] = {}
    for use in uses:
        if use.links:
            groups.setdefault(use.links[0].transform, []).append(use)
    if len(uses) < 2 or not groups:
        return []
    found = [_behind(group) for group in groups.values() if group[0].links[0].back is not None]
    found += [_unsplit(cut, groups) for cut in _cuts(groups)]
    found += [_tiled(groups, axis) for axis in range(_sliced_rank(groups))]
    return [made for made in found if made is not None]


def _behind(group: Sequence[Use]) -> Made | None:
    """What an invertible transform made, brought back together, then the transform undone."""
    transform, back = group[0].links[0].transform, group[0].links[0].back
    made = way_back([use.rest() for use in group]) if len(group) > 1 else None
    return None if made is None or back is None else made.undoing(transform, back)


def _cuts(groups: Mapping[Transform, Sequence[Use]]) -> list[Split | Unstack]:
    """One of the parts for each different way to cut."""
    cuts: dict[Transform, Split | Unstack] = {}
    for transform in groups:
        if isinstance(transform, (Split, Unstack)):
            cuts.setdefault(replace(transform, index=0), transform)
    return list(cuts.values())


def _unsplit(cut: Split | Unstack, groups: Mapping[Transform, Sequence[Use]]) -> Made | None:
    """All parts of a cut, joined again. A part without elements may be missing."""
    spec = groups[cut][0].links[0].spec
    sizes = cut.sizes_of(spec) if isinstance(cut, Split) else (1,) * cut.count
    needed = [index for index, size in enumerate(sizes) if size] or [cut.index]
    parts: list[Made] = []
    for index in needed:
        made = _part(groups.get(replace(cut, index=index), ()))
        if made is None:
            return None
        parts.append(made)
    axis = cut.axis_of(cut.axis, len(spec.shape))
    kept = tuple(sizes[index] for index in needed)
    return _joined(Concat(axis, kept) if isinstance(cut, Split) else Stack(axis), parts)


def _part(group: Sequence[Use]) -> Made | None:
    return way_back([use.rest() for use in group])


def _sliced_rank(groups: Mapping[Transform, Sequence[Use]]) -> int:
    return max((len(cut.starts) for cut in groups if isinstance(cut, Slice)), default=0)


def _tiled(groups: Mapping[Transform, Sequence[Use]], axis: int) -> Made | None:
    """Slices that follow each other along one axis and are whole on the others, joined again."""
    boxes: dict[int, tuple[int, Made]] = {}
    length = 0
    for cut, group in groups.items():
        if not isinstance(cut, Slice):
            continue
        shape = group[0].links[0].spec.shape
        sizes = cut.output((group[0].links[0].spec,)).shape
        length = shape[axis]
        beside = all(sizes[at] == shape[at] for at in range(len(shape)) if at != axis)
        made = _part(group) if beside and sizes[axis] and cut.starts[axis] not in boxes else None
        if made is not None:
            boxes[cut.starts[axis]] = (sizes[axis], made)
    chosen: list[tuple[int, Made]] = []
    while (at := sum(size for size, _ in chosen)) in boxes:
        chosen.append(boxes[at])
    if not chosen or sum(size for size, _ in chosen) != length:
        return None
    return _joined(Concat(axis, tuple(size for size, _ in chosen)), [made for _, made in chosen])


def _joined(join: Concat | Stack, parts: Sequence[Made]) -> Made | None:
    """The parts joined; None where a step, which joins once, cannot say it."""
    sources: list[Source] = []
    sizes: list[int] = []
    for at, part in enumerate(parts):
        if len(part.sources) == 1:
            sources.append(replace(part.sources[0], transforms=part.transforms))
            sizes += join.sizes[at : at + 1] if isinstance(join, Concat) else ()
            continue
        inner = part.transforms[0]
        if len(part.transforms) != 1 or not isinstance(inner, Concat) or not isinstance(join, Concat):
            return None
        if inner.axis != join.axis:
            return None
        sources += part.sources
        sizes += inner.sizes
    exact = all(part.exact for part in parts)
    if len(sources) == 1 and isinstance(join, Concat):
        return Made((replace(sources[0], transforms=()),), sources[0].transforms, exact)
    whole = Concat(join.axis, tuple(sizes)) if isinstance(join, Concat) else join
    return Made(tuple(sources), (whole,), exact)
