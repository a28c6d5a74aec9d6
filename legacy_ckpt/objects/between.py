"""From one object graph to another, whose objects may stand elsewhere in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from legacy_ckpt.objects.live import LiveCheckpoint
from migration.checkpoint import Checkpoint
from migration.formats.object_graph import ObjectGraph
from migration.planning.keeping import kept_step
from migration.planning.plan import Left, Plan, Source, Step
from migration.planning.savecounter import SAVE_COUNTER_KEY
from migration.planning.signature import signature_of
from migration.planning.targets import Target, Template

_COUNTER = "tf.train.Checkpoint's count of its saves"


def by_graph(source: Checkpoint, objects: LiveCheckpoint) -> Plan:
    """The plan that fills each target from the same path of the source's graph; slots from the same key.

    Where a model is restored from a checkpoint that held it under a name, such as
    `tf.train.Checkpoint(model=model)`, paths are compared below that name: the one under which most fit.
    """
    assert source.graph is not None
    ours, theirs = _targets(objects, objects.graph), _targets(source, source.graph)
    roots = ["", *(f"{child.local_name}/" for child in source.graph.nodes[0].children)]
    met = (_pairs(theirs, ours, root) for root in roots)
    found = max(
        ({key: one for key, one in each.items() if objects.takes(key, one.spec)} for each in met), key=len
    )
    steps = tuple(_step(target, found[target.key]) for target in ours if target.key in found)
    used = {partner.key for partner in found.values()}
    lefts = [Left(key=key, spec=spec) for key, spec in source.specs.items() if key not in used]
    absent = [target for target in ours if target.key not in found]
    return Plan(
        to="object",
        source=signature_of(source),
        steps=(*steps, *(kept_step(each, _COUNTER) for each in absent if each.key == SAVE_COUNTER_KEY)),
        drops=tuple(replace(left, reason=_COUNTER) for left in lefts if left.key == SAVE_COUNTER_KEY),
        unused=tuple(left for left in lefts if left.key != SAVE_COUNTER_KEY),
        unfilled=tuple(_unfilled(target) for target in absent if target.key != SAVE_COUNTER_KEY),
        graph=objects.graph,
    )


def _targets(checkpoint: Checkpoint, graph: ObjectGraph) -> list[Target]:
    """The tensors that the graph names, and those that it does not: a table's keys and values."""
    named = Template(checkpoint=checkpoint, graph=graph)
    other = ((key, spec) for key, spec in checkpoint.specs.items() if key not in named.by_key)
    return [
        *named.targets,
        *(
            Target(key=key, spec=spec, node=0, paths=(), full_name="", attribute="", order=len(named.targets))
            for key, spec in other
        ),
    ]


def _pairs(source: list[Target], ours: list[Target], root: str) -> dict[str, Target]:
    """The partner of each target, the targets' paths taken as beginning at `root` in the source."""
    places = {place: target for target in reversed(source) for place in _places(target, "")}
    found: dict[str, Target] = {}
    for target in ours:
        partner = next((places[place] for place in _places(target, root) if place in places), None)
        if partner is not None:
            found[target.key] = partner
    return found


def _places(target: Target, root: str) -> Iterator[tuple[str, str]]:
    yield from ((root + path, target.attribute) for path in target.paths)
    if not target.paths:  # a slot, or a part of a table
        yield (root + target.key, "")


def _step(target: Target, partner: Target) -> Step:
    return Step(
        target=target.key,
        spec=partner.spec,
        sources=(Source(key=partner.key),),
        origin="path",
        paths=target.paths,
        full_name=target.full_name,
    )


def _unfilled(target: Target) -> Left:
    return Left(key=target.key, spec=target.spec, paths=target.paths, full_name=target.full_name)
