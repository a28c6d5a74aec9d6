"""The benchmark's pairs: what issue 3 wants reached, pair by pair."""

from __future__ import annotations

import random
import time

import pytest
from ckpt_tools.benchmark_matching import score
from ckpt_tools.matching_pairs import NamingPair, all_pairs
from ckpt_tools.matching_pairs.plain import towers
from ckpt_tools.matching_pairs.transformers import bert_keras_hub

from migration.planning.matching import propose
from migration.planning.plan import Confidence

PAIRS = all_pairs()
PLAIN = [pair for pair in PAIRS if not pair.ambiguous]
AMBIGUOUS = [pair for pair in PAIRS if pair.ambiguous]


@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_variables_are_decided_and_right(pair: NamingPair) -> None:
    result = score(pair)
    assert result.certain_wrong == 0
    assert result.decided == result.right
    assert result.right >= 0.95 * result.variables


@pytest.mark.parametrize("pair", AMBIGUOUS, ids=lambda pair: pair.name)
def test_what_no_name_tells_apart_is_left_undecided(pair: NamingPair) -> None:
    twins = {target.spec for target in pair.targets if [t.spec for t in pair.targets].count(target.spec) > 1}
    specs = {target.key: target.spec for target in pair.targets}
    proposal = propose(pair.candidates, pair.targets)
    assert score(pair).certain_wrong == 0
    for each in proposal.pairs:
        if specs[each.target] in twins:
            assert each.confidence is Confidence.UNDECIDED
            assert len(each.candidates) > 1
            assert pair.truth[each.target].source in each.candidates


@pytest.mark.parametrize("swapped", [False, True])
def test_towers_follow_their_names_and_not_their_order(swapped: bool) -> None:
    theirs = ("item_model", "user_model") if swapped else ("user_model", "item_model")
    ours = ("item", "user") if swapped else ("user", "item")
    pair = towers(ours, theirs, ambiguous=False)
    shuffled = list(pair.targets)
    random.Random(0).shuffle(shuffled)
    proposal = propose(pair.candidates, shuffled)
    assert {each.target: each.candidate for each in proposal.pairs} == {
        key: truth.source for key, truth in pair.truth.items()
    }
    assert all(each.confidence is Confidence.CERTAIN for each in proposal.pairs)


@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_the_order_of_the_lists_changes_nothing(pair: NamingPair) -> None:
    mixed, other = list(pair.candidates), list(pair.targets)
    random.Random(1).shuffle(mixed)
    random.Random(2).shuffle(other)
    plain = {each.target: each for each in propose(pair.candidates, pair.targets).pairs}
    again = {each.target: each for each in propose(mixed, other).pairs}
    assert {key: (each.candidate, each.confidence) for key, each in plain.items()} == {
        key: (each.candidate, each.confidence) for key, each in again.items()
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pair", PLAIN, ids=lambda pair: pair.name)
def test_nothing_certain_is_wrong_with_half_of_the_words_gone(pair: NamingPair, seed: int) -> None:
    from dataclasses import replace

    words = sorted(
        {word for target in pair.targets for word in _words(" ".join([*target.paths, target.full_name]))}
    )
    chance = random.Random(seed)
    lost = {word: f"q{place}z" for place, word in enumerate(words) if chance.random() < 0.5}

    def without(name: str) -> str:
        return "/".join(lost.get(part, part) for part in name.split("/"))

    other = [
        replace(target, paths=tuple(map(without, target.paths)), full_name=without(target.full_name))
        for target in pair.targets
    ]
    for each in propose(pair.candidates, other).pairs:
        if each.confidence is Confidence.CERTAIN:
            assert pair.truth[each.target].source == each.candidate


def _words(names: str) -> set[str]:
    return {part for name in names.split() for part in name.split("/") if part.isidentifier()}


def test_a_thousand_variables_take_less_than_five_seconds() -> None:
    pair = bert_keras_hub(layers=62, width=16)
    started = time.process_time()
    proposal = propose(pair.candidates, pair.targets)
    assert len(proposal.pairs) == len(pair.targets) > 990
    assert time.process_time() - started < 5
