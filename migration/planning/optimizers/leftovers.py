"""What of the source's optimizers found no place, and why: decided, or left over and told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from migration.planning.optimizers.matching import Pair, goes_on_in
from migration.planning.optimizers.slots import Told
from migration.planning.optimizers.state import SourceOptimizer, SourceState, TargetOptimizer
from migration.planning.options import Options
from migration.planning.plan import Left


def leftovers(
    state: SourceState,
    pairs: Sequence[Pair],
    used: AbstractSet[str],
    mapped: AbstractSet[str],
    options: Options,
    told: Told,
) -> tuple[list[Left], list[Left]]:
    """(drops, unused) among the optimizers' keys. `used` are read by some step, `mapped` are the variables
    that have a place."""
    drops: list[Left] = []
    unused: list[Left] = []
    counted: dict[str, int] = {}
    for optimizer in state.optimizers:
        slots = frozenset(optimizer.slots.values())
        for key, why, decided in _left_of(optimizer, pairs, used, mapped, options):
            if key in used:
                continue
            kept = options.optimizer == "keep" and key in slots
            reason = f"--optimizer=keep, but {why}" if kept else why
            (drops if decided and not kept else unused).append(
                Left(key=key, spec=state.specs[key], reason=reason)
            )
            counted[reason] = counted.get(reason, 0) + 1
    for one in state.undecided:
        if one.key not in used:
            decided = options.optimizer == "drop"
            left = Left(key=one.key, spec=state.specs[one.key], reason=one.reason, nearest=one.candidates)
            (drops if decided else unused).append(left)
    for reason, count in counted.items():
        told.note(f"{count} optimizer tensors not carried over: {reason}")
    return _once(drops), _once(unused)


def _once(lefts: list[Left]) -> list[Left]:
    return list({left.key: left for left in lefts}.values())


def _left_of(
    optimizer: SourceOptimizer,
    pairs: Sequence[Pair],
    used: AbstractSet[str],
    mapped: AbstractSet[str],
    options: Options,
) -> Iterator[tuple[str, str, bool]]:
    """(key, reason, whether that is decided) for each key of an optimizer that might be left."""
    pair = next((pair for pair in pairs if optimizer in pair.sources), None)
    doubted = [key for keys in optimizer.doubts.values() for key in keys]
    for key in (*optimizer.scalars.values(), *doubted):
        yield key, _why_no_scalar(optimizer, pair, pairs, options), True
    for number in optimizer.numbers.values():
        if number.key is not None:
            yield number.key, "a hyperparameter that the target keeps in no variable", True
    for (variable, slot), key in optimizer.slots.items():
        if options.optimizer == "drop":
            yield key, "--optimizer=drop", True
        elif pair is None:
            yield key, *_unpaired(optimizer, [one.target for one in pairs])
        elif variable not in mapped:
            yield key, "its variable has no place in the template", False
        else:
            yield key, *_placeless(optimizer, slot, pair.target)


def _why_no_scalar(
    optimizer: SourceOptimizer, pair: Pair | None, pairs: Sequence[Pair], options: Options
) -> str:
    if options.optimizer == "drop":
        return "--optimizer=drop"
    if pair is None:
        return f"a beta power goes with its slots: {_unpaired(optimizer, [one.target for one in pairs])[0]}"
    if "beta1_power" in pair.target.scalars:
        return f"another one than what {pair.target.path} takes, or one that it may: see what is undecided"
    return "the target computes it from its step count"


def _unpaired(optimizer: SourceOptimizer, targets: Sequence[TargetOptimizer]) -> tuple[str, bool]:
    if not targets:
        return "the template holds no optimizer, or none that was built", True
    kinds = sorted({target.kind or "unknown" for target in targets})
    if set(goes_on_in(optimizer.kind)) & set(kinds):
        return "the template's optimizer trains other variables", False
    return f"the source's optimizer is {optimizer.kind}, the template's {', '.join(kinds)}", True


def _placeless(optimizer: SourceOptimizer, slot: str, target: TargetOptimizer) -> tuple[str, bool]:
    where = f"the template's optimizer at {target.path or 'the root'}"
    if not target.built:
        return f"{where} is not built: build it (or train one step) before it is saved as a template", False
    number = optimizer.numbers.get("momentum")
    if optimizer.kind == "RMSProp" and slot == "momentum":
        if number is not None and number.value == 0:
            return "momentum is 0 in the source: the slot only repeats the last update", True
        if number is None:
            return f"{where} has momentum=0, and whether the source used momentum is not known", True
        return f"{where} has no momentum: make it with the source's momentum", False
    if optimizer.kind == "RMSProp" and slot == "mg":
        return f"{where} is not centered: make it with centered=True", False
    if slot in target.slot_names:
        return f"{where} has a place for it that nothing fills: see what is unfilled", False
    if optimizer.kind == "Momentum":
        return f"{where} has no momentum: make it with the source's momentum", False
    return f"{where} keeps no slot {slot!r} of this variable", False
