"""From one object graph to another: an object-based checkpoint into objects that may stand elsewhere in theirs."""

from __future__ import annotations

from collections.abc import Iterator

from migration.checkpoint import Checkpoint
from migration.planning.plan import Left, Plan, Source, Step
from migration.planning.renaming import signature_of
from migration.planning.targets import Target, Template

_Places = dict[tuple[str, str], Target]  # by path and attribute


def by_graph(source: Checkpoint, template: Template) -> Plan:
    """The plan that fills each target from the same path of the source's graph; slots from the same key.

    Where a model is restored from a checkpoint that held it under a name, such as
    `tf.train.Checkpoint(model=model)`, paths are compared below that name: the one under which most fit.
    """
    assert source.graph is not None
    theirs = Template(checkpoint=source, graph=source.graph)
    roots = ["", *(f"{child.local_name}/" for child in source.graph.nodes[0].children)]
    found = max((_pairs(theirs, template, root) for root in roots), key=len)
    steps = tuple(_step(target, found[target.key]) for target in template.targets if target.key in found)
    used = {partner.key for partner in found.values()}
    return Plan(
        to="object",
        source=signature_of(source),
        steps=steps,
        unused=tuple(Left(key=key, spec=spec) for key, spec in source.specs.items() if key not in used),
        unfilled=tuple(_unfilled(target) for target in template.targets if target.key not in found),
        graph=template.graph,
    )


def _pairs(source: Template, template: Template, root: str) -> dict[str, Target]:
    """The partner of each target, the targets' paths taken as beginning at `root` in the source."""
    places = {place: target for target in reversed(source.targets) for place in _places(target, "")}
    found: dict[str, Target] = {}
    for target in template.targets:
        partner = next((places[place] for place in _places(target, root) if place in places), None)
        if partner is not None and partner.spec == target.spec:
            found[target.key] = partner
    return found


def _places(target: Target, root: str) -> Iterator[tuple[str, str]]:
    yield from ((root + path, target.attribute) for path in target.paths)
    if not target.paths:  # a slot
        yield (target.key, "")


def _step(target: Target, partner: Target) -> Step:
    return Step(
        target=target.key,
        spec=target.spec,
        sources=(Source(key=partner.key),),
        origin="path",
        paths=target.paths,
        full_name=target.full_name,
    )


def _unfilled(target: Target) -> Left:
    return Left(key=target.key, spec=target.spec, paths=target.paths, full_name=target.full_name)
