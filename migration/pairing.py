"""Which tensor of one checkpoint is which of another: by a plan, a manifest, or by names alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from migration.errors import PlanError, Problem
from migration.formats.object_graph import VALUE
from migration.planning.plan import Plan, Source, Step
from migration.planning.savecounter import SAVE_COUNTER_KEY, counted
from migration.planning.tree import spelled

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What each tensor of the result is made of, and the keys that have no partner."""

    basis: str
    steps: tuple[Step, ...]
    dropped: tuple[str, ...] = ()
    source_only: tuple[str, ...] = ()
    migrated_only: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The names that a tensor goes by: its key, its variable's own name, and its path in the graph."""

    key: str
    full_name: str
    path: str


def pair_up(source: Checkpoint, migrated: Checkpoint, plan: Plan | None) -> Pairing:
    """The pairing by `plan`, else by the manifest of either side, else by names.

    Raises PlanError where a plan that was given was made for other tensors than the source's.
    """
    if plan is not None:
        check_fits(plan, source)
        return by_plan(source, migrated, counted(plan, migrated.prefix), "the plan")
    notes: list[str] = []
    remembered = _remembered(source, migrated, notes)
    if remembered is not None:
        return by_plan(source, migrated, remembered, "the manifest", notes)
    return by_names(source, migrated, notes)


def check_fits(plan: Plan, source: Checkpoint) -> None:
    """Raises PlanError unless the source has the tensors that the plan was made for."""
    if dict(plan.source.specs) == dict(source.specs):
        return
    problems = list(_misfits(plan.source.specs, source.specs))
    if problems:
        raise PlanError(f"the plan was not made for {source.prefix}", problems)


def _misfits(wanted: Mapping[str, TensorSpec], found: Mapping[str, TensorSpec]) -> Iterable[Problem]:
    for key, spec in wanted.items():
        if key not in found:
            yield Problem(kind="absent", where=key, message=f"the plan reads {spec}, and it is not there")
        elif found[key] != spec:
            yield Problem(kind="spec", where=key, message=f"{found[key]}, the plan was made for {spec}")


def _remembered(source: Checkpoint, migrated: Checkpoint, notes: list[str]) -> Plan | None:
    """The plan from `source` to `migrated` that a manifest holds; `notes` gets what speaks against one."""
    from migration.planning.manifest import Manifest

    if migrated.manifest_bytes is not None:
        manifest = Manifest.from_bytes(migrated.manifest_bytes, migrated.graph, migrated.prefix)
        if manifest.source_digest == source.digest:
            return manifest.plan
        notes.append(f"the manifest of {migrated.prefix} was written for another source than {source.prefix}")
        paired = by_names(source, migrated)
        is_open = paired.source_only or paired.migrated_only
        if is_open and manifest.plan.source.specs == source.specs:  # another step of the same training
            return manifest.plan
    if source.manifest_bytes is not None:
        manifest = Manifest.from_bytes(source.manifest_bytes, source.graph, source.prefix)
        if manifest.source_digest == migrated.digest:
            return manifest.way_back()
    return None


def by_plan(
    source: Checkpoint, migrated: Checkpoint, plan: Plan, basis: str, notes: Iterable[str] = ()
) -> Pairing:
    """The pairing that the plan's steps are; names that were kept beside them are compared too."""
    targets = {step.target for step in plan.steps}
    kept = [
        Step(target=key, spec=source.specs[key], sources=(Source(key=key),), origin="name kept")
        for key in migrated.keys
        if key not in targets and key in source
    ]
    used = {taken.key for step in (*plan.steps, *kept) for taken in step.sources if not taken.template}
    dropped = {left.key for left in plan.drops}
    known = targets | {step.target for step in kept}
    return Pairing(
        basis=basis,
        steps=(*plan.steps, *kept),
        dropped=tuple(key for key in source.keys if key in dropped and key not in used),
        source_only=tuple(key for key in source.keys if key not in used and key not in dropped),
        migrated_only=tuple(key for key in migrated.keys if key not in known),
        notes=tuple(notes),
    )


def by_names(source: Checkpoint, migrated: Checkpoint, notes: Iterable[str] = ()) -> Pairing:
    """The pairing by key, then by full name, then by path, each where it is the only one on both sides."""
    partners = match_names(source, migrated)
    steps = [
        Step(target=target, spec=source.specs[key], sources=(Source(key=key),), origin="name")
        for key, target in partners
    ]
    mine, theirs = {key for key, _ in partners}, {target for _, target in partners}
    return Pairing(
        basis="names",
        steps=tuple(steps),
        source_only=tuple(key for key in source.keys if key not in mine and key != SAVE_COUNTER_KEY),
        migrated_only=tuple(key for key in migrated.keys if key not in theirs and key != SAVE_COUNTER_KEY),
        notes=tuple(notes),
    )


def match_names(one: Checkpoint, other: Checkpoint) -> tuple[tuple[str, str], ...]:
    """The keys of what goes by the same name in both, in the order of `one`.

    In a checkpoint of both styles a tensor goes by a key of each: then it has a partner for each.
    """
    mine, theirs = _sides(one), _sides(other)
    found: dict[tuple[str, str], None] = {}
    matched: set[str] = set()
    targets: set[str] = set()
    for here, there in sorted(product(mine, theirs), key=lambda sides: sides[0] != sides[1]):
        for pair in _match_sides(mine[here], theirs[there]):
            if pair[0] not in matched or pair[1] not in targets:
                found[pair] = None
                matched.add(pair[0])
                targets.add(pair[1])
    order = {key: number for number, key in enumerate(one.keys)}
    return tuple(sorted(found, key=lambda pair: order[pair[0]]))


def _sides(checkpoint: Checkpoint) -> dict[str, dict[str, Named]]:
    """The tensors under their names, and those under the object graph's keys."""
    named = names_of(checkpoint)
    names = set(checkpoint.names)
    return {
        "names": {key: each for key, each in named.items() if key in names},
        "objects": {key: each for key, each in named.items() if key not in names},
    }


def _match_sides(mine: Mapping[str, Named], theirs: Mapping[str, Named]) -> Iterable[tuple[str, str]]:
    found: dict[str, str] = {key: key for key in mine if key in theirs}
    for kind in ("full_name", "path"):
        taken = set(found.values())
        here = _unique(kind, (named for key, named in mine.items() if key not in found))
        there = _unique(kind, (named for key, named in theirs.items() if key not in taken))
        found |= {key: there[name] for name, key in here.items() if name in there}
    return found.items()


def _unique(kind: str, entries: Iterable[Named]) -> dict[str, str]:
    """The key of each name that only one tensor has."""
    found: dict[str, str | None] = {}
    for named in entries:
        name = getattr(named, kind)
        if name:
            found[name] = None if name in found else named.key
    return {name: key for name, key in found.items() if key is not None}


def names_of(checkpoint: Checkpoint) -> dict[str, Named]:
    """The names that every tensor goes by, by key, in the order of the keys; each as a graph spells it."""
    found = {
        key: Named(key=key, full_name=name, path=name)
        for key, name in ((key, spelled(key)) for key in checkpoint.keys)
    }
    graph = checkpoint.graph
    if graph is None:
        return found
    for node, attribute in graph.attributes():
        if attribute.checkpoint_key not in found:
            continue
        path = "/".join(graph.paths[node] or ())
        if attribute.name != VALUE:
            path = f"{path}/{attribute.name}" if path else attribute.name
        found[attribute.checkpoint_key] = Named(
            key=attribute.checkpoint_key, full_name=attribute.full_name, path=path
        )
    return found
