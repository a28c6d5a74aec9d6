"""Single variables missing on both sides at once: what is left over fits by shape, and is not certain."""

from __future__ import annotations

import random

import pytest
from ckpt_tools.matching_pairs import NamingPair, all_pairs

from migration.planning.matching import propose
from migration.planning.matching.holes import holes
from migration.planning.matching.sides import source_side
from migration.planning.plan import Confidence
from tests.planning.matching.sides import sources

PAIRS = [pair for pair in all_pairs() if len(pair.targets) < 150]


def without(pair: NamingPair, seed: int, count: int) -> list[tuple[str, str]]:
    """The certain pairs that are wrong, where each side lacks `count` variables that the other one has."""
    chance = random.Random(f"{seed} {count} {pair.name}")
    names = [candidate.name for candidate in pair.candidates]
    lost = set(chance.sample(names, min(count, len(names) // 3)))
    keys = [key for key, truth in pair.truth.items() if truth.source not in lost]
    missing = set(chance.sample(keys, min(count, len(keys) // 3)))
    proposal = propose(
        [candidate for candidate in pair.candidates if candidate.name not in lost],
        [target for target in pair.targets if target.key not in missing],
    )
    certain = [each for each in proposal.pairs if each.confidence is Confidence.CERTAIN]
    return [
        (each.candidate, each.target)
        for each in certain
        if each.target not in pair.truth or pair.truth[each.target].source != each.candidate
    ]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_nothing_certain_is_wrong(pair: NamingPair, count: int) -> None:
    seeds = range(4) if len(pair.targets) < 60 else range(1)
    assert [wrong for seed in seeds for wrong in without(pair, seed, count)] == []


# More seeds of the pairs in which certain pairs slid by a gap.
FOUND = [
    ("tf.compat.v1.layers / Keras 3 model", 0, 3),
    ("DQN with target network / Keras", 0, 2),
    ("DQN with target network / Keras", 1, 2),
    ("DQN with target network / Keras", 7, 3),
    ("two towers, names that tell (user, user_model)", 6, 3),
    ("two towers, names that say nothing (tower_a, left)", 132, 2),
    ("Variable_N / Keras model, repeated shapes", 102, 2),
    ("U-Net of tf.compat.v1.layers / nested lists", 107, 2),
    ("tf.compat.v1.layers / Keras 2 model", 108, 3),
]


@pytest.mark.parametrize(("name", "seed", "count"), FOUND)
def test_what_slid_before_is_no_longer_certain(name: str, seed: int, count: int) -> None:
    (pair,) = [pair for pair in PAIRS if pair.name == name]
    assert [wrong for at in range(seed, seed + 3) for wrong in without(pair, at, count)] == []


def test_a_hole_is_what_a_twin_has_and_a_count_leaves_out() -> None:
    rows = [
        ("a/w", (3, 4)),
        ("a/b", (4,)),
        ("c/b", (4,)),
        ("d/w", (5, 4)),
        ("d/b", (4,)),
        ("x_0", (9,)),
        ("x_2", (9,)),
    ]
    side = source_side(sources(*rows), ())
    assert dict(zip(side.names, holes(side), strict=True)) == {
        "a/w": frozenset({"a"}),
        "a/b": None,
        "c/b": None,
        "d/w": frozenset({"d"}),
        "d/b": None,
        "x_0": frozenset(),
        "x_2": frozenset(),
    }
