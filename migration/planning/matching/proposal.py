"""What the matching proposes: pairs, each with a confidence and a reason, and what is left on both sides."""

from __future__ import annotations

from dataclasses import dataclass

from migration.planning.plan import Confidence
from migration.planning.transforms import Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A target and the candidate that seems to be its tensor.

    `certain`: no other assignment fits as well. `likely`: the evidence agrees, but the order of
    creation or a turned shape had to speak. `undecided`: others fit as well; `candidates` names them,
    best first, `candidate` being the best guess.
    """

    target: str
    candidate: str
    transforms: tuple[Transform, ...] = ()
    confidence: Confidence
    reason: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Pairs in the targets' order; `unused` candidates' names and `unfilled` targets' keys have no pair."""

    pairs: tuple[Pair, ...]
    unused: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()
