"""Rules met with the tensors of a source, and the places of a template where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from migration.errors import InputError
from migration.planning.places import Places
from migration.planning.plan import Source, Step
from migration.planning.rules.folding import Same
from migration.planning.rules.gathering import Bundle, Gathering
from migration.planning.rules.pattern import Pattern
from migration.planning.rules.result import RuleResult, Told, unfilled, unused
from migration.planning.rules.rule import Rule, Shortcuts
from migration.planning.targets import Target
from migration.planning.transforms import Cast, TransformError, output_of
from migration.tensors import TensorSpec

MOST_SHOWN = 3  # names of several that a problem shows


def apply_rules(
    rules: Sequence[Rule],
    shortcuts: Shortcuts,
    specs: Mapping[str, TensorSpec],
    targets: Sequence[Target] | None,
    same: Same | None,
) -> RuleResult:
    """What the rules make of tensors of these specs; see the package."""
    told = Told()
    names = Gathering(rules, specs, told)
    names.gather(shortcuts, same)
    layout = _Names(names, told) if targets is None else _Template(names, told, targets)
    for bundle in names.bundles:
        _join(layout, bundle)
    layout.keep_rest()
    for number, rule in enumerate(rules):
        if rule.constant is not None:
            _put_constant(layout, number, rule)
    _tell_idle(names, told)
    return _result(layout, targets or ())


def _join(layout: _Names, bundle: Bundle) -> None:
    """A step of the names that a rule brought together."""
    rule, keys = bundle.rule, bundle.keys
    start = ", ".join(keys[:MOST_SHOWN])
    lacking = [matcher.text for matcher, slot in zip(rule.matchers, bundle.slots, strict=True) if not slot]
    doubled = [slot for slot in bundle.slots if len(slot) > 1]
    if lacking or doubled:
        why = (
            f"nothing matches {lacking[0]!r} with it"
            if lacking
            else f"{' and '.join(doubled[0])} capture the same"
        )
        layout.told.tell("incomplete", rule.place, f"{start}: {why}")
        return
    try:
        place = rule.to.fill(bundle.captured) if rule.to else ""
        spec = output_of(rule.transforms, tuple(layout.specs[key] for key in keys))
    except InputError as error:
        layout.told.tell("misfit", rule.place, f"{start}: {error}")
        return
    step = Step(
        target=place,
        spec=spec,
        sources=tuple(Source(key=key) for key in keys),
        transforms=rule.transforms,
        origin="rule",
        reason=str(rule),
    )
    placed = layout.placed(rule.place, step)
    if placed is not None:
        layout.claim(rule.place, placed)


def _put_constant(layout: _Names, number: int, rule: Rule) -> None:
    """The constant at its place, or at all places that its pattern finds still empty."""
    for empty in layout.empty(number, rule):
        layout.names.matched.add(number)
        try:
            spec = rule.constant.filled(empty.spec) if rule.constant else empty.spec
        except TransformError as error:
            layout.told.tell("misfit", rule.place, f"{empty.target}: {error}")
            continue
        transforms = (rule.constant,) if rule.constant else ()
        filled = replace(empty, spec=spec, transforms=transforms, origin="constant", reason=str(rule))
        layout.claim(rule.place, filled)


def _tell_idle(names: Gathering, told: Told) -> None:
    for number, rule in enumerate(names.rules):
        if number in names.matched or number in names.hung or rule.optional:
            continue
        near = told.near(rule.matchers[0].text, names.specs, None) if rule.matchers else ""
        told.tell("matched nothing", rule.place, f"the rule `{rule}` matched nothing{near}")


def _result(layout: _Names, targets: Sequence[Target]) -> RuleResult:
    names = layout.names
    taken = {key for bundle in names.bundles for key in bundle.keys}
    taken |= {source.key for step in layout.steps.values() for source in step.sources}
    drops = tuple(left for key, left in names.drops.items() if key not in taken)
    dropped = {left.key for left in drops}
    idle = [key for key in layout.specs if key not in taken and key not in dropped]
    empty = [target for target in targets if target.key not in layout.steps]
    return RuleResult(
        steps=tuple(layout.steps.values()),
        drops=drops,
        problems=tuple(layout.told.problems),
        unused=unused(idle, layout.specs, empty),
        unfilled=unfilled(empty, layout.specs, idle),
        renamed={key: name for key, name in names.kept.items() if name != key},
        notes=names.notes,
    )


class _Names:
    """Places that are names: each that a rule says is one."""

    def __init__(self, names: Gathering, told: Told) -> None:
        self.names, self.told, self.specs = names, told, names.specs
        self.steps: dict[str, Step] = {}
        self._claimed_at: dict[str, str] = {}

    def placed(self, where: str, step: Step) -> Step | None:
        """The step at its place; None, and told, where there is no such place."""
        if step.target:
            return step
        self.told.tell("absent", where, f"{step.sources[0].key}: would get an empty name")
        return None

    def claim(self, where: str, step: Step) -> None:
        """Takes a step, unless its target is taken."""
        before = self.steps.setdefault(step.target, step)
        if before is step:
            self._claimed_at[step.target] = where
            return
        keys = [source.key for held in (before, step) for source in held.sources]
        shown = " and ".join(keys[: MOST_SHOWN + 1]) or "constants"
        first = self._claimed_at[step.target]
        also = f" (taken by {first})" if first != where else ""
        self.told.tell("collision", where, f"{shown} would both become {step.target!r}{also}")

    def keep_rest(self) -> None:
        """What no rule took keeps its name, as the shortcuts left it."""
        for key, name in self.names.kept.items():
            origin = "name" if name == key else "rule"
            self.claim(
                key, Step(target=name, spec=self.specs[key], sources=(Source(key=key),), origin=origin)
            )

    def empty(self, number: int, rule: Rule) -> list[Step]:
        """Steps without sources at the places of a constant's rule."""
        place = rule.to.text if rule.to else ""
        if rule.spec is not None:
            return [Step(target=place, spec=rule.spec)]
        self.names.matched.add(number)
        self.told.tell("misfit", rule.place, f"{place}: without a template a constant needs its spec")
        return []


