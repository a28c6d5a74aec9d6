"""Batch normalisation with and without gamma and beta on either side."""

from __future__ import annotations

import numpy as np
import pytest

from migration.planning.transforms import Constant
from tests.planning.cells.scene import Shape, computed, graph, view_of

pytestmark = pytest.mark.quick

STATISTICS = ("moving_mean", "moving_variance")


def norm(scope: str, *roles: str, channels: int = 4) -> dict[str, Shape]:
    return {f"{scope}/{role}": (channels,) for role in (*roles, *STATISTICS)}


def wanted(place: str, *roles: str, channels: int = 4) -> dict[str, tuple[str, Shape]]:
    return {f"{place}/{role}": (f"{place}/{role}", (channels,)) for role in (*roles, *STATISTICS)}


@pytest.mark.parametrize(
    ("roles", "layer_roles", "added"),
    [
        (("gamma", "beta"), ("gamma", "beta"), {}),
        (("beta",), ("gamma", "beta"), {"gamma": 1.0}),
        (("gamma",), ("gamma", "beta"), {"beta": 0.0}),
        ((), ("gamma", "beta"), {"gamma": 1.0, "beta": 0.0}),
        ((), (), {}),
        (("beta",), ("beta",), {}),
    ],
)
def test_what_the_source_lacks_is_neutral(
    roles: tuple[str, ...], layer_roles: tuple[str, ...], added: dict[str, float]
) -> None:
    shapes = norm("conv/BatchNorm", *roles)
    view = view_of(shapes, wanted("bn", *layer_roles))
    new = [one for one in view.candidates if one.name not in shapes]
    assert {one.name: one.transforms for one in new} == {
        f"conv/BatchNorm/{role}": (Constant(value),) for role, value in added.items()
    }
    for one in new:
        np.testing.assert_array_equal(computed(one, {}), np.full(4, added[one.name.rpartition("/")[2]]))
    assert any("the source has no" in note for note in view.notes) == bool(added)
    assert not view.problems


def test_constants_are_for_the_channels_that_lack_them() -> None:
    shapes = {**norm("a", "gamma", "beta"), **norm("b", "beta", channels=6)}
    variables = {**wanted("one", "gamma", "beta"), **wanted("two", "gamma", "beta", channels=6)}
    view = view_of(shapes, variables)
    assert [one.name for one in view.candidates if one.name not in shapes] == ["b/gamma"]


def test_a_mean_alone_is_no_normalisation() -> None:
    view = view_of({"a/moving_mean": (4,)}, wanted("bn", "gamma", "beta"))
    assert [one.name for one in view.candidates] == ["a/moving_mean"]


@pytest.mark.parametrize(("role", "neutral"), [("gamma", 1.0), ("beta", 0.0)])
def test_a_neutral_tensor_without_a_place_is_dropped(role: str, neutral: float) -> None:
    other = "beta" if role == "gamma" else "gamma"
    arrays = {f"bn/{role}": np.full(4, neutral, np.float32)}
    view = view_of(norm("bn", "gamma", "beta"), wanted("l", other), read=arrays.__getitem__)
    assert [left.key for left in view.drops] == [f"bn/{role}"]
    assert f"bn/{role}" not in [one.name for one in view.candidates]
    assert not view.problems


@pytest.mark.parametrize("readable", [True, False])
def test_a_gamma_that_does_something_is_a_problem(readable: bool) -> None:
    arrays = {"bn/gamma": np.array([1, 1, 1, 1.5], np.float32)}
    view = view_of(
        norm("bn", "gamma", "beta"), wanted("l", "beta"), read=arrays.__getitem__ if readable else None
    )
    (problem,) = view.problems
    assert "scale=True" in problem.message
    assert ("is not all 1" if readable else "may not be all 1") in problem.message
    assert not view.drops


@pytest.mark.parametrize(("epsilon", "told"), [(1e-3, False), (1.001e-5, True)])
def test_another_epsilon_is_told(epsilon: float, told: bool) -> None:
    meta = graph([("bn/FusedBatchNormV3", "FusedBatchNormV3", ["x"], {"epsilon": epsilon})])
    view = view_of(norm("bn", "gamma", "beta"), wanted("l", "gamma", "beta"), meta=meta)
    assert any("epsilon" in note for note in view.notes) == told


VARIANCES = [
    ([("bn/FusedBatchNormV3", {"is_training": True})], "the source's graph updates"),
    ([("bn/FusedBatchNormV3", {"is_training": False})], "fused layers of TF1"),
    ([("bn/Rsqrt", {})], ""),
    (None, "fused layers of TF1"),
]


@pytest.mark.parametrize(("nodes", "told"), VARIANCES, ids=["fused", "inference", "unfused", "no graph"])
@pytest.mark.parametrize("keras3", [True, False], ids=["keras3", "tf_keras"])
def test_moving_variances_that_keras3_updates_otherwise_are_told(
    nodes: list[tuple[str, dict[str, bool]]] | None, told: str, keras3: bool
) -> None:
    """Tried with TensorFlow 2.21: fused layers of TF1 and tf_keras update with n / (n - 1) of the variance
    of a batch, unfused ones and Keras 3 with the variance itself."""
    meta = None
    if nodes is not None:
        meta = graph([(name, name.rpartition("/")[2], ["x"], held) for name, held in nodes])
    variables = wanted("l", "gamma", "beta") | ({} if keras3 else {"l/axis": ("", ())})
    view = view_of(norm("bn", "gamma", "beta"), variables, meta=meta)
    notes = [note for note in view.notes if "unbiased" in note]
    assert bool(notes) == bool(told and keras3)
    assert all(told in note and "n / (n - 1)" in note for note in notes)
