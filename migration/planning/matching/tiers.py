"""Deciding in two tiers, each pair resting only on pairs that were decided before it.

A pair is accepted where the best assignment of its block without it would lose a margin. In the first
tier the evidence is names, shapes, numbers that people chose, and scopes of pairs that are already
certain: what is symmetric stays undecided, however plausible a whole picture of it looks. The second
tier adds what frameworks counted by themselves and the order of creation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from migration.planning.matching.agreement import Agreement
from migration.planning.matching.assignment import best_pairs, margins
from migration.planning.matching.blocks import IMPOSSIBLE, Block, Blocks, Turning
from migration.planning.matching.hierarchy import Hierarchy
from migration.planning.matching.holes import Telling, open_to_doubt
from migration.planning.matching.numbering import Link, Numbering
from migration.planning.matching.order import Belief, Places, nearness, ranks
from migration.planning.matching.roles import UNKNOWN
from migration.planning.matching.shapes import Fit
from migration.planning.matching.sides import Side
from migration.planning.matching.soft import NUMBERS, SCOPES
from migration.planning.plan import Confidence

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

MOST_ROUNDS = 30
DIRECT = 0.3  # by which a pair must be ahead of all others to need no counting of what is left over
TELLING = 0.3  # what names, numbers and scopes must be worth where a shape alone does not tell
BORNE_OUT = 0.9  # the part of the known pairs that a link must hold for
DISAGREE = -1.0  # numbers that say this much against a pair cannot be outvoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What a tier asks of a pair: the margin over the best other assignment, and its own evidence."""

    confidence: Confidence
    margin: float
    evidence: float
    link: float  # the weakest link between numbers that counts
    counted: bool  # numbers that frameworks count, and order, have a say