class _Template(_Names):
    """Places in a template."""

    def __init__(self, names: Gathering, told: Told, targets: Sequence[Target]) -> None:
        super().__init__(names, told)
        self._targets = targets
        self._places = Places(targets)
        self._spelled = {target.spoken: target.spec for target in targets}

    def placed(self, where: str, step: Step) -> Step | None:
        """The step with its target's key, and cast to its dtype."""
        keys = ", ".join(source.key for source in step.sources[:MOST_SHOWN])
        target = self._find(where, step.target, step.spec, f"{keys}: ")
        if target is None:
            return None
        step = replace(step, target=target.key, paths=target.paths, full_name=target.full_name)
        fitting = _cast(step, target.spec)
        if fitting is None:
            why = f"gives {step.spec}, {target.key} is {target.spec}{_remedy(step.spec, target.spec)}"
            self.told.tell("misfit", where, f"{keys} {why}")
        return fitting

    def _find(self, where: str, place: str, spec: TensorSpec | None, start: str) -> Target | None:
        found = self._places.find(place)
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(target.key for target in found[:MOST_SHOWN])
            self.told.tell(
                "ambiguous", where, f"{start}{place!r} names {len(found)} targets: use a key: {shown}"
            )
        else:
            near = self.told.near(place, self._spelled, spec)
            self.told.tell("absent", where, f"{start}the template has no {place!r}{near}")
        return None

    def keep_rest(self) -> None:
        """Names that the shortcuts made into places go there, where they fit; others are left."""
        for key, name in self.names.kept.items():
            found = self._places.find(name) if name != key else []
            if len(found) != 1 or found[0].key in self.steps:
                continue
            step = Step(
                target=found[0].key,
                spec=self.specs[key],
                sources=(Source(key=key),),
                origin="rule",
                reason=f"its name without and with prefixes: {name}",
                paths=found[0].paths,
                full_name=found[0].full_name,
            )
            fitting = _cast(step, found[0].spec)
            if fitting is not None:
                self.claim(key, fitting)

    def empty(self, number: int, rule: Rule) -> list[Step]:
        """Steps without sources: at the place itself, or at all empty places that it is a pattern of."""
        place = rule.to.text if rule.to else ""
        exact = self._places.find(place)
        chosen = exact if len(exact) == 1 else self._empty_like(place)
        if not chosen and Pattern.parse(place).is_literal:
            self.names.matched.add(number)
            self._find(rule.place, place, None, "")
        return [
            Step(target=target.key, spec=target.spec, paths=target.paths, full_name=target.full_name)
            for target in chosen
        ]

    def _empty_like(self, place: str) -> list[Target]:
        spellings = {place, place if "/" in place else place.replace(".", "/")}
        patterns = [Pattern.parse(spelling) for spelling in sorted(spellings)]
        return [
            target
            for target in self._targets
            if target.key not in self.steps
            and any(
                pattern.match(name) is not None
                for name in (*target.paths, target.full_name, target.key)
                for pattern in patterns
            )
        ]


def _cast(step: Step, wanted: TensorSpec) -> Step | None:
    """The step, cast to the dtype that is wanted; None where the shapes differ or no cast is possible."""
    if step.spec == wanted:
        return step
    cast = Cast(wanted.dtype)
    try:
        output = cast.output((step.spec,))
    except TransformError:
        return None
    if output != wanted:
        return None
    reason = f"{step.reason}; {step.spec.dtype} becomes {wanted.dtype}"
    return replace(step, spec=wanted, transforms=(*step.transforms, cast), reason=reason)


def _remedy(ours: TensorSpec, theirs: TensorSpec) -> str:
    """The transform that would make the shapes agree, as it is written."""
    if ours.shape == theirs.shape:
        return ": those dtypes are not cast"
    if ours.size != theirs.size:
        return ""
    if len(ours.shape) == 2 and ours.shape == theirs.shape[::-1]:
        return ": transforms = [{transpose = [1, 0]}] would fit"
    return (
        f": transforms = [{{reshape = {list(theirs.shape)}}}] would fit, if the order of elements is the same"
    )
