"""Optimizers as names, shapes and groups tell them, where no graph lies beside the checkpoint.

TF1 names a slot `[scope/]variable/Optimizer` and makes it unique with `_1`, `_2`: the slots of one
optimizer come in a fixed order, those of a second one follow. A slot counts only where its variable
stands in the same file with the same shape, and only with all the slots that its optimizer would have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from migration.planning.optimizers.kinds import KINDS, LEGACY_SLOTS
from migration.planning.optimizers.state import SourceOptimizer, Undecided
from migration.planning.plan import Confidence
from migration.tensors import TensorSpec

Specs = Mapping[str, TensorSpec]

_SUFFIX = re.compile(r"^(?P<stem>.*?)(?:_(?P<number>\d+))?$")
# Names that TF1 optimizers have by default -> kind. contrib's LazyAdam and AdamW keep Adam's slots.
_FAMILIES: Mapping[str, str] = {
    **{kind.tf1_name: name for name, kind in KINDS.items() if kind.tf1_name and kind.slots},
    "LazyAdam": "Adam",
    "LazyAdamOptimizer": "Adam",
    "AdamOptimizer": "Adam",
    "AdamW": "Adam",
    "MomentumW": "Momentum",
    "RMSprop": "RMSProp",
}
_WEIGHT_DECAY = {"adam_m": "m", "adam_v": "v"}  # google-research/bert optimization.py
_SLOT_SCOPES = {  # class names in the scope of slots that Keras optimizers saved by name
    "Adam": "Adam",
    "Adamax": "Adamax",
    "Nadam": "Nadam",
    "SGD": "Momentum",
    "RMSprop": "RMSProp",
    "Adagrad": "Adagrad",
    "Adadelta": "Adadelta",
    "Ftrl": "Ftrl",
}


@dataclass(frozen=True, slots=True)
class _Named:
    """A key that may be a slot: the scope before the variable's name, the variable, what stands behind."""

    key: str
    scope: str
    variable: str
    stem: str
    number: int


def optimizers_of(
    specs: Specs, said: str | None = None
) -> tuple[tuple[SourceOptimizer, ...], tuple[Undecided, ...]]:
    """The optimizers that the names tell, and what looks like a slot and is not clear.

    `said` is the kind that a person says an optimizer under a name of its own is: it is taken for that
    where one name alone could be it.
    """
    named = [one for key in specs for one in _named(key, specs)]
    found: list[SourceOptimizer] = []
    undecided: list[Undecided] = []
    powers = _powers(specs)
    groups = _grouped(named)
    own = _named_by_a_person(groups, said)
    for (scope, stem), group in groups.items():
        kind = _FAMILIES.get(stem) or _custom_kind(scope, group, powers)
        kind = kind or (said if (scope, stem) == own else None)
        if kind is not None:
            optimizers, doubts = _families(scope, stem, kind, group, stem in _FAMILIES)
            found += optimizers
            undecided += doubts
    found += _by_slot_names(named, specs)
    found += _weight_decay(named)
    return tuple(_with_powers(found, powers)), tuple(undecided)


def _named(key: str, specs: Specs) -> Iterator[_Named]:
    """The reading of a key as a slot: the longest variable that its path ends in, of the same shape."""
    base, slash, last = key.rpartition("/")
    variable = owner(base, key, specs) if slash and specs[key].dtype.is_floating else None
    match = _SUFFIX.match(last) if variable is not None else None
    if variable is not None and match is not None:
        scope = base[: len(base) - len(variable)].rstrip("/")
        stem, number = match["stem"], int(match["number"] or 0)
        yield _Named(key, scope, variable, stem if stem else last, number)


def owner(path: str, key: str, specs: Specs) -> str | None:
    """The longest tail of `path` that is another tensor of the same shape; None where there is none."""
    tail, rest = path, "/"
    while rest:
        spec = specs.get(tail)
        if spec is not None and tail != key and spec.shape == specs[key].shape:
            return tail
        _, rest, tail = tail.partition("/")
    return None


