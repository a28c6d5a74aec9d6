"""Candidates and targets of a few words, for the tests of the matching."""

from __future__ import annotations

from collections.abc import Sequence

from migration.planning.candidates import Candidate
from migration.planning.matching import Pair, Proposal
from migration.planning.plan import Confidence
from migration.planning.targets import Target
from migration.tensors import DType, TensorSpec

Row = tuple[str, tuple[int, ...]]


def spec(shape: Sequence[int], dtype: str = "float32") -> TensorSpec:
    return TensorSpec(DType.from_name(dtype), tuple(shape))


def sources(*rows: Row, dtype: str = "float32", created: bool = False) -> list[Candidate]:
    """Stored tensors; `created` gives them their places in the list as their order."""
    return [
        Candidate.stored(name, spec(shape, dtype), place if created else None)
        for place, (name, shape) in enumerate(rows)
    ]


def targets(*rows: Row, dtype: str = "float32", full_names: Sequence[str] = ()) -> list[Target]:
    """Variables of a template at these paths, in this order; full names are empty where none are given."""
    return [
        Target(
            key=key(path),
            spec=spec(shape, dtype),
            node=place + 1,
            paths=(path,),
            full_name=full_names[place] if full_names else "",
            attribute="VARIABLE_VALUE",
            order=place,
        )
        for place, (path, shape) in enumerate(rows)
    ]


def key(path: str) -> str:
    return f"{path}/.ATTRIBUTES/VARIABLE_VALUE"


def by_path(proposal: Proposal) -> dict[str, Pair]:
    return {pair.target.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): pair for pair in proposal.pairs}


def decided(proposal: Proposal) -> dict[str, str]:
    """Path to name of the pairs that are not undecided."""
    return {
        path: pair.candidate
        for path, pair in by_path(proposal).items()
        if pair.confidence is not Confidence.UNDECIDED
    }
