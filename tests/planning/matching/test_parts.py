"""The parts of the matching by themselves: names, roles, shapes, walks, assignments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from migration.planning.matching.assignment import best_pairs, margins
from migration.planning.matching.paths import walked
from migration.planning.matching.roles import role_of
from migration.planning.matching.shapes import Fit, fit
from migration.planning.matching.tokens import read_names, split_name, split_segment
from migration.planning.matching.vocabulary import merged
from migration.planning.transforms import output_of
from tests.planning.matching.sides import spec

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ("conv2_block1_1_bn", ("conv", 2, "block", 1, 1, "batchnorm")),
        ("conv2d_3", ("conv", 3)),
        ("BatchNorm", ("batchnorm",)),
        ("FullyConnected_2", ("dense", 2)),
        ("moving_variance", ("variance",)),
        ("running_var", ("variance",)),
        ("_query_dense", ("query", "dense")),
        ("W_fc1", ("kernel", "dense", 1)),
        ("block2b", ("block", 2, "b")),
        ("Conv2d_0a_3x3", ("conv", 0, "a", "3x3")),
        ("wte", ("token", "embedding")),
        ("token_type_embeddings", ("segment", "embedding")),
        ("encdec_attention", ("cross", "attention")),
        ("", ()),
        ("--", ()),
    ],
)
def test_a_segment_becomes_words_and_numbers(segment: str, words: tuple[object, ...]) -> None:
    assert split_segment(segment) == words


@pytest.mark.parametrize(
    ("name", "segments"),
    [
        ("a/b:0", ["a", "b"]),
        ("encoder.layers.3.w", ["encoder", "layers", "3", "w"]),
        ("a.b/c", ["a.b", "c"]),
        ("//a//", ["a"]),
        ("", []),
    ],
)
def test_a_name_becomes_segments(name: str, segments: list[str]) -> None:
    assert split_name(name) == segments


def test_a_bare_name_beside_numbered_ones_is_number_nought() -> None:
    bare, first = read_names(["net/dense/kernel", "net/dense_1/kernel"])
    assert [number.value for number in bare.numbers] == [0]
    assert [number.value for number in first.numbers] == [1]
    assert bare.numbers[0].slot == first.numbers[0].slot
    assert bare.numbers[0].counted
    assert first.numbers[0].counted


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("encoder/layer_3/kernel", False),
        ("h3/w", False),
        ("layers/3/kernel", False),
        ("dense_7/kernel", True),
        ("model/_operations/3/_kernel", True),
        ("model/layer_with_weights-3/kernel", True),
    ],
)
def test_numbers_that_frameworks_count_are_told(name: str, counted: bool) -> None:
    (reading,) = read_names([name])
    assert reading.numbers[-1].counted is counted


@pytest.mark.parametrize(
    ("name", "rank", "role"),
    [
        ("dense/kernel", 2, "kernel"),
        ("conv1/W", 4, "kernel"),
        ("fc1/b_fc1", 1, "bias"),
        ("linear/bias_weights", 1, "bias"),
        ("LayerNorm/beta", 1, "beta"),
        ("layer_norm/layer_norm_bias", 1, "beta"),
        ("ln_1/g", 1, "gamma"),
        ("norm/scale", 1, "gamma"),
        ("bn/moving_variance", 1, "variance"),
        ("embeddings/word_embeddings", 2, "embedding"),
        ("lstm_cell/recurrent_kernel", 2, "recurrent"),
        ("dense/kernel/Adam_1", 2, "state"),
        ("Variable_3", 2, ""),
    ],
)
def test_a_name_gives_a_role(name: str, rank: int, role: str) -> None:
    (reading,) = read_names([name])
    assert role_of(reading, rank) == role


def test_variants_of_words_meet() -> None:
    ours, theirs = merged([frozenset({"pooler", "user"})], [frozenset({"pooled", "usertower", "tower"})])
    assert ours == [frozenset({"pooled", "user"})]
    assert theirs == [frozenset({"pooled", "user", "tower"})]


@pytest.mark.parametrize(
    ("one", "other", "kind", "alone"),
    [
        ((3, 4), (3, 4), Fit.EXACT, True),
        ((4, 4), (4, 4), Fit.EXACT, True),
        ((1, 3, 4), (3, 4), Fit.SQUEEZED, True),
        ((1, 4), (4,), Fit.FLATTENED, False),
        ((3, 8), (3, 2, 4), Fit.REGROUPED, True),
        ((8, 8), (8, 2, 4), Fit.REGROUPED, False),
        ((3, 4), (4, 3), Fit.TRANSPOSED, True),
        ((3, 3, 4), (4, 3, 3), Fit.TRANSPOSED, False),
        ((4, 6), (3, 8), Fit.NONE, True),
        ((4, 6), (5, 5), Fit.NONE, True),
    ],
)
def test_shapes_fit(one: tuple[int, ...], other: tuple[int, ...], kind: Fit, alone: bool) -> None:
    found = fit(spec(one), spec(other))
    assert found.fit is kind
    assert found.alone is alone


@given(
    st.lists(st.sampled_from([1, 2, 3, 4, 6]), max_size=4),
    st.lists(st.sampled_from([1, 2, 3, 4, 6]), max_size=4),
)
def test_what_fits_is_made(one: list[int], other: list[int]) -> None:
    found = fit(spec(one), spec(other))
    if found.fit is not Fit.NONE:
        assert output_of(found.transforms, (spec(one),)) == spec(other)


def test_a_walk_goes_down_and_counts_naturally() -> None:
    paths = ["m/head/kernel", "m/layers/10/kernel", "m/layers/9/kernel", "m/layers/9/bias"]
    places = walked(paths, [0, 1, 3, 4], [spec((2,))] * 4)
    assert sorted(paths, key=dict(zip(paths, places, strict=True)).__getitem__) == [
        "m/head/kernel", "m/layers/9/kernel", "m/layers/9/bias", "m/layers/10/kernel"
    ]  # fmt: skip


def test_twins_that_only_words_tell_apart_share_their_places() -> None:
    paths = [f"m/{side}/{layer}/w" for side in ("left", "right") for layer in ("a", "b")]
    specs = [spec((2,)), spec((3,))] * 2
    places = walked(paths, range(4), specs)
    assert places[0] == places[2] < places[1] == places[3]


GAINS = st.integers(-4, 8).map(float)


@settings(max_examples=150, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=GAINS))
def test_margins_are_what_the_best_other_assignment_loses(evidence: np.ndarray) -> None:
    """Against every assignment there is, partial ones included."""
    rows, columns = best_pairs(evidence)
    best = float(evidence[rows, columns].sum())
    totals = _assignments(evidence)
    assert best == max(total for _, total in totals)
    found = margins(evidence, rows, columns, 100.0)
    for row, column, margin in zip(rows.tolist(), columns.tolist(), found.tolist(), strict=True):
        without = max(total for pairs, total in totals if (row, column) not in pairs)
        assert margin == pytest.approx(best - without, abs=1e-9)


def _assignments(evidence: np.ndarray) -> list[tuple[frozenset[tuple[int, int]], float]]:
    height, width = evidence.shape
    found = []
    for choice in itertools.product([None, *range(width)], repeat=height):
        taken = [column for column in choice if column is not None]
        if len(taken) == len(set(taken)):
            pairs = frozenset((row, column) for row, column in enumerate(choice) if column is not None)
            found.append((pairs, float(sum(evidence[pair] for pair in pairs))))
    return found
