"""From two lists to a proposal: read both sides, look at the whole, decide what can be decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from migration.planning.matching.assignment import best_pairs
from migration.planning.matching.blocks import IMPOSSIBLE, Blocks
from migration.planning.matching.coherence import checked
from migration.planning.matching.holes import holes
from migration.planning.matching.numbering import Numbering
from migration.planning.matching.order import Places
from migration.planning.matching.proposal import Pair, Proposal
from migration.planning.matching.shapes import fit
from migration.planning.matching.sides import Side, source_side, target_side
from migration.planning.matching.soft import Picture, picture
from migration.planning.matching.tiers import Decided, Matter, decide
from migration.planning.matching.wording import Wording
from migration.planning.plan import Confidence

if TYPE_CHECKING:
    from migration.planning.candidates import Candidate
    from migration.planning.targets import Target

    Array = np.ndarray[Any, Any]

GUESS = 1.0  # less evidence than this is no guess: such tensors stay without a partner
NEAR = 1.5  # others this much behind the best are named beside it
MOST_NAMED = 5


def propose(
    candidates: Sequence[Candidate],
    targets: Sequence[Target],
    *,
    fixed: Mapping[str, str] = MappingProxyType({}),
) -> Proposal:
    """A partner for every target for which the evidence finds one, and how sure that is.

    `fixed` holds pairs that are decided elsewhere (target key to candidate name): they count as evidence
    for the scopes, the numbers and the order, and appear nowhere in the result, whether or not they
    stand in the lists as well. Pairs come in the order of `targets`; no tensor is in two of them.
    """
    source, target = source_side(candidates, fixed.values()), target_side(targets, fixed)
    pinned = _pinned(source, target, fixed)
    numbers = Numbering.of(source), Numbering.of(target)
    blocks = Blocks.of(source, target)
    seen = picture(source, target, numbers, blocks.parts, pinned)
    places, missing = Places.of(source, target), (holes(source), holes(target))
    matter = Matter(source, target, numbers, seen.links, places, blocks, pinned, missing)
    decided = checked(source, target, decide(matter), pinned)
    wording = Wording.of(source, target, blocks, decided, pinned)
    pairs = {pair.target: _pair(source, target, pair, wording) for pair in decided}
    pairs.update(_undecided(source, target, blocks, seen, decided, wording))
    return _proposal(source, target, pairs)


def _pinned(source: Side, target: Side, fixed: Mapping[str, str]) -> list[tuple[int, int]]:
    ours = {name: index for index, name in enumerate(source.names)}
    theirs = {key: index for index, key in enumerate(target.names)}
    return [(ours[name], theirs[key]) for key, name in fixed.items()]


def _proposal(source: Side, target: Side, pairs: dict[int, Pair]) -> Proposal:
    taken = {pair.candidate for pair in pairs.values()}
    return Proposal(
        pairs=tuple(pairs[index] for index in sorted(pairs)),
        unused=tuple(
            name for name, free in zip(source.names, source.free, strict=True) if free and name not in taken
        ),
        unfilled=tuple(
            key
            for index, (key, free) in enumerate(zip(target.names, target.free, strict=True))
            if free and index not in pairs
        ),
    )


def _pair(source: Side, target: Side, pair: Decided, wording: Wording) -> Pair:
    fitting = fit(source.specs[pair.source], target.specs[pair.target])
    return Pair(
        target=target.names[pair.target],
        candidate=source.names[pair.source],
        transforms=fitting.transforms,
        confidence=pair.confidence,
        reason=wording.decided(pair),
    )


def _undecided(
    source: Side, target: Side, blocks: Blocks, seen: Picture, decided: list[Decided], wording: Wording
) -> dict[int, Pair]:
    """The best guess for each target that is left and has one, with the candidates that come near it."""
    ours, theirs = {pair.source for pair in decided}, {pair.target for pair in decided}
    found: dict[int, Pair] = {}
    for block, evidence in zip(blocks.parts, seen.evidence, strict=True):
        rows = np.flatnonzero([row not in ours for row in block.rows.tolist()])
        columns = np.flatnonzero([column not in theirs for column in block.columns.tolist()])
        if not len(rows) or not len(columns):
            continue
        possible = block.possible[np.ix_(rows, columns)]
        worth = np.where(possible, evidence[np.ix_(rows, columns)] + block.rarity, IMPOSSIBLE)
        chosen, partners = best_pairs(worth - GUESS)
        for row, column in zip(chosen.tolist(), partners.tolist(), strict=True):
            one, other = int(block.rows[rows[row]]), int(block.columns[columns[column]])
            near = _near(worth[:, column], row)
            names = tuple(source.names[int(block.rows[rows[place]])] for place in near)
            fitting = fit(source.specs[one], target.specs[other])
            found[other] = Pair(
                target=target.names[other],
                candidate=source.names[one],
                transforms=fitting.transforms,
                confidence=Confidence.UNDECIDED,
                reason=wording.undecided(one, other, len(names)),
                candidates=names,
            )
    return found


def _near(worth: Array, guess: int) -> list[int]:
    """The guess, then the others that come near the best, best first."""
    bar = min(float(worth.max()), float(worth[guess])) - NEAR
    others = [
        int(place) for place in np.argsort(-worth, kind="stable") if place != guess and worth[place] >= bar
    ]
    return [guess, *others[: MOST_NAMED - 1]]
