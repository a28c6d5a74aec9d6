"""Objects back to names: by the manifest, by a mapping, by a name-based template, or by full names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.checkpoint import Style
from migration.errors import InputError, PlanError, Problem
from migration.planning.explicit import check_names
from migration.planning.forward import onto_template
from migration.planning.manifest import Manifest
from migration.planning.onto import of_template, plain_name
from migration.planning.optimizers import claimed_targets, fill_back, names_of, recognise_template
from migration.planning.optimizers.state import told_once
from migration.planning.options import Options
from migration.planning.places import Places
from migration.planning.plan import Left, Plan, Source, Step
from migration.planning.ruling import notes_of, ruled
from migration.planning.scopes import state_of
from migration.planning.signature import signature_of
from migration.planning.targets import Target, Template

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
    from migration.planning.rules import Rules


def by_manifest(source: Checkpoint) -> Plan:
    """The way back that the manifest of `source` knows. Raises PlanError where it no longer fits."""
    raw = source.manifest_bytes
    if raw is None:
        raise InputError(
            f"{source.prefix} has no manifest: name its tensors by a mapping, rules or a template"
        )
    manifest = Manifest.from_bytes(raw, source.graph, source.prefix)
    back = manifest.way_back()
    return fitted(back, source)


def fitted(back: Plan, source: Checkpoint) -> Plan:
    """A reversed plan on the result that it reads now: names that were kept beside the objects are told."""
    missing = [key for key, spec in back.source.specs.items() if source.specs.get(key) != spec]
    if missing:
        raise PlanError(
            f"{source.prefix} is no longer what its manifest says",
            [
                Problem(kind="source", where=key, message=f"{back.source.specs[key]} is not there")
                for key in missing
            ],
        )
    extra = [key for key in source.specs if key not in back.source.specs]
    drops = [
        Left(key=key, spec=source.specs[key], reason="kept beside the objects under its old name")
        for key in extra
    ]
    return replace(back, source=signature_of(source), drops=(*back.drops, *drops))


def by_names_kept(source: Checkpoint) -> Plan:
    """The plan that keeps the names of a checkpoint of both styles and leaves the objects."""
    signature = signature_of(source)
    steps = tuple(
        Step(
            target=name,
            spec=source.specs[name],
            sources=(Source(key=name),),
            origin="name kept",
            full_name=name,
        )
        for name in source.names
    )
    names = set(source.names)
    drops = tuple(
        Left(key=key, spec=spec, reason="the same tensors are there under their names")
        for key, spec in source.specs.items()
        if key not in names
    )
    return Plan(to="name", source=signature, steps=steps, drops=drops)


def by_template(source: Checkpoint, names: Checkpoint, options: Options) -> Plan:
    """The way back to the names of another checkpoint: the plan from there to here, reversed."""
    forward = onto_template(names, Template.of(source), None, None, options)
    back = forward.reverse()
    lacking = {
        left.key: replace(left, reason=left.reason or "no object gives it")
        for left in (*forward.unused, *back.unfilled)
    }
    filled = fill_back(
        state_of(names, kind=options.kind), forward.steps, Template.of(source), lacking, options, source.read
    )
    computed = {step.target for step in filled.steps}
    return replace(
        back,
        source=signature_of(source),
        steps=(*(_in_slices(step, source, names) for step in back.steps), *filled.steps),
        notes=(*forward.notes, *back.notes, *filled.notes, *told_once(filled.problems)),
        unfilled=tuple(left for key, left in lacking.items() if key not in computed),
        unused=forward.unfilled,
    )


def _in_slices(step: Step, source: Checkpoint, names: Checkpoint) -> Step:
    """The step with the slices of the names' tensor: a result that trained on since is stored whole."""
    wanted = tuple(names.partitions.get(step.target, ()))
    if step.partitions is not None or not step.is_plain:
        return step
    return (
        step if wanted == source.partitions.get(step.sources[0].key, ()) else replace(step, partitions=wanted)
    )


def by_mapping(source: Checkpoint, template: Template, mapping: Mapping[str, str]) -> dict[str, str]:
    """The name for each checkpoint key that a mapping from places to names gives.

    Raises PlanError that tells every place that is not there or not unique, and every name given twice.
    """
    places = Places(template.targets)
    problems: list[Problem] = []
    found: dict[str, str] = {}
    for place, name in mapping.items():
        targets = places.find(place)
        if len(targets) == 1:
            found[targets[0].key] = name
            continue
        problems.append(_misplaced(place, targets, places))
    problems += _twice(found)
    if problems:
        raise PlanError("the mapping does not fit", problems)
    return found


def _misplaced(place: str, targets: list[Target], places: Places) -> Problem:
    from migration.suggest import did_you_mean, nearest

    if targets:
        return Problem(
            kind="ambiguous", where=place, message=f"names {len(targets)} tensors: use the key of one"
        )
    near = did_you_mean(nearest(place, places.spellings))
    return Problem(kind="absent", where=place, message=f"no object of the source{near}")


