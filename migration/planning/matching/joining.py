"""Numbered variables that together are one variable of the template: `weights_0` ... `weights_15`, joined.

Models from before `get_variable` could partition cut large embeddings by hand, as tensor2tensor does
(modalities.py: rows are dealt out over `weights_%d`, the first ones with a row more, and concatenated in the
order of the numbers). Such a family is looked at last: only where its members and the target stand alone
after all that is paired one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration.planning.candidates import Candidate
from migration.planning.matching.engine import propose
from migration.planning.matching.proposal import Pair
from migration.planning.matching.roles import kinship
from migration.planning.matching.shapes import Fit, block_key, fit
from migration.planning.matching.sides import source_side, target_side
from migration.planning.plan import Confidence
from migration.planning.transforms import Concat
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from migration.planning.targets import Target

SEPARATORS = ("_", "/", ".", "-")  # before the number: `w1` and `w2` are layers, not parts
MOST_DIGITS = 9  # of a number: nobody cuts a variable into more parts
MOST_NAMED = 5
_Form = tuple[tuple[int, ...], str]  # a shape, and the kind of dtype


@dataclass(frozen=True, slots=True)
class Joins:
    """Families as candidates of their own, and where they go."""

    candidates: tuple[Candidate, ...]
    pairs: tuple[Pair, ...]


def join_numbered(
    candidates: Sequence[Candidate],
    targets: Sequence[Target],
    *,
    free: Collection[str],
    contested: Collection[TensorSpec],
    fixed: Mapping[str, str],
) -> Joins:
    """A join for every family of free candidates whose rows add up to one of the unfilled `targets`.

    `free` names the candidates without a partner; the others tell whether a family is complete.
    `contested` are the specs of targets that are undecided: where one fits as well, so is the join.
    `fixed` holds the decided pairs (target key to candidate name). A join is likely at best, and decided
    where each family has one target; names have to tell which, where there are several.
    """
    free = frozenset(free)
    places: dict[_Form, list[Target]] = defaultdict(list)
    for target in targets:
        places[_form(target.spec)].append(target)
    groups: dict[_Form, list[Candidate]] = defaultdict(list)
    for whole in _families(candidates, free, targets):
        if _form(whole.spec) in places:
            groups[_form(whole.spec)].append(whole)
    if not groups:
        return Joins((), ())
    disputed = {_form(spec) for spec in contested}
    disputed |= {_form(one.spec) for one in candidates if one.name in free}
    pairs = [
        pair
        for form, wholes in groups.items()
        for pair in _Group(wholes, places[form], form in disputed).pairs(fixed)
    ]
    used = {pair.candidate for pair in pairs}
    wholes = [one for group in groups.values() for one in group if one.name in used]
    return Joins(tuple(wholes), tuple(pairs))


def _form(spec: TensorSpec) -> _Form:
    return spec.shape, block_key(spec)[1]


def _families(
    candidates: Sequence[Candidate], free: frozenset[str], targets: Sequence[Target]
) -> Iterator[Candidate]:
    """Each complete family of free tensors that no target takes one by one, joined."""
    known = {candidate.name for candidate in candidates}
    sizes: dict[tuple[int, str], set[TensorSpec]] = defaultdict(set)
    for target in targets:
        sizes[block_key(target.spec)].add(target.spec)
    for stem, numbered in _by_stem(candidates).items():
        members = [numbered[number] for number in sorted(numbered)]
        name = f"{stem}*"
        if (
            _is_complete(stem, numbered, known)
            and all(one.name in free for one in members)
            and _is_alike(members)
            and name not in known
            and not any(_fits(spec, sizes) for spec in {one.spec for one in members})
        ):
            yield _joined(name, members)


def _by_stem(candidates: Sequence[Candidate]) -> dict[str, dict[int, Candidate]]:
    """The stored tensors whose names end in a number, by what stands before it."""
    found: dict[str, dict[int, Candidate]] = defaultdict(dict)
    twice: set[str] = set()
    for candidate in candidates:
        name = candidate.name.removesuffix(":0")
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        if not stem.endswith(SEPARATORS) or not 0 < len(digits) <= MOST_DIGITS:
            continue
        if int(digits) in found[stem]:  # part_1 and part_01
            twice.add(stem)
        found[stem][int(digits)] = candidate
    return {stem: numbered for stem, numbered in found.items() if stem not in twice}


def _is_complete(stem: str, numbered: Collection[int], known: Collection[str]) -> bool:
    """Whether the numbers are 0 to n - 1, or 1 to n where no `weights` beside `weights_1` counts as 0."""
    first = min(numbered)
    if len(numbered) < 2 or max(numbered) - first != len(numbered) - 1:
        return False
    return first == 0 or (first == 1 and stem[:-1] not in known and f"{stem[:-1]}:0" not in known)


def _is_alike(members: Sequence[Candidate]) -> bool:
    """Whether rows of all of them can follow one another, each tensor as it is stored."""
    kinds = {(one.spec.dtype, one.spec.shape[1:]) for one in members}
    return len(kinds) == 1 and all(
        one.spec.shape and len(one.sources) == 1 and not one.transforms and not one.sources[0].transforms
        for one in members
    )


def _fits(spec: TensorSpec, sizes: Mapping[tuple[int, str], Collection[TensorSpec]]) -> bool:
    return any(fit(spec, target).fit is not Fit.NONE for target in sizes.get(block_key(spec), ()))


def _joined(name: str, members: Sequence[Candidate]) -> Candidate:
    rows = tuple(one.spec.shape[0] for one in members)
    first, last = members[0], members[-1]
    orders = [one.order for one in members if one.order is not None]
    return Candidate(
        name=name,
        spec=TensorSpec(first.spec.dtype, (sum(rows), *first.spec.shape[1:])),
        sources=tuple(source for one in members for source in one.sources),
        transforms=(Concat(0, rows),),
        order=min(orders, default=None),
        reason=f"{len(members)} tensors, {first.name} to {last.name}, joined in the order of their numbers",
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Families and targets of one shape. `disputed` says that others of the shape are undecided or free."""

    families: list[Candidate]
    targets: list[Target]
    disputed: bool

    def pairs(self, fixed: Mapping[str, str]) -> Iterator[Pair]:
        """Each target with the family that it seems to be."""
        doubt = self._doubt()
        if doubt:
            yield from self._undecided(doubt)
        elif len(self.targets) > 1:  # as many families: names may tell
            for pair in propose(self.families, self.targets, fixed=fixed).pairs:
                sure = pair.confidence is Confidence.CERTAIN
                yield replace(pair, confidence=Confidence.LIKELY) if sure else pair
        else:
            yield Pair(
                target=self.targets[0].key,
                candidate=self.families[0].name,
                confidence=Confidence.LIKELY,
                reason="nothing else that is left has this shape",
            )

    def _doubt(self) -> str:
        """Why no family is one target's, whatever the names; "" where nothing speaks against it."""
        if self.disputed:
            return "a tensor or a target that has this shape by itself is undecided or left over"
        if len(self.families) != len(self.targets):
            return f"families that add up to this shape: {len(self.families)}, targets: {len(self.targets)}"
        if len(self.targets) == 1 and _contradict(self.families[0], self.targets[0]):
            return "it adds up, but the names give it another role"
        return ""

    def _undecided(self, doubt: str) -> Iterator[Pair]:
        """Each target with the family whose name comes nearest, and with the others."""
        near = {pair.target: pair.candidate for pair in propose(self.families, self.targets).pairs}
        names = sorted(one.name for one in self.families)[:MOST_NAMED]
        for target in self.targets:
            guess = near.get(target.key, names[0])
            yield Pair(
                target=target.key,
                candidate=guess,
                confidence=Confidence.UNDECIDED,
                reason=doubt,
                candidates=tuple(dict.fromkeys((guess, *names)))[:MOST_NAMED],
            )


def _contradict(family: Candidate, target: Target) -> bool:
    """Whether the names say that one is a kernel, say, and the other a bias."""
    ours, theirs = source_side([family], ()), target_side([target], ())
    return kinship(ours.roles[0], theirs.roles[0]) < 0