def _grouped(named: Iterable[_Named]) -> dict[tuple[str, str], list[_Named]]:
    groups: dict[tuple[str, str], list[_Named]] = {}
    for one in named:
        groups.setdefault((one.scope, one.stem), []).append(one)
    return groups


def companion(key: str, specs: Specs) -> str | None:
    """The variable of the same shape whose name a key goes on from, as a slot's does; None without one."""
    base, slash, _ = key.rpartition("/")
    if not slash or key not in specs or not specs[key].dtype.is_floating or specs[key].shape == ():
        return None
    return owner(base, key, specs)


def _named_by_a_person(
    groups: Mapping[tuple[str, str], list[_Named]], said: str | None
) -> tuple[str, str] | None:
    """The one scope and name of slots that can be an optimizer of the kind that is said."""
    if said is None:
        return None
    fitting = []
    for place, group in groups.items():
        numbers: dict[str, set[int]] = {}
        for one in group:
            numbers.setdefault(one.variable, set()).add(one.number)
        whole = {len(found) for found in numbers.values() if found == set(range(len(found)))}
        alike = len({len(found) for found in numbers.values()}) == len(whole) == 1
        if place[1] not in _FAMILIES and alike and _slot_order(said, *whole) is not None:
            fitting.append(place)
    return fitting[0] if len(fitting) == 1 else None


def _custom_kind(scope: str, group: list[_Named], powers: _Powers) -> str | None:
    """Adam, where an optimizer under a name of the program's own left pairs and beta powers beside them."""
    numbers: dict[str, set[int]] = {}
    for one in group:
        numbers.setdefault(one.variable, set()).add(one.number)
    pairs = len(numbers) > 1 and all(found == {0, 1} for found in numbers.values())
    return "Adam" if pairs and _power_sets(scope, powers) else None