TIERS = (
    Tier(confidence=Confidence.CERTAIN, margin=1.0, evidence=2.5, link=0.9, counted=False),
    Tier(confidence=Confidence.LIKELY, margin=0.5, evidence=1.5, link=0.5, counted=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A pair of indices and what spoke for it."""

    source: int
    target: int
    confidence: Confidence
    numbers: float
    scopes: float
    order: float


@dataclass(frozen=True)
class Matter:
    """All that the tiers look at. `holes` marks the tensors whose like is missing elsewhere on their side."""

    source: Side
    target: Side
    numbers: tuple[Numbering, Numbering]
    links: list[Link]
    places: Places
    blocks: Blocks
    pinned: list[tuple[int, int]]
    holes: tuple[Sequence[Telling | None], Sequence[Telling | None]]


def decide(matter: Matter) -> list[Decided]:
    """Every pair that a tier accepts."""
    found: list[Decided] = []
    every = Agreement.of(matter.numbers, matter.links)
    for tier in TIERS:
        numbers = Agreement.of(matter.numbers, _links(matter, tier, found))
        weighed = [
            _weighed(matter, tier, numbers, every, block)
            for block in matter.blocks.parts
            if tier.counted or not block.cut
        ]
        for _ in range(MOST_ROUNDS):
            more = list(_round(matter, tier, weighed, found))
            if not more:
                break
            found.extend(more)
    return found


def _links(matter: Matter, tier: Tier, found: list[Decided]) -> list[Link]:
    """The links that count in a tier: strong enough, and not refuted by the pairs that are decided."""
    known = [*matter.pinned, *((pair.source, pair.target) for pair in found)]
    return [
        link
        for link in matter.links
        if link.strength >= tier.link
        and (tier.counted or _chosen(matter.numbers, link))
        and _borne_out(matter.numbers, link, known)
    ]


def _borne_out(numbers: tuple[Numbering, Numbering], link: Link, known: list[tuple[int, int]]) -> bool:
    """Whether the known pairs that have both numbers have them as the link says, but for exceptions."""
    ours, theirs = numbers
    seen = agreeing = 0
    for one, other in known:
        first, second = ours.held(one, link.source), theirs.held(other, link.target)
        if first and second:
            seen += 1
            agreeing += any(number + link.offset in second for number in first)
    return agreeing >= BORNE_OUT * seen


def _chosen(numbers: tuple[Numbering, Numbering], link: Link) -> bool:
    """Whether people chose both rows of numbers, and they can only be read as this link reads them."""
    ours, theirs = numbers
    if ours.counted[link.source] or theirs.counted[link.target]:
        return False
    if link.sole:
        return True
    return link.offset == 0 and ours.slots[link.source].split()[-1:] == theirs.slots[link.target].split()[-1:]


@dataclass(frozen=True)
class _Weighed:
    """A block's evidence in a tier but for scopes and order, and the numbers' part of it. What is `doubtful`
    is not decided, but still a rival of what is."""

    block: Block
    evidence: Array
    doubtful: Array
    numbers: Array


def _weighed(matter: Matter, tier: Tier, agreeing: Agreement, every: Agreement, block: Block) -> _Weighed:
    numbers = NUMBERS * agreeing.between(block.rows, block.columns)
    # A link shows which numbers differ; that two slots are linked at all proves nothing.
    told = numbers if tier.counted else 2 * NUMBERS * agreeing.disagreement(block.rows, block.columns)
    evidence = block.worth + told + block.rarity
    doubtful = np.zeros(evidence.shape, bool)
    if not tier.counted:
        if matter.blocks.turning is Turning.UNKNOWN:
            evidence = evidence + (Fit.EXACT.value - Fit.TRANSPOSED.value) * block.turned
        doubtful = block.other_role | (every.against(block.rows, block.columns) > 0)
        ours, theirs = matter.holes
        doubtful |= open_to_doubt(
            [ours[row] for row in block.rows], [theirs[column] for column in block.columns]
        )
    evidence[~block.possible | (numbers < DISAGREE)] = IMPOSSIBLE
    return _Weighed(block, evidence, doubtful, numbers)


def _round(matter: Matter, tier: Tier, weighed: list[_Weighed], found: list[Decided]) -> Iterator[Decided]:
    known = [*matter.pinned, *((pair.source, pair.target) for pair in found)]
    scopes = _scopes(matter, known)
    belief = matter.places.believed(known, matter.source.patterns) if tier.counted else Belief()
    ours, theirs = {pair.source for pair in found}, {pair.target for pair in found}
    for each in weighed:
        rows = np.flatnonzero([row not in ours for row in each.block.rows.tolist()])
        columns = np.flatnonzero([column not in theirs for column in each.block.columns.tolist()])
        if len(rows) and len(columns):
            support = SCOPES * scopes.support(each.block.rows, each.block.columns)
            yield from _decided(each, support, matter, tier, belief, rows, columns)


def _decided(
    weighed: _Weighed,
    support: Array,
    matter: Matter,
    tier: Tier,
    belief: Belief,
    rows: Array,
    columns: Array,
) -> Iterator[Decided]:
    """The pairs among undecided rows and columns of a block that the tier accepts."""
    block, inside = weighed.block, np.ix_(rows, columns)
    whole = weighed.evidence + support
    evidence = whole[inside]
    order = np.zeros_like(evidence)
    if tier.counted:
        order = _order(matter, block.rows[rows], block.columns[columns], belief)
        evidence = np.where(evidence > IMPOSSIBLE / 2, evidence + order, IMPOSSIBLE)
    chosen, partners = best_pairs(evidence)
    lost = margins(evidence, chosen, partners, tier.margin)
    for row, column, margin in zip(chosen.tolist(), partners.tolist(), lost.tolist(), strict=True):
        if margin < tier.margin - 1e-9 or evidence[row, column] < tier.evidence:
            continue
        one, other = int(rows[row]), int(columns[column])
        if weighed.doubtful[one, other]:
            continue
        if not tier.counted and not _provable(matter, weighed, support, one, other):
            continue
        yield Decided(
            source=int(block.rows[one]),
            target=int(block.columns[other]),
            confidence=tier.confidence,
            numbers=float(weighed.numbers[one, other]),
            scopes=float(support[one, other]),
            order=float(order[row, column] - order[row].min()),
        )


def _provable(matter: Matter, weighed: _Weighed, support: Array, row: int, column: int) -> bool:
    """Whether a pair rests on more than being left over, and on more than a shape that others have too."""
    block, whole = weighed.block, weighed.evidence + support
    telling = block.named[row, column] + weighed.numbers[row, column] + support[row, column]
    if telling < TELLING and not _alone(block, row, column):
        return False
    return _direct(whole, row, column) or _complete(matter, block, row, column)


def _alone(block: Block, row: int, column: int) -> bool:
    """Whether no other tensor of either side has a shape and a role that fit, and none needs turning."""
    fits = block.possible & ~block.other_role
    return bool(fits[row].sum() == 1 and fits[:, column].sum() == 1 and not block.turned[row, column])


def _direct(evidence: Array, row: int, column: int) -> bool:
    """Whether nothing of the whole block, decided or not, fits either of the two as well."""
    own = evidence[row, column] - DIRECT
    return bool((evidence[row] > own).sum() == 1 and (evidence[:, column] > own).sum() == 1)


def _complete(matter: Matter, block: Block, row: int, column: int) -> bool:
    """Whether both sides have as many of the kind, so that what is left over belongs together."""
    ours = [matter.source.roles[index] for index in block.rows.tolist()]
    theirs = [matter.target.roles[index] for index in block.columns.tolist()]
    if UNKNOWN in ours or UNKNOWN in theirs:
        return len(ours) == len(theirs)
    return ours.count(ours[row]) == theirs.count(theirs[column])


def _scopes(matter: Matter, pairs: list[tuple[int, int]]) -> Hierarchy:
    shape = (len(matter.source), len(matter.target))
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    together = csr_matrix((np.ones(len(pairs)), (ours, theirs)), shape=shape)
    return Hierarchy.of(matter.source, matter.target, together)


def _order(matter: Matter, rows: Array, columns: Array, belief: Belief) -> Array:
    """The evidence of order among what is undecided, zero where order cannot be believed."""
    found = np.zeros((len(rows), len(columns)))
    ours, theirs = _by_role(matter.source, rows), _by_role(matter.target, columns)
    if UNKNOWN in ours or UNKNOWN in theirs:  # then roles do not part them
        return _order_within(matter, rows, columns, belief)
    for role, some in ours.items():
        others = theirs.get(role)
        if others is not None:
            found[np.ix_(some, others)] = _order_within(matter, rows[some], columns[others], belief)
    return found


def _by_role(side: Side, indices: Array) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for place, index in enumerate(indices.tolist()):
        found[side.roles[index]].append(place)
    return found


def _order_within(matter: Matter, rows: Array, columns: Array, belief: Belief) -> Array:
    ours, theirs = matter.places.source[rows], matter.places.target[columns]
    patterns = {matter.source.patterns[row] for row in rows.tolist()}
    if not matter.places.given and len(patterns) > 1:
        return np.zeros((len(rows), len(columns)))
    if belief.anchors is not None:
        return nearness(ours, belief.anchors.expected(theirs))
    counted = len({matter.target.patterns[column] for column in columns.tolist()}) == 1
    if len(rows) == len(columns) and (counted or belief.numbered):
        return nearness(ranks(ours), ranks(theirs))
    return np.zeros((len(rows), len(columns)))
