"""A second look at what was decided: pairs that the rest of the mapping speaks against.

Where something is missing on both sides, what is left over fits by shape, and nothing better competes
for it. But the others tell: where names of one kind go (all `output/dense/kernel` to all
`feedforward_output`), which layer a layer is, and that a bias follows its kernel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from migration.planning.matching.kinds import Kinds
from migration.planning.matching.loyal import Loyal
from migration.planning.matching.nests import Nests
from migration.planning.matching.shapes import Fit, fit
from migration.planning.matching.siblings import LARGEST_LAYER, Siblings
from migration.planning.matching.sides import Side
from migration.planning.matching.tiers import Decided
from migration.planning.plan import Confidence


def checked(
    source: Side, target: Side, decided: Sequence[Decided], pinned: Sequence[tuple[int, int]]
) -> list[Decided]:
    """The pairs that stand: what several things speak against is left out, what one does is not certain.

    A vector is only as certain as its layer: where both layers have a matrix, one of the one must have
    gone to one of the other, for certain. And a tensor whose shape can be turned in several ways is
    never certain.
    """
    pairs = [*pinned, *((pair.source, pair.target) for pair in decided)]
    partner = {other: one for one, other in pairs}
    unsure = {pair.target for pair in decided if pair.confidence is not Confidence.CERTAIN}
    ours, theirs = _matrices(source), _matrices(target)
    kinds, nests = Kinds.of(source, target, pairs), Nests.of(source, target, pairs)
    siblings, loyal = Siblings.of(source, target, pairs), Loyal.of(source, target, pairs)
    found = []
    for pair in decided:
        against = kinds.against(pair.source, pair.target) + nests.against(pair.source, pair.target)
        astray = _astray(source, target, pair, partner, ours, theirs)
        if against + astray > 1:
            continue
        led = _led(source, target, pair, partner, ours, theirs)
        doubtful = against or astray or led & unsure or _several_ways(source, target, pair)
        doubtful = doubtful or any(each.against(pair.source, pair.target) for each in (siblings, loyal))
        found.append(replace(pair, confidence=Confidence.LIKELY) if doubtful else pair)
    return found


def _several_ways(source: Side, target: Side, pair: Decided) -> bool:
    fitting = fit(source.specs[pair.source], target.specs[pair.target])
    return fitting.fit is not Fit.EXACT and not fitting.alone


def _matrices(side: Side) -> dict[str, list[int]]:
    """The matrices of each scope that is small enough to be a layer."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, parent in enumerate(side.parents):
        members[parent].append(index)
    return {
        parent: [index for index in inside if side.rank(index) > 1]
        for parent, inside in members.items()
        if parent and len(inside) <= LARGEST_LAYER
    }


def _astray(
    source: Side,
    target: Side,
    pair: Decided,
    partner: dict[int, int],
    ours: dict[str, list[int]],
    theirs: dict[str, list[int]],
) -> bool:
    """Whether both layers of a vector have matrices and none of the one went to one of the other."""
    matrices = ours.get(source.parents[pair.source]) and theirs.get(target.parents[pair.target])
    vector = target.rank(pair.target) < 2
    return bool(vector and matrices) and not _led(source, target, pair, partner, ours, theirs)


def _led(
    source: Side,
    target: Side,
    pair: Decided,
    partner: dict[int, int],
    ours: dict[str, list[int]],
    theirs: dict[str, list[int]],
) -> set[int]:
    """The matrices of a vector's layer in the target that have their partners in its layer in the source."""
    if target.rank(pair.target) > 1:
        return set()
    here = ours.get(source.parents[pair.source], [])
    return {other for other in theirs.get(target.parents[pair.target], []) if partner.get(other) in here}
