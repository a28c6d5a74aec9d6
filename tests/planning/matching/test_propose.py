"""Edges of a proposal: nothing to match, strange names, pins, shapes that turn, what is left over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migration.planning.matching import pieces, propose
from migration.planning.plan import Confidence
from migration.planning.transforms import Reshape, Transpose, output_of
from tests.planning.matching.sides import by_path, decided, key, sources, spec, targets

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], []),
        (sources(("a/w", (2, 3))), []),
        ([], targets(("b/kernel", (2, 3)))),
        (sources(("a/w", (2, 3))), targets(("b/kernel", (2, 4)))),
        (sources(("a/w", (6,)), dtype="int32"), targets(("b/kernel", (6,)))),
        (sources(("global_step", ()), dtype="int64"), targets(("save_counter", ()), dtype="int64")),
        (sources(("a/w", (0, 3))), targets(("b/bias", (0,)))),
    ],
    ids=["nothing", "no targets", "no candidates", "no shape", "no dtype", "two scalars", "no elements"],
)
def test_no_pair_is_no_fault(ours: list, theirs: list) -> None:  # type: ignore[type-arg]
    proposal = propose(ours, theirs)
    assert proposal.pairs == ()
    assert proposal.unused == tuple(candidate.name for candidate in ours)
    assert proposal.unfilled == tuple(target.key for target in theirs)


def test_what_is_left_over_is_told_on_both_sides() -> None:
    proposal = propose(
        sources(("dense/kernel", (8, 4)), ("old/table", (100, 3))),
        targets(("net/dense/kernel", (8, 4)), ("net/new/kernel", (7, 7))),
    )
    assert decided(proposal) == {"net/dense/kernel": "dense/kernel"}
    assert proposal.unused == ("old/table",)
    assert proposal.unfilled == (key("net/new/kernel"),)


@pytest.mark.parametrize("name", ["", "/", "a//b", "ü/漢字", "x y/%$", "a.b/c", "v" + "9" * 40, "_/-"])
def test_strange_names_are_names(name: str) -> None:
    proposal = propose(sources((name, (3, 5))), targets((name or "root", (3, 5))))
    assert decided(proposal) == {(name or "root"): name}


def test_a_name_that_comes_twice_is_one() -> None:
    twice = targets(("a/kernel", (3, 5))) * 2
    assert len(propose(sources(("w", (3, 5))) * 2, twice).pairs) == 1


def test_only_shape_on_either_side_is_certain() -> None:
    proposal = propose(
        sources(
            ("Variable", (20, 30)), ("Variable_1", (30,)), ("Variable_2", (30, 10)), ("Variable_3", (10,))
        ),
        targets(("m/0/kernel", (20, 30)), ("m/0/bias", (30,)), ("m/1/kernel", (30, 10)), ("m/1/bias", (10,))),
    )
    assert [pair.candidate for pair in proposal.pairs] == [
        "Variable",
        "Variable_1",
        "Variable_2",
        "Variable_3",
    ]
    assert {pair.confidence for pair in proposal.pairs} == {Confidence.CERTAIN}


def test_equal_variables_without_a_word_are_undecided() -> None:
    proposal = propose(
        sources(("Variable", (3, 3)), ("Variable_1", (3, 3))), targets(("m/a", (3, 3)), ("m/b", (3, 3)))
    )
    assert [pair.confidence for pair in proposal.pairs] == [Confidence.UNDECIDED] * 2
    assert all(set(pair.candidates) == {"Variable", "Variable_1"} for pair in proposal.pairs)
    assert all(pair.candidates[0] == pair.candidate for pair in proposal.pairs)


def test_a_table_too_many_leaves_both_undecided() -> None:
    proposal = propose(
        sources(
            ("Variable", (784, 10)), ("Variable_1", (10,)), ("Variable_2", (784, 10)), ("Variable_3", (10,))
        ),
        targets(("m/w", (784, 10)), ("m/b", (10,))),
    )
    assert decided(proposal) == {}
    assert by_path(proposal)["m/w"].candidates == ("Variable", "Variable_2")


def test_ten_comes_after_nine() -> None:
    sizes = range(12)
    names = ["Variable", *(f"Variable_{number}" for number in sizes[1:])]
    proposal = propose(
        sources(*((name, (4, 4)) for name in sorted(names))),
        targets(*((f"net/layers/{number}/kernel", (4, 4)) for number in sizes)),
    )
    assert decided(proposal) == {f"net/layers/{number}/kernel": names[number] for number in sizes}
    assert Confidence.CERTAIN not in {pair.confidence for pair in proposal.pairs}


def test_the_graphs_order_decides_where_it_was_seen_to_hold() -> None:
    shapes = [(8, 16), (16, 16), (16, 16), (16, 16), (16, 4)]
    words, others = ("ash", "oak", "elm", "fir", "yew"), ("first", "then", "next", "after", "last")
    proposal = propose(
        sources(
            *(
                (f"{word}/{leaf}", s)
                for word, shape in zip(words, shapes, strict=True)
                for leaf, s in _layer(shape)
            ),
            created=True,
        ),
        targets(
            *(
                (f"m/{word}/{leaf}", s)
                for word, shape in zip(others, shapes, strict=True)
                for leaf, s in _layer(shape)
            )
        ),
    )
    expected = dict(zip(others, words, strict=True))
    assert {path: name.split("/")[0] for path, name in decided(proposal).items()} == {
        f"m/{word}/{leaf}": expected[word] for word in others for leaf in ("kernel", "bias")
    }
    assert by_path(proposal)["m/next/kernel"].confidence is Confidence.LIKELY


def _layer(shape: tuple[int, int]) -> list[tuple[str, tuple[int, ...]]]:
    return [("kernel", shape), ("bias", shape[1:])]


@pytest.mark.parametrize(
    ("ours", "theirs", "transform"),
    [
        ((10, 20), (20, 10), Transpose((1, 0))),
        ((4, 1, 8, 16), (4, 8, 16), Reshape((4, 8, 16))),
        ((12, 32), (12, 4, 8), Reshape((12, 4, 8))),
        ((5, 5, 3, 8), (8, 3, 5, 5), Transpose((3, 2, 0, 1))),
    ],
)
def test_it_says_how_a_shape_is_reached(
    ours: tuple[int, ...], theirs: tuple[int, ...], transform: object
) -> None:
    proposal = propose(sources(("dense/kernel", ours)), targets(("dense/weight", theirs)))
    (pair,) = proposal.pairs
    assert pair.transforms == (transform,)
    assert output_of(pair.transforms, (spec(ours),)) == spec(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"), [((8, 8), (8, 2, 4)), ((5, 5, 3, 8), (8, 3, 5, 5)), ((6, 6, 2), (2, 6, 6))]
)
def test_a_shape_that_turns_in_several_ways_is_never_certain(
    ours: tuple[int, ...], theirs: tuple[int, ...]
) -> None:
    proposal = propose(sources(("dense/kernel", ours)), targets(("dense/kernel", theirs)))
    assert [pair.confidence for pair in proposal.pairs] != [Confidence.CERTAIN]


def test_a_layer_stays_together_where_its_kernel_is_turned() -> None:
    """Turned, each kernel has the other's shape; the biases tell which is which."""
    names = ("up", "down")
    shapes = {"up": (8, 32), "down": (32, 8)}
    proposal = propose(
        sources(*((f"{name}/{leaf}", s) for name in names for leaf, s in _layer(shapes[name]))),
        targets(
            *((f"m/{name}_proj/{leaf}", s[::-1]) for name in names for leaf, s in _layer(shapes[name])),
        ),
    )
    assert {path.split("/")[1]: name.split("/")[0] for path, name in decided(proposal).items()} == {
        "up_proj": "up",
        "down_proj": "down",
    }
    assert by_path(proposal)["m/up_proj/kernel"].transforms == (Transpose((1, 0)),)


