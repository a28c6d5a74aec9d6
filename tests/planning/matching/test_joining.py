"""Numbered variables that together are one of the template's: found, left alone, joined and taken apart."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migration.planning.candidates import Candidate
from migration.planning.matching import join_numbered, propose
from migration.planning.onto import Claims, by_joining, by_proposal
from migration.planning.plan import Confidence, Plan, SourceSignature, Step
from migration.planning.transforms import Concat, Split
from migration.tensors import DType
from tests.planning.matching.sides import Row, key, sources, spec, targets
from tests.planning.tensors import carried_out, filled, same_bytes

pytestmark = pytest.mark.quick
SHARDS = "transformer/symbol_modality_33708_1024/shared/weights_"


def parts(stem: str, rows: list[int], *beside: int, first: int = 0) -> list[Row]:
    return [(f"{stem}{first + number}", (count, *beside)) for number, count in enumerate(rows)]


def met(ours: list[Candidate], *theirs: Row, dtype: str = "float32") -> dict[str, Step]:
    """The steps of the two stages that propose, by the target's path."""
    wanted = targets(*theirs, dtype=dtype)
    claims = Claims({one.name: one for one in ours}, {one.key: one for one in wanted})
    by_proposal(claims)
    by_joining(claims)
    return {step.paths[0]: step for step in claims.steps.values()}


def joined(steps: dict[str, Step]) -> dict[str, Step]:
    return {path: step for path, step in steps.items() if len(step.sources) > 1}


FOUND = {
    "T2T, 16 shards": (parts(SHARDS, [2107] * 12 + [2106] * 4, 1024), "embedder/table", (33708, 1024)),
    "a scope of numbers": (parts("emb/weights/", [8] * 3, 4), "m/table", (24, 4)),
    "parts": (parts("emb/part_", [8, 8, 7], 4), "m/table", (23, 4)),
    "any sizes": (parts("emb/shard_", [1, 30, 7], 4), "m/table", (38, 4)),
    "from 1 on": (parts("emb/shard_", [8] * 3, 4, first=1), "m/table", (24, 4)),
    "dots": (parts("emb.weights.", [8] * 3, 4), "m/table", (24, 4)),
    "vectors": (parts("bias_", [8] * 3), "m/bias", (24,)),
    "more dimensions": (parts("w_", [8] * 3, 4, 5), "m/w", (24, 4, 5)),
    "ports": ([(f"w_{n}:0", (3, 4)) for n in range(2)], "m/w", (6, 4)),
    "padded numbers": ([(f"w_{n:03}", (3, 4)) for n in range(12)], "m/w", (36, 4)),
}


@pytest.mark.parametrize(("rows", "path", "shape"), FOUND.values(), ids=FOUND)
def test_a_family_is_joined_in_the_order_of_its_numbers(
    rows: list[Row], path: str, shape: tuple[int, ...]
) -> None:
    mixed = sorted(rows)  # weights_10 before weights_2
    steps = met([*sources(*mixed), *sources(("body/kernel", (5, 6)))], ("body/kernel", (5, 6)), (path, shape))
    step = steps[path]
    assert [source.key for source in step.sources] == [name for name, _ in rows]
    assert step.transforms == (Concat(0, tuple(size for _, (size, *_) in rows)),)
    assert step.confidence is Confidence.LIKELY
    assert step.origin == "matching"
    assert f"{len(rows)} tensors, {rows[0][0]} to {rows[-1][0]}, joined" in step.reason
    assert len(steps["body/kernel"].sources) == 1


THREE = parts("emb/w_", [8] * 3, 4)
TABLE = ("m/table", (24, 4))
ALONE = {
    "a gap": ([*THREE[:2], ("emb/w_3", (8, 4))], [TABLE]),
    "from 2 on": (parts("emb/w_", [8] * 3, 4, first=2), [TABLE]),
    "one alone": ([("emb/w_0", (8, 4))], [("m/table", (16, 4))]),
    "counted by TensorFlow": ([("v", (7, 7)), *parts("v_", [8] * 3, 4, first=1)], [TABLE]),
    "a number twice": ([*THREE, ("emb/w_01", (8, 4))], [TABLE]),
    "layers": (parts("emb/w", [8] * 3, 4), [TABLE]),
    "other columns": ([*THREE[:2], ("emb/w_2", (8, 5))], [TABLE]),
    "another sum": (THREE, [("m/table", (25, 4))]),
    "side by side": (THREE, [("m/table", (8, 12))]),
    "a stack": (THREE, [("m/table", (3, 8, 4))]),
    "scalars": ([(f"s_{n}", ()) for n in range(3)], [("m/s", (3,))]),
    "one has its place": (THREE, [TABLE, ("emb/w_2", (8, 4))]),
    "no rows": (parts("emb/w_", [0, 0], 4), [("m/table", (0, 4))]),
}


@pytest.mark.parametrize(("rows", "theirs"), ALONE.values(), ids=ALONE)
def test_what_is_no_family_of_a_target_is_left_alone(rows: list[Row], theirs: list[Row]) -> None:
    assert joined(met(sources(*rows), *theirs)) == {}


def test_layers_that_fit_one_by_one_are_never_joined() -> None:
    rows = [(f"body/kernel_{layer}", (64, 64)) for layer in range(12)]
    theirs = [(f"model/layers/{layer}/kernel", (64, 64)) for layer in range(12)]
    assert joined(met(sources(*rows), *theirs, ("model/fused", (12 * 64, 64)))) == {}


