"""Names to objects without a template: a mirror of the name scopes.

Loaded by itself: renaming gigabytes takes less time than loading all that a template can need.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.errors import InputError
from migration.planning.mirror import MirrorScalar, Roles, mirror, special_keys
from migration.planning.mirror_slots import MirrorSlot
from migration.planning.optimizers.mirror import mirror as mirrored_optimizers
from migration.planning.optimizers.misnamed import assemblies_of, put_together, spread
from migration.planning.optimizers.source import recognise
from migration.planning.options import Options
from migration.planning.plan import Left, Plan, Source, Step
from migration.planning.signature import signature_of

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.cells import Buffer
    from migration.planning.optimizers.state import SourceState
    from migration.planning.rules import Rules


def state_of(
    source: Checkpoint,
    without: frozenset[str] = frozenset(),
    hidden: Sequence[Buffer] = (),
    kind: str | None = None,
) -> SourceState:
    """What the source's tensors are beyond weights: slots, beta powers, the step, averages.

    Keys in `without` are left aside; `hidden` variables have slots and are in no file; `kind` is that of an
    optimizer under a name of its own. Raises
    InputError for a source without names.
    """
    if not source.names and source.graph is not None:
        raise InputError(
            f"{source.prefix} is object-based and has no names to migrate: use to='name' (--to=name) for the "
            "way back"
        )
    specs = {
        name: source.specs[name]
        for name in source.names
        if name not in without and name not in source.incomplete
    }
    specs |= {buffer.name: buffer.spec for buffer in hidden}
    assemblies = assemblies_of(source, (name for name in source.names if name not in without))
    return recognise(specs, source.meta, source.read, assemblies, kind)


def without_template(
    source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None, options: Options
) -> Plan:
    """The plan of a mirror; `mapping` and `rules` rename tensors before they find their places."""
    renamed, drops, notes = _renamed(source, mapping, rules)
    state = state_of(source, frozenset(left.key for left in drops), kind=options.kind)
    dropped = _dropped(state, options)
    roles = _roles(state, dropped, options)
    special = special_keys(roles) | dropped.keys()
    special |= source.incomplete.keys() | state.averages.keys()
    named = {step.target: step for step in renamed if not _is_special(step, special)}
    left_out = [Left(key=key, spec=state.specs[key], reason=why) for key, why in dropped.items()]
    signature = signature_of(source)
    known = replace(signature, specs={**signature.specs, **state.specs})
    plan = mirror(known, roles, named, (*drops, *left_out))
    if options.averages == "promote" and state.averages:
        from migration.planning.averages import promoted

        plan = promoted(plan, state)
    told = (*notes, *plan.notes, *_untold(state, options))
    steps = tuple(whole for step in plan.steps if (whole := put_together(step, state.assemblies)))
    left = spread(plan.drops, state.assemblies)
    used = {taken.key for step in steps for taken in step.sources}
    unused = tuple(one for one in incomplete(source, left) if one.key not in used)
    return replace(plan, source=signature, steps=steps, drops=left, notes=told, unused=unused)


def _untold(state: SourceState, options: Options) -> tuple[str, ...]:
    """What a mirror cannot do: flags that need a template, and powers that nothing gives to an optimizer."""
    flags = {"learning_rate": options.learning_rate, "step": options.step, "forget_bias": options.forget_bias}
    vain = [f"--{name}" for name, value in flags.items() if value is not None]
    notes = [f"{', '.join(vain)}: nothing to do without a template"] if vain else []
    doubted = {key for each in state.optimizers for keys in each.doubts.values() for key in keys}
    if doubted and options.optimizer != "drop":
        keys = ", ".join(sorted(doubted))
        notes.append(f"{keys}: under their own names, as nothing tells which optimizer each belongs to")
    return tuple(notes)


def incomplete(source: Checkpoint, drops: Sequence[Left]) -> tuple[Left, ...]:
    """The tensors of which the source has some slices only: no object can be restored from those."""
    dropped = {left.key for left in drops}
    return tuple(
        Left(
            key=key,
            spec=source.specs[key],
            reason=f"not all there: {why}; only a Saver with the same slices reads it",
        )
        for key, why in source.incomplete.items()
        if key not in dropped
    )


def _renamed(
    source: Checkpoint, mapping: Mapping[str, str] | None, rules: Rules | None
) -> tuple[Sequence[Step], Sequence[Left], tuple[str, ...]]:
    """A step for every name under the name that it gets, what rules drop, and what they tell."""
    if not mapping and rules is None:
        return [_unchanged(source, name) for name in source.names], (), ()
    from migration.planning.renaming import renamed_steps
    from migration.planning.ruling import notes_of

    made = renamed_steps(source, mapping, rules)
    return made.steps, made.drops, notes_of(made)


def _unchanged(source: Checkpoint, name: str) -> Step:
    spec = source.specs[name]
    return Step(target=name, spec=spec, sources=(Source(key=name),), origin="name scope", full_name=name)


def _is_special(step: Step, special: Collection[str]) -> bool:
    return len(step.sources) == 1 and step.sources[0].key in special


def _dropped(state: SourceState, options: Options) -> dict[str, str]:
    found: dict[str, str] = {}
    if options.optimizer == "drop":
        for optimizer in state.optimizers:
            found |= dict.fromkeys(
                (*optimizer.slots.values(), *optimizer.scalars.values()), "--optimizer=drop"
            )
    if options.averages == "drop":
        found |= dict.fromkeys(state.averages, "--averages=drop")
    return found


def _roles(state: SourceState, dropped: Mapping[str, str], options: Options) -> Roles:
    optimizers = () if options.optimizer == "drop" else mirrored_optimizers(state)
    return Roles(
        slots=tuple(
            MirrorSlot(key=key, variable=variable, optimizer=each.name, slot_name=slot)
            for each in optimizers
            for variable, slot, key in each.slots
        ),
        scalars=tuple(
            MirrorScalar(key=key, optimizer=each.name, local_name=name)
            for each in optimizers
            for name, key in each.scalars
        ),
        averages={
            key: name or key
            for key, name in state.averages.items()
            if key not in dropped and options.averages != "promote"
        },
    )