def _twice(names: Mapping[str, str]) -> Iterable[Problem]:
    holders: dict[str, list[str]] = {}
    for key, name in names.items():
        holders.setdefault(name, []).append(key)
    for name, keys in holders.items():
        if len(keys) > 1:
            message = f"{len(keys)} tensors would get this name: {', '.join(keys[:3])}"
            yield Problem(kind="collision", where=name, message=message)


def by_full_names(targets: Iterable[Target]) -> dict[str, str]:
    """The full name for each key. Raises PlanError where a name is missing or two variables share one."""
    found = {target.key: plain_name(target.full_name) for target in targets}
    problems = [
        Problem(kind="nameless", where=key, message="the object graph gives no name: say one in a mapping")
        for key, name in found.items()
        if not name
    ]
    problems += _twice({key: name for key, name in found.items() if name})
    if problems:
        raise PlanError(
            "the full names in the object graph do not name every tensor: give a mapping or a template",
            problems,
        )
    return found


def to_names(
    source: Checkpoint,
    template: Checkpoint | None,
    mapping: Mapping[str, str] | None,
    rules: Rules | None,
    options: Options,
) -> Plan:
    """The plan that gives the tensors of an object-based checkpoint names, or a renamed one its old names.

    What a person says wins (`mapping` from places to names, `rules` on full names), then the names of a
    name-based `template`, then the manifest, then names that were kept, then full names.
    """
    if source.graph is None:
        asked = template is not None or mapping or rules is not None
        back = None if asked or source.manifest_bytes is None else by_manifest(source)
        if back is not None and back.to == "rename":
            return back
        raise InputError(
            f"{source.prefix} is name-based already: use to='rename' (--to=rename) to change its names"
        )
    if template is not None:
        return by_template(source, template, options)
    if not mapping and rules is None:
        if source.manifest_bytes is not None:
            return by_manifest(source)
        if source.style is Style.BOTH:
            return by_names_kept(source)
    return _by_names(source, mapping or {}, rules, options)


def _by_names(source: Checkpoint, mapping: Mapping[str, str], rules: Rules | None, options: Options) -> Plan:
    objects = Template.of(source)
    claimed = claimed_targets(recognise_template(objects))
    own, variables = of_template(target for target in objects.targets if target.key not in claimed)
    said = by_mapping(source, objects, mapping)
    rest = [target for target in variables if target.key not in said]
    names = {**by_full_names(rest), **{key: name for key, name in said.items() if key not in claimed}}
    specs = {name: objects.by_key[key].spec for key, name in names.items()}
    given = set(said.values())
    made = ruled({name: spec for name, spec in specs.items() if name not in given}, rules)
    _check_names_alone(made.steps)
    renamed = {step.sources[0].key: step.target for step in made.steps}
    dropped = {left.key for left in made.drops}
    ruled_out = {key: None for key, name in names.items() if name in dropped}
    names = {key: renamed.get(name, name) for key, name in names.items() if key not in ruled_out}
    layout = names_of(objects, names, options, source.read)
    slots = tuple(_said_instead(step, said) for step in layout.steps)
    steps = [_named(objects.by_key[key], name, key in said) for key, name in names.items()]
    check_names((*steps, *slots))
    kept = set(source.names)
    drops = [Left(key=step.target, spec=step.spec, reason=step.reason or step.origin) for step in own]
    drops += [Left(key=key, spec=source.specs[key], reason="a name kept beside the objects") for key in kept]
    drops += [Left(key=key, spec=source.specs[key], reason="a rule drops it") for key in ruled_out]
    drops += [
        Left(key=key, spec=spec, reason="no object of the graph has it")
        for key, spec in source.specs.items()
        if key not in objects.by_key and key not in kept
    ]
    return Plan(
        to="name",
        source=signature_of(source),
        steps=(*steps, *slots),
        drops=(*drops, *layout.drops),
        unused=layout.unused,
        notes=(*notes_of(made), *layout.notes, *told_once(layout.problems)),
    )


def _check_names_alone(steps: Iterable[Step]) -> None:
    """Raises PlanError where rules would change, join or make tensors: slots would not follow them."""
    problems = [
        Problem(
            kind="transform", where=step.target, message=f"the rule `{step.reason}` does more than rename"
        )
        for step in steps
        if not step.is_plain
    ]
    if problems:
        raise PlanError(
            "on the way to names rules only rename; change the result with to='rename' (--to=rename)",
            problems,
        )


def _named(target: Target, name: str, said: bool) -> Step:
    return Step(
        target=name,
        spec=target.spec,
        sources=(Source(key=target.key),),
        origin="mapping" if said else "full name",
        reason=f"of the object {target.paths[0]}" if target.paths else "",
        paths=target.paths,
        full_name=target.full_name,
    )


def _said_instead(step: Step, said: Mapping[str, str]) -> Step:
    """A slot's step under the name that a person gave it, if any did."""
    name = said.get(step.sources[0].key) if len(step.sources) == 1 else None
    return replace(step, target=name, origin="mapping") if name else step
