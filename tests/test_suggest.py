"""The nearest names, in bounded time."""

from __future__ import annotations

import pytest

from migration.suggest import NameIndex, did_you_mean, nearest
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

MODEL = [
    f"bert/encoder/layer_{n}/attention/{part}/kernel"
    for n in range(400)
    for part in ("query", "key", "value")
]


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bert/encoder/layer_33/attention/qeury/kernel", "bert/encoder/layer_33/attention/query/kernel"),
        ("bert/encoder/layer_33/attention/key/kernl", "bert/encoder/layer_33/attention/key/kernel"),
        ("model/bert/encoder/layer_7/attention/value/kernel", "bert/encoder/layer_7/attention/value/kernel"),
        ("encoder.layer.21.attention.query.kernel", "bert/encoder/layer_21/attention/query/kernel"),
        ("BERT/Encoder/Layer_5/Attention/Key/Kernel", "bert/encoder/layer_5/attention/key/kernel"),
    ],
)
def test_a_slip_finds_its_name(name: str, found: str) -> None:
    assert nearest(name, MODEL)[0] == found


def test_shapes_decide_between_like_names() -> None:
    specs = {"dense/w1": floats(3, 4), "dense/w2": floats(4, 5), "dense/w3": TensorSpec(DType.INT32, (4, 5))}
    assert nearest("dense/w", specs, floats(4, 5))[:2] == ("dense/w2", "dense/w3")
    assert nearest("dense/w", specs, floats(3, 4))[0] == "dense/w1"


@pytest.mark.parametrize(
    ("name", "candidates"), [("a", []), ("a", ["zzz", "yyy"]), ("a", ["a"]), ("", ["b"])]
)
def test_nothing_near_is_nothing(name: str, candidates: list[str]) -> None:
    assert nearest(name, candidates) == ()


def test_limits_and_sentences() -> None:
    assert len(nearest("aab", ["aaa", "aac", "aad", "aae"], limit=2)) == 2
    assert did_you_mean(["a", "b"]) == "; did you mean 'a' or 'b'?"
    assert did_you_mean([]) == ""


def test_names_of_a_shape() -> None:
    index = NameIndex({"a": floats(2), "b": floats(3), "c": floats(2)})
    assert index.like(floats(2)) == ("a", "c")
    assert index.like(floats(9)) == ()