def test_dtypes_that_differ_are_never_joined_and_a_wider_target_is_cast_to() -> None:
    rows = [*sources(*THREE[:2]), *sources(THREE[2], dtype="float64")]
    assert joined(met(rows, TABLE)) == {}
    assert joined(met(sources(*THREE), TABLE, dtype="int32")) == {}
    (step,) = joined(met(sources(*THREE), TABLE, dtype="float64")).values()
    assert "becomes float64" in step.reason
    assert step.spec.dtype is DType.FLOAT64


DOUBTFUL = {
    "two targets": (THREE, [TABLE, ("n/other", (24, 4))], {"m/table", "n/other"}),
    "two families": ([*THREE, *parts("more/w_", [6] * 4, 4)], [TABLE], {"m/table"}),
    "another role": (parts("emb/bias_", [8] * 3, 4), [("m/kernel", (24, 4))], {"m/kernel"}),
}


@pytest.mark.parametrize(("rows", "theirs", "doubtful"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_is_ambiguous_is_undecided(rows: list[Row], theirs: list[Row], doubtful: set[str]) -> None:
    steps = joined(met(sources(*rows), *theirs))
    assert all(step.confidence is Confidence.UNDECIDED for step in steps.values())
    assert all(step.candidates and step.reason for step in steps.values())
    assert set(steps) == doubtful


def test_a_target_of_the_shape_that_is_undecided_leaves_the_join_undecided() -> None:
    rows = [*THREE, ("a", (24, 4)), ("b", (24, 4))]
    steps = met(sources(*rows), ("x", (24, 4)), ("y", (24, 4)), ("z", (24, 4)))
    assert {step.confidence for step in steps.values()} == {Confidence.UNDECIDED}
    assert len(joined(steps)) == 1


def test_a_whole_tensor_of_the_shape_that_is_left_over_leaves_the_join_undecided() -> None:
    ours = sources(*THREE, ("emb/old", (24, 4)))
    names = [one.name for one in ours]
    for free, confidence in ((names, Confidence.UNDECIDED), (names[:3], Confidence.LIKELY)):
        (pair,) = join_numbered(ours, targets(TABLE), free=free, contested=[], fixed={}).pairs
        assert pair.confidence is confidence


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("t/input_emb/weights_", "m/input/embedding"), ("t/target_emb/weights_", "m/target/embedding")),
        (("encoder/embedding_", "m/encoder/embedding"), ("decoder/embedding_", "m/decoder/embedding")),
    ],
)
def test_several_families_go_where_their_names_say_and_are_likely_at_best(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    rows = [row for stem, _ in (one, other) for row in parts(stem, [8] * 3, 4)]
    steps = joined(met(sources(*rows), *((path, (24, 4)) for _, path in (other, one))))
    assert {path: step.sources[0].key for path, step in steps.items()} == {
        path: f"{stem}0" for stem, path in (one, other)
    }
    assert {step.confidence for step in steps.values()} == {Confidence.LIKELY}


def test_a_target_that_one_part_fits_by_itself_keeps_the_family_apart() -> None:
    ours = sources(*THREE)
    for place, count in ((("n/part", (8, 4)), 0), (("n/turned", (4, 8)), 0), (("n/other", (8, 5)), 1)):
        wanted = targets(TABLE, place)
        found = join_numbered(ours, wanted, free=[one.name for one in ours], contested=[], fixed={})
        assert len(found.pairs) == len(found.candidates) == count


def test_a_proposal_by_itself_is_what_it_was() -> None:
    proposal = propose(sources(*THREE), targets(TABLE))
    assert proposal.unused == tuple(name for name, _ in THREE)
    assert proposal.unfilled == (key("m/table"),)


def test_a_hundred_thousand_numbered_names_take_no_time() -> None:
    rows = [(f"a/{n % 500}/w_{n // 500}", (3, 4)) for n in range(100_000)] + [("b_" + "9" * 60_000, (3, 4))]
    wanted = targets(("m/table", (600, 4)))
    ours = sources(*rows)
    claims = Claims({one.name: one for one in ours}, {one.key: one for one in wanted})
    started = time.process_time()
    by_joining(claims)
    assert time.process_time() - started < 5
    (step,) = claims.steps.values()
    assert step.confidence is Confidence.UNDECIDED  # 500 families fit


COLUMNS = st.lists(st.integers(0, 3), max_size=2)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.integers(1, 4), min_size=2, max_size=13),
    columns=COLUMNS.filter(lambda columns: 0 not in columns),
    dtype=st.sampled_from([DType.FLOAT32, DType.BFLOAT16, DType.INT64, DType.STRING, DType.BOOL]),
    first=st.integers(0, 1),
)
def test_bytes_come_back_from_every_join(
    rows: list[int], columns: list[int], dtype: DType, first: int
) -> None:
    shape = (sum(rows), *columns)
    ours = sources(*parts("emb/weights_", rows, *columns, first=first), dtype=str(dtype))
    steps = met(ours, ("m/table", shape), dtype=str(dtype))
    if len(steps) != 1 or not joined(steps):  # a part of one shape with the target up to ones is paired
        assert any(part.spec.size == spec(shape).size for part in ours)
        return
    specs = {one.name: one.spec for one in ours}
    plan = Plan(to="object", source=SourceSignature(specs=specs), steps=tuple(steps.values()))
    arrays = {name: filled(one, seed) for seed, (name, one) in enumerate(specs.items())}
    there = carried_out(plan, arrays)
    assert same_bytes(there[key("m/table")], np.concatenate(list(arrays.values())))
    back = plan.reverse()
    assert all(isinstance(step.transforms[0], Split) for step in back.steps)
    again = carried_out(back, there)
    assert again.keys() == arrays.keys()
    assert all(same_bytes(again[name], arrays[name]) for name in arrays)
    assert carried_out(back.reverse(), again)[key("m/table")].tobytes() == there[key("m/table")].tobytes()
