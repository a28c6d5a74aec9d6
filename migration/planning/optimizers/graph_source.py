"""Optimizers as the `.meta`'s graph tells them: which op reads which slot, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from migration.formats.meta_graph import Feed, MetaGraph, Update
from migration.planning.optimizers.kinds import OP_KINDS, OP_NUMBERS
from migration.planning.optimizers.state import Number, SourceOptimizer
from migration.tensors import TensorSpec

CONSTANT = "a constant of the graph"
COMPUTED = "computed in the graph (a schedule, or fed at run time)"
Keys = Callable[[str], str | None]


def key_lookup(graph: MetaGraph, specs: Mapping[str, TensorSpec], wholes: Mapping[str, str]) -> Keys:
    """A function from a variable's op name to its checkpoint key, None where this file does not hold it.

    `wholes` leads the keys of parts to the name of what they make up.
    """

    def key_of(variable: str) -> str | None:
        for key in (graph.keys.get(variable), variable, graph.variables[variable].slice_of):
            if key and (found := wholes.get(key, key)) in specs:
                return found
        return None

    return key_of


def optimizers_of(
    graph: MetaGraph, specs: Mapping[str, TensorSpec], wholes: Mapping[str, str]
) -> tuple[SourceOptimizer, ...]:
    """The optimizers whose steps the graph holds, in creation order.

    Steps of one name scope are one optimizer's. Of several that share their slots (a graph built again
    for another batch size), the one whose beta powers were saved is told.
    """
    key_of = key_lookup(graph, specs, wholes)
    scopes: dict[tuple[str, str], list[Update]] = {}
    for update in graph.updates:
        kind = OP_KINDS[update.kind].kind if update.kind in OP_KINDS else update.kind
        scopes.setdefault((update.scope, kind), []).append(update)
    found = [_optimizer(scope, kind, group, key_of) for (scope, kind), group in scopes.items()]
    return _without_doubles([optimizer for optimizer in found if optimizer is not None])


def _optimizer(scope: str, kind: str, group: list[Update], key_of: Keys) -> SourceOptimizer | None:
    slots: dict[tuple[str, str], str] = {}
    variables: set[str] = set()
    for update in group:
        variable = key_of(update.variable)
        if variable is None:
            continue
        variables.add(variable)
        names = OP_KINDS[update.kind].slots if update.kind in OP_KINDS else {}
        for role, slot in update.slots.items():
            key = key_of(slot)
            if key is not None:
                slots[variable, names.get(role, role)] = key
    if not variables:
        return None
    numbers, scalars = _numbers(group, key_of)
    first = group[0]
    return SourceOptimizer(
        name=scope or kind,
        kind=kind,
        slots=slots,
        scalars=scalars,
        numbers=numbers,
        variables=frozenset(variables),
        nesterov=any(update.nesterov for update in group),
        scaled=first.kind in OP_KINDS and OP_KINDS[first.kind].scaled,
        reason=f"{first.node} ({first.kind}) and {len(group) - 1} more ops of the graph read these slots",
    )


def _numbers(group: list[Update], key_of: Keys) -> tuple[dict[str, Number], dict[str, str]]:
    """Hyperparameters, and the keys of the beta powers. Ops of one optimizer agree, or nothing is known."""
    feeds: dict[str, list[Feed]] = {}
    for update in group:
        for role, feed in update.numbers.items():
            feeds.setdefault(OP_NUMBERS.get(role, role), []).append(feed)
    numbers: dict[str, Number] = {}
    scalars: dict[str, str] = {}
    for role, given in feeds.items():
        number = _agreed(given, key_of)
        if not role.endswith("_power") or role == "learning_rate_power":
            numbers[role] = number
        elif number.key is not None:
            scalars[role] = number.key
    return numbers, scalars


def _agreed(feeds: list[Feed], key_of: Keys) -> Number:
    constants = {feed.constant for feed in feeds}
    variables = {feed.variable for feed in feeds}
    if len(constants) == 1 and None not in constants:
        return Number(value=constants.pop(), origin=CONSTANT)
    if len(variables) == 1 and (name := variables.pop()) is not None:
        key = key_of(name)
        if key is not None:
            return Number(key=key, origin=f"the variable {name}")
    return Number(origin=COMPUTED)


def _without_doubles(optimizers: list[SourceOptimizer]) -> tuple[SourceOptimizer, ...]:
    """Optimizers with the very slots of another, and no scalars of their own in the file, left out."""
    kept: list[SourceOptimizer] = []
    for optimizer in sorted(optimizers, key=lambda one: -len(one.scalars)):
        values = set(optimizer.slots.values())
        double = any(
            other.kind == optimizer.kind
            and values <= set(other.slots.values())
            and optimizer.variables <= other.variables
            for other in kept
        )
        if not double:
            kept.append(optimizer)
    return tuple(optimizer for optimizer in optimizers if optimizer in kept)
