"""Proposing which tensor of the source is which tensor of the template, with a confidence and a reason."""

from __future__ import annotations

from migration.planning.matching.engine import propose
from migration.planning.matching.joining import Joins, join_numbered
from migration.planning.matching.proposal import Pair, Proposal

__all__ = ["Joins", "Pair", "Proposal", "join_numbered", "propose"]
