"""A cell's steps reversed: the stored tensors come out of the layer's weights again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migration.planning.plan import Plan, SourceSignature, Step
from migration.planning.transforms import apply_step
from migration.tensors import DType, TensorSpec
from tests.planning.cells.scene import Shape, layer, shapes_of, view_of

pytestmark = pytest.mark.quick

LSTM: dict[str, Shape] = {"rnn/lstm_cell/kernel": (8, 20), "rnn/lstm_cell/bias": (20,)}
GRU: dict[str, Shape] = {
    "gru_cell/gates/kernel": (8, 10),
    "gru_cell/gates/bias": (10,),
    "gru_cell/candidate/kernel": (8, 5),
    "gru_cell/candidate/bias": (5,),
}
CUDNN_GRU: dict[str, Shape] = {
    "g/gates/kernel": (8, 10),
    "g/gates/bias": (10,),
    "g/candidate/input_projection/kernel": (3, 5),
    "g/candidate/hidden_projection/kernel": (5, 5),
    "g/candidate/input_projection/bias": (5,),
    "g/candidate/hidden_projection/bias": (5,),
}
RNN: dict[str, Shape] = {"basic_rnn_cell/kernel": (8, 5), "basic_rnn_cell/bias": (5,)}
KERAS_CUDNN: dict[str, Shape] = {"l/kernel": (3, 15), "l/recurrent_kernel": (5, 15), "l/bias": (30,)}


@pytest.mark.parametrize(
    ("shapes", "kind", "biases"),
    [(LSTM, "LSTM", 1), (GRU, "GRU", 1), (CUDNN_GRU, "GRU", 2), (RNN, "RNN", 1), (KERAS_CUDNN, "GRU", 2)],
    ids=["LSTM", "GRU", "cuDNN GRU", "RNN", "CuDNNGRU of Keras"],
)
def test_there_and_back(shapes: dict[str, Shape], kind: str, biases: int) -> None:
    generator = np.random.default_rng(2)
    arrays: dict[str, Any] = {
        name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    view = view_of(shapes_of(arrays), layer("l", kind, 3, 5, biases=biases))
    named = {candidate.name: candidate for candidate in view.candidates}
    steps = [
        Step(
            target=target,
            spec=named[name].spec,
            sources=named[name].sources,
            transforms=named[name].transforms,
        )
        for target, name in view.fixed.items()
    ]
    assert len(steps) == 3
    specs = {name: TensorSpec(DType.FLOAT32, shape) for name, shape in shapes.items()}
    plan = Plan(to="object", source=SourceSignature(specs=specs), steps=tuple(steps))
    made = {step.target: apply_step(step, [arrays[one.key] for one in step.sources]) for step in steps}
    back = plan.reverse()
    assert back.unfilled == ()
    for step in back.steps:
        again = apply_step(step, [made[one.key] for one in step.sources])
        np.testing.assert_allclose(again, arrays[step.target], rtol=0, atol=2e-7)
    assert {step.target for step in back.steps} == set(shapes)