def _families(
    scope: str, stem: str, kind: str, group: list[_Named], known: bool
) -> tuple[list[SourceOptimizer], list[Undecided]]:
    """One optimizer for each full set of slots that the variables of a group have."""
    by_variable: dict[str, dict[int, str]] = {}
    for one in group:
        by_variable.setdefault(one.variable, {})[one.number] = one.key
    sets: dict[int, dict[tuple[str, str], str]] = {}
    undecided: list[Undecided] = []
    for variable, keys in by_variable.items():
        names = _slot_order(kind, len(keys))
        if names is None:
            undecided += [_doubt(key, variable, kind, len(keys)) for key in keys.values()]
            continue
        for place, number in enumerate(sorted(keys)):
            sets.setdefault(place // len(names), {})[variable, names[place % len(names)]] = keys[number]
    found = [
        SourceOptimizer(
            name="/".join(filter(None, (scope, stem if not place else f"{stem} {place + 1}"))),
            kind=kind,
            slots=slots,
            variables=frozenset(variable for variable, _ in slots),
            confidence=Confidence.CERTAIN if known else Confidence.LIKELY,
            reason=f"named {stem} under {len({variable for variable, _ in slots})} variables of equal shape",
        )
        for place, slots in sorted(sets.items())
    ]
    return found, undecided


def _slot_order(kind: str, count: int) -> tuple[str, ...] | None:
    """The slots that `count` keys of one variable are, in TF1's order; None where that is not clear."""
    if kind == "RMSProp":  # plain ones have two slots, centered ones three
        return {2: ("rms", "momentum"), 3: ("rms", "mg", "momentum"), 4: ("rms", "momentum")}.get(count)
    required = tuple(slot for slot in KINDS[kind].slots if slot not in KINDS[kind].optional)
    return required if count % len(required) == 0 else None


def _doubt(key: str, variable: str, kind: str, count: int) -> Undecided:
    return Undecided(
        key=key,
        reason=f"named like a slot of {kind}, but {variable} has {count} of them, which is no full set",
        candidates=(variable,),
    )


def _by_slot_names(named: list[_Named], specs: Specs) -> list[SourceOptimizer]:
    """Keras optimizers saved by name: `training/Ftrl/w/accumulator`, `Adam/w/m`."""
    scopes: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for one in named:
        kind = _SLOT_SCOPES.get(_SUFFIX.sub(r"\g<stem>", one.scope.rpartition("/")[2]))
        last = one.key.rpartition("/")[2]
        if kind is not None and last in LEGACY_SLOTS[kind]:
            scopes.setdefault((one.scope, kind), {})[one.variable, LEGACY_SLOTS[kind][last]] = one.key
    return [
        SourceOptimizer(
            name=scope,
            kind=kind,
            slots=slots,
            variables=frozenset(variable for variable, _ in slots),
            scaled=kind == "Momentum",
            reason=f"the scope {scope} and the slot names are those of a Keras {kind}",
        )
        for (scope, kind), slots in scopes.items()
    ]


def _weight_decay(named: list[_Named]) -> list[SourceOptimizer]:
    """The BERT code's optimizer: `w/adam_m` and `w/adam_v`, no beta powers."""
    slots: dict[tuple[str, str], str] = {}
    for one in named:
        last = one.key.rpartition("/")[2]
        if last in _WEIGHT_DECAY:
            slots[one.variable, _WEIGHT_DECAY[last]] = one.key
    complete = {variable for variable, slot in slots if slot == "m" and (variable, "v") in slots}
    slots = {place: key for place, key in slots.items() if place[0] in complete}
    if not slots:
        return []
    reason = "adam_m and adam_v are the slot names of the BERT code's AdamWeightDecayOptimizer"
    return [
        SourceOptimizer(
            name="AdamWeightDecay",
            kind="AdamWeightDecay",
            slots=slots,
            variables=frozenset(complete),
            reason=reason,
        )
    ]


_Powers = dict[tuple[str, int], dict[str, str]]  # by their scope and the number at the end of their names


def _powers(specs: Specs) -> _Powers:
    """The beta powers of the source."""
    found: _Powers = {}
    for key, spec in specs.items():
        match = _SUFFIX.match(key.rpartition("/")[2]) if spec.shape == () else None
        if match is not None and match["stem"] in ("beta1_power", "beta2_power"):
            place = (key.rpartition("/")[0], int(match["number"] or 0))
            found.setdefault(place, {})[match["stem"]] = key
    return found


def _power_sets(scope: str, powers: _Powers) -> list[dict[str, str]]:
    """The pairs of beta powers, those whose scope a slot's scope starts with first, in TF1's order."""
    near = [place for place in powers if _related(place[0], scope)] or list(powers)
    return [powers[place] for place in sorted(near)]


def _related(one: str, other: str) -> bool:
    first, second = one.split("/"), other.split("/")
    return first == second or (bool(one) and first[: len(second)] == second) or second[: len(first)] == first


def _with_powers(optimizers: list[SourceOptimizer], powers: _Powers) -> Iterator[SourceOptimizer]:
    """The Adams with their beta powers; where there are more pairs than Adams, all that may be theirs."""
    adams = [one for one in optimizers if one.kind in ("Adam", "Nadam")]
    for optimizer in optimizers:
        if optimizer not in adams:
            yield optimizer
            continue
        scope = optimizer.name.rpartition("/")[0]
        sets = _power_sets(scope, powers)
        same = [one for one in adams if one.name.rpartition("/")[0] == scope]
        if len(sets) == 1 or len(sets) == len(same):
            yield replace(optimizer, scalars=sets[same.index(optimizer) if len(sets) > 1 else 0])
        elif sets:
            doubts = {role: tuple(one[role] for one in sets if role in one) for role in sets[0]}
            yield replace(optimizer, doubts=doubts)
        else:
            yield optimizer
