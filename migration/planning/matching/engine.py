"""From two lists to a proposal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from migration.planning.matching.blocks import Blocks
from migration.planning.matching.numbering import Numbering
from migration.planning.matching.order import Places
from migration.planning.matching.proposal import Pair, Proposal
from migration.planning.matching.sides import source_side, target_side
from migration.planning.matching.soft import picture
from migration.planning.matching.tiers import Matter, decide
from migration.planning.matching.shapes import fit
from migration.planning.matching.assignment import best_pairs
from migration.planning.plan import Confidence

import numpy as np

if TYPE_CHECKING:
    from migration.planning.candidates import Candidate
    from migration.planning.targets import Target


def propose(
    candidates: Sequence[Candidate], targets: Sequence[Target], *, fixed: Mapping[str, str] | None = None
) -> Proposal:
    source, target = source_side(candidates), target_side(targets)
    numbers = Numbering.of(source), Numbering.of(target)
    all_blocks = Blocks.of(source, target)
    parts = all_blocks.parts
    pinned: list[tuple[int, int]] = []
    seen = picture(source, target, numbers, parts, pinned)
    matter = Matter(source, target, numbers, seen.links, Places.of(source, target), all_blocks, pinned)
    decided = decide(matter)
    ours = {d.source for d in decided}
    theirs = {d.target for d in decided}
    pairs = {}
    for d in decided:
        f = fit(source.specs[d.source], target.specs[d.target])
        pairs[d.target] = Pair(target=target.names[d.target], candidate=source.names[d.source], transforms=f.transforms,
            confidence=d.confidence, reason=str((round(d.margin,2), d.rivals, round(d.numbers,2), round(d.scopes,2), round(d.order,2))))
    for block, ev in zip(parts, seen.evidence):
        r = [i for i, x in enumerate(block.rows.tolist()) if x not in ours]
        c = [i for i, x in enumerate(block.columns.tolist()) if x not in theirs]
        if not r or not c: continue
        sub = ev[np.ix_(r, c)] + block.rarity
        a, b = best_pairs(sub)
        for i, j in zip(a, b):
            s, t = int(block.rows[r[i]]), int(block.columns[c[j]])
            ours.add(s); theirs.add(t)
            near = [source.names[block.rows[r[k]]] for k in np.argsort(-sub[:, j])[:5]]
            pairs[t] = Pair(target=target.names[t], candidate=source.names[s], confidence=Confidence.UNDECIDED, reason='', candidates=tuple(near),
               transforms=fit(source.specs[s], target.specs[t]).transforms)
    return Proposal(pairs=tuple(pairs[t] for t in sorted(pairs)), unused=tuple(n for i, n in enumerate(source.names) if i not in ours),
        unfilled=tuple(n for i, n in enumerate(target.names) if i not in theirs))
