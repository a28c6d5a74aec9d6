"""cuDNN's opaque buffer, packed in numpy gate by gate, against the layers that the view makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migration.formats.meta_graph import MetaGraph
from migration.planning.transforms import Mean
from tests.planning.cells.scene import Shape, filled, graph, layer, view_of

pytestmark = pytest.mark.quick

INPUTS, UNITS = 3, 4
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1}
KINDS = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN"}


def packed(mode: str, layers: int, directions: int) -> tuple[np.ndarray[Any, Any], list[dict[str, Any]]]:
    """A buffer as cudnnGetRNNLinLayerMatrixParams lays it out, and its matrices per layer and direction."""
    generator = np.random.default_rng(7)
    gates = GATES[mode]
    parts: list[dict[str, Any]] = []
    for number in range(layers):
        inputs = INPUTS if number == 0 else directions * UNITS
        for _ in range(directions):
            parts.append(
                {
                    "w": generator.normal(size=(gates, UNITS, inputs)),
                    "r": generator.normal(size=(gates, UNITS, UNITS)),
                    "bw": generator.normal(size=(gates, UNITS)),
                    "br": generator.normal(size=(gates, UNITS)),
                }
            )
    weights = [part[name].ravel() for part in parts for name in ("w", "r")]
    biases = [part[name].ravel() for part in parts for name in ("bw", "br")]
    return np.concatenate([*weights, *biases]).astype(np.float32), parts


def meta(
    mode: str, layers: int, direction: str, *, units: int = UNITS, input_mode: str = "linear_input"
) -> MetaGraph:
    attributes = {"rnn_mode": mode, "direction": direction, "input_mode": input_mode}
    return graph(
        [
            ("layers", "Const", [], {"value": layers}),
            ("units", "Const", [], {"value": units}),
            ("inputs", "Const", [], {"value": INPUTS}),
            ("size", "CudnnRNNParamsSize", ["layers", "units", "inputs"], attributes),
            ("cudnn/opaque_kernel", "VarHandleOp", [], {}),
            ("read", "ReadVariableOp", ["cudnn/opaque_kernel"], {}),
            ("run", "CudnnRNN", ["x", "h", "c", "read"], attributes),
        ]
    )


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_buffer(mode: str, layers: int, directions: int) -> None:
    buffer, parts = packed(mode, layers, directions)
    variables: dict[str, tuple[str, Shape]] = {}
    places: list[str] = []
    for number in range(layers):
        inputs = INPUTS if number == 0 else directions * UNITS
        for half in ("forward_layer/cell", "backward_layer/cell") if directions == 2 else ("cell",):
            places.append(f"m/layer_with_weights-{number}/{half}")
            variables |= layer(places[-1], KINDS[mode], inputs, UNITS, biases=2 if mode == "gru" else 1)
    direction = "bidirectional" if directions == 2 else "unidirectional"
    view = view_of({"cudnn/opaque_kernel": buffer.shape}, variables, meta=meta(mode, layers, direction))
    assert not view.problems
    order = (1, 0, 2) if mode == "gru" else range(GATES[mode])
    for place, part in zip(places, parts, strict=True):
        made = filled(view, place, {"cudnn/opaque_kernel": buffer})
        for at, gate in enumerate(order):
            block = np.s_[..., at * UNITS : (at + 1) * UNITS]
            np.testing.assert_allclose(made["kernel"][block], part["w"][gate].T, rtol=1e-6)
            np.testing.assert_allclose(made["recurrent_kernel"][block], part["r"][gate].T, rtol=1e-6)
            both = np.stack([part["bw"][gate], part["br"][gate]])
            expected = both if mode == "gru" else both.sum(axis=0)
            np.testing.assert_allclose(made["bias"][block], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("graph_of", "size", "closed"),
    [
        (meta("lstm", 1, "unidirectional"), 100, True),
        (meta("lstm", 1, "unidirectional", units=5), 144, True),
        (meta("lstm", 1, "unidirectional", input_mode="skip_input"), 144, True),
        (meta("lstm", 1, "unidirectional"), 144, False),
        (None, 144, None),
        (graph([("cudnn/opaque_kernel", "VarHandleOp", [], {})]), 144, None),
    ],
    ids=["size", "units", "skip input", "fits", "no meta", "no cuDNN op"],
)
def test_a_buffer_opens_only_where_the_sizes_account_for_all(
    graph_of: MetaGraph | None, size: int, closed: bool | None
) -> None:
    view = view_of({"cudnn/opaque_kernel": (size,)}, layer("l", "LSTM", INPUTS, UNITS), meta=graph_of)
    assert bool(view.made) == (closed is False)
    assert bool(view.problems) == (closed is True)


def test_a_buffer_is_not_torn() -> None:
    """Two layers in the buffer, one in the template: nothing is taken out, and it is told."""
    buffer, _ = packed("lstm", 2, 1)
    view = view_of(
        {"cudnn/opaque_kernel": buffer.shape},
        layer("l", "LSTM", INPUTS, UNITS),
        meta=meta("lstm", 2, "unidirectional"),
    )
    assert [one.name for one in view.candidates] == ["cudnn/opaque_kernel"]
    assert [problem.kind for problem in view.problems] == ["cudnn buffer"]


def test_a_slot_of_the_buffer_takes_the_mean_of_two_equal_biases() -> None:
    buffer, _ = packed("lstm", 1, 1)
    view = view_of(
        {"cudnn/opaque_kernel": buffer.shape},
        layer("l", "LSTM", INPUTS, UNITS),
        meta=meta("lstm", 1, "unidirectional"),
    )
    bias = next(one for one in view.candidates if one.name.endswith("/bias"))
    names = [transform.name for transform in bias.transforms]
    assert names[-2:] == ["mean", "scale"]
    assert isinstance(bias.transforms[-2], Mean)
    assert any("half as far" in note for note in view.notes)
