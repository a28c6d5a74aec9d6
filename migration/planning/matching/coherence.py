"""A second look at what was decided: a bias that would leave its kernel is not certain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from migration.planning.matching.shapes import Fit, fit
from migration.planning.matching.sides import Side
from migration.planning.matching.tiers import Decided
from migration.planning.plan import Confidence

LARGEST_LAYER = 12  # variables of one scope that can still be one layer's own


def checked(source: Side, target: Side, decided: Sequence[Decided]) -> list[Decided]:
    """The pairs, those no longer certain that do not hold beside the others of their layers.

    A vector is only as certain as its layer: where both layers have a matrix, one of the one must have
    gone to one of the other. And a tensor whose shape can be turned in several ways is never certain.
    """
    partner = {pair.target: pair.source for pair in decided}
    ours, theirs = _matrices(source), _matrices(target)
    return [
        replace(pair, confidence=Confidence.LIKELY)
        if pair.confidence is Confidence.CERTAIN
        and (_astray(source, target, pair, partner, ours, theirs) or _several_ways(source, target, pair))
        else pair
        for pair in decided
    ]


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
    if target.rank(pair.target) > 1:
        return False
    here = ours.get(source.parents[pair.source], [])
    there = theirs.get(target.parents[pair.target], [])
    return bool(here and there) and not any(partner.get(other) in here for other in there)
