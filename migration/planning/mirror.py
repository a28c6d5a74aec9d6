"""Without a template: an object graph that mirrors the name scopes.

`a/b/kernel` becomes root.a.b.kernel. Slots become slots of an optimizer node, shadows of moving
averages get a subtree of their own, and a name that is also a scope gets a place inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from migration.planning.mirror_slots import MirrorSlot, slots_of
from migration.planning.plan import Left, Plan, Source, SourceSignature, Step
from migration.planning.savecounter import save_counter_step
from migration.planning.tree import Path, Tree, spelled
from migration.tensors import TensorSpec

VALUE_OF_SCOPE = "value"  # the local name of a variable whose own name is also a scope
AVERAGES = "averages"
SAVE_COUNTER = "save_counter"
KEY_MARK = ".ATTRIBUTES"  # TensorFlow's restore cuts a key at the first of these


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorScalar:
    """A tensor of the source that the optimizer node `optimizer` holds under `local_name`."""

    key: str
    optimizer: str
    local_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What tensors of a source are beyond plain variables. `averages` leads a shadow to its tensor's name."""

    slots: Sequence[MirrorSlot] = ()
    scalars: Sequence[MirrorScalar] = ()
    averages: Mapping[str, str] | None = None


def mirror(
    signature: SourceSignature, roles: Roles, named: Mapping[str, Step], drops: Sequence[Left]
) -> Plan:
    """The plan that puts every tensor of a name-based source at the path that its name spells.

    `named` are the tensors that are no optimizer's and no average, by the names that they have now: a
    rule may have changed or made them. `drops` are left out.
    """
    specs = signature.specs
    tree = Tree()
    places = places_of(named)
    top = {path[0] for path in places.values()}
    steps = [_placed(step, tree.variable(places[name], name), places[name]) for name, step in named.items()]
    steps += _averages(tree, specs, roles.averages or {}, _free(AVERAGES, top))
    nodes = _optimizer_nodes(roles, top)
    steps += _scalars(tree, specs, roles, nodes)
    slots = slots_of(roles.slots, named, specs)
    steps += [
        replace(
            slot.step, target=tree.slot(places[slot.name], (nodes[slot.optimizer],), slot.slot_name, slot.key)
        )
        for slot in slots.placed
    ]
    steps.append(save_counter_step(tree.variable((SAVE_COUNTER,), SAVE_COUNTER)))
    return Plan(
        to="object",
        source=signature,
        steps=tuple(steps),
        drops=(*drops, *slots.drops),
        notes=slots.notes,
        graph=tree.graph(),
    )


def special_keys(roles: Roles) -> set[str]:
    """The keys that have a place of their own beside the plain variables."""
    return {
        *(slot.key for slot in roles.slots),
        *(each.key for each in roles.scalars),
        *(roles.averages or ()),
    }


def _placed(step: Step, key: str, path: Path) -> Step:
    if not step.is_plain or step.partitions is not None:
        return replace(step, target=key, paths=("/".join(path),))
    return Step(  # what `replace` would make, in a third of the time, for nearly all of very many steps
        target=key,
        spec=step.spec,
        sources=step.sources,
        origin=step.origin,
        reason=step.reason,
        paths=("/".join(path),),
        full_name=step.full_name,
    )


def places_of(names: Iterable[str]) -> dict[str, Path]:
    """A path for each name, no two alike, none the beginning of another."""
    one: dict[str, str] = {}  # a part that many names share is one string for all of them
    split = {name: tuple([one.setdefault(part, part) for part in spelled(name).split("/")]) for name in names}
    aside = _free(SAVE_COUNTER, {SAVE_COUNTER, *(path[0] for path in split.values())})
    paths = {name: _restorable(path, aside) for name, path in split.items()}
    scopes = _scopes(paths.values())
    taken = {*paths.values(), *scopes}
    found: dict[str, Path] = {}
    given: set[Path] = set()
    for name, path in paths.items():
        if path in scopes:
            path = _free_path((*path, VALUE_OF_SCOPE), taken)
        elif path in given:
            path = _free_path(path, taken)
        taken.add(path)
        given.add(path)
        found[name] = path
    return found


def _scopes(paths: Iterable[Path]) -> set[Path]:
    """Every beginning of a path; those above one that is known are known."""
    found: set[Path] = set()
    for path in paths:
        scope = path[:-1]
        while scope and scope not in found:
            found.add(scope)
            scope = scope[:-1]
    return found


def _restorable(path: Path, aside: str) -> Path:
    """The path without what TensorFlow keeps for itself: the counter at the root, the mark in its keys."""
    if path[0] != SAVE_COUNTER and KEY_MARK not in "/".join(path):
        return path  # nearly all
    first = aside if path[0] == SAVE_COUNTER else path[0]
    return tuple(
        part.removesuffix(KEY_MARK) + KEY_MARK.replace(".", "_") if part.endswith(KEY_MARK) else part
        for part in (first, *path[1:])
    )


def _free_path(path: Path, taken: set[Path]) -> Path:
    number, found = 0, path
    while found in taken:
        number += 1
        found = (*path[:-1], f"{path[-1]}_{number}")
    return found


def _free(name: str, taken: set[str]) -> str:
    return _free_path((name,), {(each,) for each in taken})[0]


def _averages(
    tree: Tree, specs: Mapping[str, TensorSpec], averages: Mapping[str, str], root: str
) -> list[Step]:
    places = places_of(averages.values())
    return [
        _step(
            specs,
            shadow,
            tree.variable((root, *places[name]), shadow),
            "moving average",
            (root, *places[name]),
        )
        for shadow, name in averages.items()
    ]


def _optimizer_nodes(roles: Roles, top: set[str]) -> dict[str, str]:
    """The local name of each optimizer's node, none of them taken at the root."""
    taken = set(top)
    nodes: dict[str, str] = {}
    names = [*(slot.optimizer for slot in roles.slots), *(scalar.optimizer for scalar in roles.scalars)]
    for name in dict.fromkeys(names):
        nodes[name] = _free(name, taken)
        taken.add(nodes[name])
    return nodes


def _scalars(
    tree: Tree, specs: Mapping[str, TensorSpec], roles: Roles, nodes: Mapping[str, str]
) -> list[Step]:
    steps = []
    for scalar in roles.scalars:
        path = (nodes[scalar.optimizer], scalar.local_name)
        steps.append(_step(specs, scalar.key, tree.variable(path, scalar.key), "optimizer", path))
    return steps


def _step(specs: Mapping[str, TensorSpec], name: str, key: str, origin: str, path: Path) -> Step:
    return Step(
        target=key,
        spec=specs[name],
        sources=(Source(key=name),),
        origin=origin,
        paths=("/".join(path),) if path else (),
        full_name=name,
    )
