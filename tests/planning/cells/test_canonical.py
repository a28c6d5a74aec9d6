"""Slots of cuDNN's buffer beside weights that were saved cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from migration.planning.cells import hidden_buffers, through_buffers
from migration.planning.steps import Source, Step
from migration.planning.transforms import apply_step
from migration.tensors import DType, TensorSpec
from tests.planning.cells.scene import Shape
from tests.planning.cells.test_buffers import INPUTS, UNITS, packed

pytestmark = pytest.mark.quick


def scope_of(kind: str, layer: int, half: str) -> str:
    inner = (
        f"stack_bidirectional_rnn/cell_{layer}/bidirectional_rnn/{half}"
        if half
        else f"rnn/multi_rnn_cell/cell_{layer}"
    )
    return f"cudnn_{kind}/{inner}/cudnn_compatible_{kind}_cell"


def canonical(kind: str, layers: int, halves: tuple[str, ...]) -> dict[str, Shape]:
    """The tensors of such a model's weights (those that decide)."""
    found: dict[str, Shape] = {}
    for layer in reversed(range(layers)):
        inputs = INPUTS if layer == 0 else len(halves) * UNITS
        for half in halves:
            scope = scope_of(kind, layer, half)
            if kind == "lstm":
                found |= {f"{scope}/kernel": (inputs + UNITS, 4 * UNITS), f"{scope}/bias": (4 * UNITS,)}
            else:
                found |= {f"{scope}/gates/kernel": (inputs + UNITS, 2 * UNITS)}
                found |= {f"{scope}/candidate/input_projection/kernel": (inputs, UNITS)}
    return found


def specs(shapes: dict[str, Shape]) -> dict[str, TensorSpec]:
    return {name: TensorSpec(DType.FLOAT32, shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("halves", [("",), ("fw", "bw")])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_each_cell_has_its_part(kind: str, halves: tuple[str, ...]) -> None:
    moment, parts = packed(kind, 2, len(halves))
    slot = f"cudnn_{kind}/opaque_kernel/Adam"
    (buffer,) = hidden_buffers(specs({**canonical(kind, 2, halves), slot: moment.shape}))
    assert buffer.name == f"cudnn_{kind}/opaque_kernel"
    order = [1, 0, 2] if kind == "gru" else [0, 1, 2, 3]
    scopes = [scope_of(kind, layer, half) for layer in range(2) for half in halves]
    for scope, part in zip(scopes, parts, strict=True):
        made = {}
        for role in ("kernel", "recurrent_kernel", "bias"):
            weight = Step(
                target=role, spec=buffer.parts[scope][role].spec, sources=(Source(key="the weight"),)
            )
            (step,) = through_buffers([weight], {role: f"{scope}/{role}"}, [buffer])
            assert [source.key for source in step.sources] == [buffer.name]
            made[role] = apply_step(step, [moment])
        np.testing.assert_allclose(
            made["kernel"], np.concatenate([w.T for w in part["w"][order]], 1), rtol=1e-6
        )
        np.testing.assert_allclose(
            made["recurrent_kernel"], np.concatenate([r.T for r in part["r"][order]], 1), rtol=1e-6
        )


LSTM = canonical("lstm", 2, ("",))
SIZE = packed("lstm", 2, 1)[0].size


@pytest.mark.parametrize(
    "shapes",
    [
        LSTM,
        {**LSTM, "cudnn_lstm/opaque_kernel/Adam": (SIZE + 1,)},
        {**LSTM, "cudnn_lstm/opaque_kernel/Adam": (SIZE,), "cudnn_lstm/opaque_kernel": (SIZE,)},
        {**LSTM, "other/opaque_kernel/Adam": (SIZE,)},
        {
            **{name: shape for name, shape in LSTM.items() if "cell_0" in name},
            "cudnn_lstm/opaque_kernel/Adam": (SIZE,),
        },
        {"cudnn_lstm/opaque_kernel/Adam": (SIZE,)},
    ],
    ids=["no slot", "another size", "the buffer itself", "another buffer", "a layer missing", "no cells"],
)
def test_nothing_is_hidden_where_it_does_not_add_up(shapes: dict[str, Shape]) -> None:
    assert hidden_buffers(specs(shapes)) == ()


def test_other_steps_pass_through() -> None:
    step = Step(target="t", spec=TensorSpec(DType.FLOAT32, (2,)), sources=(Source(key="dense/bias"),))
    moment = {"cudnn_lstm/opaque_kernel/Adam": (SIZE,)}
    assert through_buffers([step], {"t": "dense/bias"}, hidden_buffers(specs({**LSTM, **moment}))) == (step,)
