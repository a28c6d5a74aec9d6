"""What a person says of names: a mapping from names to places, before any rule, name or proposal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migration.errors import PlanError, Problem
from migration.planning.candidates import Candidate
from migration.planning.onto import Claims
from migration.planning.places import Places
from migration.planning.plan import Step
from migration.planning.targets import Target
from migration.suggest import NameIndex, did_you_mean


def say(claims: Claims, mapping: Mapping[str, str]) -> None:
    """Pair the names of a mapping with the places that it says.

    Raises PlanError that tells every name and place that is absent, ambiguous, taken twice, or of
    another shape.
    """
    places = Places(claims.targets.values())
    names, known = NameIndex(claims.candidates), NameIndex(places.spellings)
    problems: list[Problem] = []
    for name, place in mapping.items():
        candidate = claims.candidates.get(name)
        found = places.find(place)
        if candidate is None:
            near = did_you_mean(names.nearest(name))
            problems.append(
                Problem(kind="absent", where=name, message=f"the source has no such tensor{near}")
            )
        if len(found) != 1:
            problems.append(_misplaced(name, place, found, known))
        elif candidate is not None:
            problems += _join(claims, candidate, found[0], place)
    if problems:
        raise PlanError("the mapping does not fit; nothing was written", problems)


def _misplaced(name: str, place: str, found: list[Target], known: NameIndex) -> Problem:
    if found:
        keys = ", ".join(target.key for target in found[:3])
        return Problem(
            kind="ambiguous",
            where=name,
            message=f"{place} is the name of {len(found)} targets: use a key, such as {keys}",
        )
    return Problem(
        kind="absent", where=name, message=f"the template has no {place}{did_you_mean(known.nearest(place))}"
    )


def _join(claims: Claims, candidate: Candidate, target: Target, place: str) -> Iterable[Problem]:
    taken = claims.partners.get(target.key)
    if taken is not None:
        yield Problem(
            kind="collision", where=candidate.name, message=f"{place} is already the place of {taken}"
        )
    elif target.spec.shape != candidate.spec.shape:
        told = (
            f"it is {candidate.spec}, and {place} is {target.spec}: a rule with a transform can change shapes"
        )
        yield Problem(kind="shape", where=candidate.name, message=told)
    else:
        told = (
            "" if candidate.spec == target.spec else f"; {candidate.spec.dtype} becomes {target.spec.dtype}"
        )
        claims.pair(target, candidate, origin="mapping", reason=f"the mapping says so{told}")


def check_names(steps: Iterable[Step]) -> None:
    """Raises PlanError where two steps of a name-based result have one name."""
    steps = list(steps)
    if len({step.target for step in steps}) == len(steps):
        return
    holders: dict[str, list[str]] = {}
    for step in steps:
        holders.setdefault(step.target, []).append(", ".join(source.key for source in step.sources))
    problems = [
        Problem(
            kind="collision",
            where=name,
            message=f"{len(keys)} tensors would get this name: {'; '.join(keys[:3])}",
        )
        for name, keys in holders.items()
        if len(keys) > 1
    ]
    if problems:
        raise PlanError("two tensors cannot have one name", problems)