@pytest.mark.parametrize(("dtype", "met"), [("bfloat16", True), ("float64", True), ("int32", False)])
def test_floats_of_other_widths_meet(dtype: str, met: bool) -> None:
    """The cast is the planner's."""
    pairs = propose(
        sources(("dense/kernel", (10, 20)), dtype=dtype), targets(("dense/kernel", (10, 20)))
    ).pairs
    assert [pair.transforms for pair in pairs] == [()] * met


TOWERS = [(f"tower_{letter}/{leaf}", s) for letter in "ab" for leaf, s in _layer((4, 4))]
SIDES = [(f"m/{side}/{leaf}", s) for side in ("left", "right") for leaf, s in _layer((4, 4))]


@pytest.mark.parametrize("listed", [True, False])
def test_a_pin_decides_what_hangs_on_it(listed: bool) -> None:
    pin = {key("m/left/kernel"): "tower_b/kernel"}
    ours, theirs = sources(*TOWERS), targets(*SIDES)
    if not listed:
        ours = [candidate for candidate in ours if candidate.name not in pin.values()]
        theirs = [target for target in theirs if target.key not in pin]
    proposal = propose(ours, theirs, fixed=pin)
    assert decided(proposal) == {
        "m/left/bias": "tower_b/bias",
        "m/right/kernel": "tower_a/kernel",
        "m/right/bias": "tower_a/bias",
    }
    assert proposal.unused == proposal.unfilled == ()


