"""Templates that TensorFlow wrote of Keras models, against the names that TF1 gives the same layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migration.planning.candidates import Candidate
from migration.planning.matching import propose
from migration.planning.plan import Confidence
from migration.planning.targets import Template
from migration.tensors import DType, TensorSpec

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")


def _stack(library: Any) -> Any:
    layers = library.layers
    return library.Sequential(
        [
            library.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first"),
            layers.BatchNormalization(name="calm"),
            layers.Conv2D(4, 3, name="second"),
            layers.Flatten(),
            layers.Dense(5, name="wide"),
            layers.Dense(5, name="out"),
        ]
    )


STACK = [
    ("conv2d", "first", ("kernel", "bias")),
    ("batch_normalization", "calm", ("gamma", "beta", "moving_mean", "moving_variance")),
    ("conv2d_1", "second", ("kernel", "bias")),
    ("dense", "wide", ("kernel", "bias")),
    ("dense_1", "out", ("kernel", "bias")),
]


def _attention(library: Any) -> Any:
    layers = library.layers
    ids = library.Input((10,), dtype="int32")
    x = layers.Embedding(20, 8, name="words")(ids)
    for number in range(2):
        x = layers.MultiHeadAttention(2, 4, name=f"attention_{number}")(x, x)
        x = layers.LayerNormalization(name=f"norm_{number}")(x)
    return library.Model(ids, layers.Dense(3, name="classes")(x))


ATTENTION = [
    ("embeddings", "words", ("embeddings",)),
    *(
        (f"block_{n}/self/{p}", f"attention_{n}/{p}", ("kernel", "bias"))
        for n in (0, 1)
        for p in ("query", "key", "value")
    ),
    *((f"block_{n}/output/dense", f"attention_{n}/attention_output", ("kernel", "bias")) for n in (0, 1)),
    *((f"block_{n}/LayerNorm", f"norm_{n}", ("gamma", "beta")) for n in (0, 1)),
    ("classifier", "classes", ("kernel", "bias")),
]


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
@pytest.mark.parametrize(
    ("make", "names"), [(_stack, STACK), (_attention, ATTENTION)], ids=["stack", "attention"]
)
def test_a_keras_model_gets_every_variable(
    tmp_path: Path, library: Any, make: Callable[[Any], Any], names: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    library.backend.clear_session()
    model = make(library)
    tf.train.Checkpoint(model=model).write(str(tmp_path / "template"))
    template = Template.of(tmp_path / "template")
    wanted = [target for target in template.targets if target.spec.dtype is DType.FLOAT32]
    ours = {f"{other}/{leaf}": f"{name}/{leaf}" for name, other, leaves in names for leaf in leaves}
    truth = {target.key: _of(ours, target.full_name) for target in wanted}
    candidates = [
        Candidate.stored(truth[target.key], _flat(target.spec, "attention" in target.full_name))
        for target in wanted
    ]
    proposal = propose(sorted(candidates, key=lambda candidate: candidate.name), wanted)
    assert {pair.target: pair.candidate for pair in proposal.pairs} == truth
    assert all(pair.confidence is not Confidence.UNDECIDED for pair in proposal.pairs)


def _of(ours: dict[str, str], full_name: str) -> str:
    (found,) = [name for end, name in ours.items() if f"/{full_name}".endswith(f"/{end}")]
    return found


def _flat(spec: TensorSpec, attention: bool) -> TensorSpec:
    """The spec that TF1 code gives a projection: its two heads of four in one dimension."""
    if not attention or spec.shape == (8,):
        return spec
    return TensorSpec(spec.dtype, (8,) if spec.size == 8 else (8, 8))