def test_without_the_pin_nobody_can_tell() -> None:
    assert decided(propose(sources(*TOWERS), targets(*SIDES))) == {}


def test_a_bias_is_no_more_certain_than_its_kernel() -> None:
    proposal = propose(
        sources(("old_head/kernel", (8, 5)), ("old_head/bias", (10,))),
        targets(("new_head/kernel", (8, 10)), ("new_head/bias", (10,))),
    )
    assert all(pair.confidence is not Confidence.CERTAIN for pair in proposal.pairs)


def test_roles_part_equal_shapes() -> None:
    proposal = propose(
        sources(*((f"bn/{name}", (7,)) for name in ("beta", "gamma", "moving_mean", "moving_variance"))),
        targets(*((f"norm/{name}", (7,)) for name in ("running_var", "scale", "running_mean", "offset"))),
    )
    assert decided(proposal) == {
        "norm/running_var": "bn/moving_variance",
        "norm/scale": "bn/gamma",
        "norm/running_mean": "bn/moving_mean",
        "norm/offset": "bn/beta",
    }


def test_reasons_are_words() -> None:
    proposal = propose(
        sources(("encoder/kernel", (4, 4)), ("decoder/kernel", (4, 4))),
        targets(("m/enc/w", (4, 4)), ("m/dec/w", (4, 4))),
    )
    assert by_path(proposal)["m/enc/w"].reason == "same shape; both names say kernel; names share encoder"


def test_too_many_of_a_size_are_weighed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_PAIRS", 100)
    numbers = range(45)
    proposal = propose(
        sources(*((f"layer_{number}/kernel", (4, 4)) for number in numbers)),
        targets(*((f"layers/{number}/kernel", (4, 4)) for number in numbers)),
    )
    assert decided(proposal) == {f"layers/{number}/kernel": f"layer_{number}/kernel" for number in numbers}
    assert {pair.confidence for pair in proposal.pairs} == {Confidence.LIKELY}


NAMES = st.text("ab_/1.é", min_size=0, max_size=8)
SHAPES = st.lists(st.sampled_from([1, 2, 3, 4]), max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, SHAPES), max_size=8), st.lists(st.tuples(NAMES, SHAPES), max_size=8))
def test_every_tensor_is_in_one_place_and_fits(
    ours: list[tuple[str, tuple[int, ...]]], theirs: list[tuple[str, tuple[int, ...]]]
) -> None:
    ours, theirs = list(dict(ours).items()), list(dict(theirs).items())
    candidates, wanted = sources(*ours), targets(*theirs)
    proposal = propose(candidates, wanted)
    assert sorted([*proposal.unused, *(pair.candidate for pair in proposal.pairs)]) == sorted(dict(ours))
    assert sorted([*proposal.unfilled, *(pair.target for pair in proposal.pairs)]) == sorted(
        target.key for target in wanted
    )
    specs = {target.key: target.spec for target in wanted}
    for pair in proposal.pairs:
        made = np.zeros(dict(ours)[pair.candidate], np.float32)
        for transform in pair.transforms:
            made = transform.apply([made])
        assert made.shape == specs[pair.target].shape
        assert bool(pair.candidates) is (pair.confidence is Confidence.UNDECIDED)
