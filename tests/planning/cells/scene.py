"""Templates, graphs and candidates made by hand, and the cells' formulas in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from migration.formats.meta_graph import MetaGraph
from migration.formats.object_graph import Attribute, Child, Node, ObjectGraph, checkpoint_key
from migration.formats.proto import meta_graph_pb2
from migration.planning.candidates import Candidate
from migration.planning.cells import CellView, virtual
from migration.planning.options import Options
from migration.planning.steps import Step
from migration.planning.targets import Template
from migration.planning.transforms import apply_step
from migration.tensors import DType, TensorSpec

Shape = tuple[int, ...]


def template(variables: Mapping[str, tuple[str, Shape]]) -> Template:
    """The template whose variables lie at these paths, with these full names and shapes."""
    children: list[dict[str, int]] = [{}]
    attributes: list[tuple[Attribute, ...]] = [()]
    specs: dict[str, TensorSpec] = {}
    for path, (full_name, shape) in variables.items():
        at = 0
        for local_name in path.split("/"):
            if local_name not in children[at]:
                children.append({})
                attributes.append(())
                children[at][local_name] = len(children) - 1
            at = children[at][local_name]
        key = checkpoint_key(path.split("/"))
        attributes[at] = (Attribute("VARIABLE_VALUE", full_name, key),)
        specs[key] = TensorSpec(DType.FLOAT32, shape)
    nodes = tuple(
        Node(children=tuple(Child(name, node) for name, node in own.items()), attributes=held)
        for own, held in zip(children, attributes, strict=True)
    )
    checkpoint: Any = SimpleNamespace(specs=specs)
    return Template(checkpoint=checkpoint, graph=ObjectGraph(nodes))


def layer(
    path: str, kind: str, inputs: int, units: int, *, biases: int = 1, scope: str | None = None
) -> dict[str, tuple[str, Shape]]:
    """A recurrent layer's variables at `path`."""
    width = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * units
    scope = path if scope is None else scope
    shapes: dict[str, Shape] = {"kernel": (inputs, width), "recurrent_kernel": (units, width)}
    if biases:
        shapes["bias"] = (width,) if biases == 1 else (2, width)
    return {f"{path}/{role}": (f"{scope}/{role}", shape) for role, shape in shapes.items()}


def stored(shapes: Mapping[str, Shape]) -> list[Candidate]:
    """Stored float32 tensors as candidates."""
    return [
        Candidate.stored(name, TensorSpec(DType.FLOAT32, shape), order)
        for order, (name, shape) in enumerate(shapes.items())
    ]


def shapes_of(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Shape]:
    return {name: array.shape for name, array in arrays.items()}


def view_of(
    shapes: Mapping[str, Shape],
    variables: Mapping[str, tuple[str, Shape]],
    *,
    meta: MetaGraph | None = None,
    options: Options | None = None,
    read: Callable[[str], np.ndarray[Any, Any]] | None = None,
) -> CellView:
    """What `virtual` says for these tensors and this template."""
    return virtual(stored(shapes), template(variables), meta=meta, options=options or Options(), read=read)


def computed(candidate: Candidate, arrays: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """A candidate's tensor, made of the stored ones."""
    step = Step(target="t", spec=candidate.spec, sources=candidate.sources, transforms=candidate.transforms)
    made = apply_step(step, [arrays[source.key] for source in candidate.sources])
    assert made.shape == candidate.spec.shape
    return made


def filled(view: CellView, place: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """The weights of the layer at `place` by role, as the view's certain pairs make them."""
    named = {candidate.name: candidate for candidate in view.candidates}
    roles = ("kernel", "recurrent_kernel", "bias")
    return {
        role: computed(named[view.fixed[checkpoint_key([*place.split("/"), role])]], arrays) for role in roles
    }


def graph(nodes: Sequence[tuple[str, str, Sequence[str], Mapping[str, Any]]]) -> MetaGraph:
    """A graph of (name, op, inputs, attributes); a float or int attribute `value` is a scalar constant."""
    message = meta_graph_pb2.MetaGraph()
    for name, op, inputs, attributes in nodes:
        node = message.graph_def.node.add(name=name, op=op)
        node.input.extend(inputs)
        for key, value in attributes.items():
            attribute = node.attr[key]
            if key == "value":
                tensor = attribute.tensor
                tensor.dtype = 3 if isinstance(value, int) else 1
                (tensor.int_val if isinstance(value, int) else tensor.float_val).append(value)
            elif isinstance(value, str):
                attribute.s = value.encode()
            elif isinstance(value, float):
                attribute.f = value
            elif isinstance(value, bool):
                attribute.b = value
            else:
                attribute.i = value
    return MetaGraph.from_bytes(message.SerializeToString())


def sigmoid(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1 / (1 + np.exp(-x))


def keras_lstm(weights: Mapping[str, Any], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """keras.layers.LSTM, [batch, time, inputs] -> [batch, time, units]."""
    units = weights["recurrent_kernel"].shape[0]
    h = c = np.zeros((x.shape[0], units))
    outputs = []
    for step in range(x.shape[1]):
        z = x[:, step] @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
        i, f, g, o = np.split(z, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def keras_gru(weights: Mapping[str, Any], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """keras.layers.GRU; a bias of two rows means reset_after=True."""
    units = weights["recurrent_kernel"].shape[0]
    after = weights["bias"].ndim == 2
    input_bias = weights["bias"][0] if after else weights["bias"]
    h = np.zeros((x.shape[0], units))
    outputs = []
    for step in range(x.shape[1]):
        xz, xr, xh = np.split(x[:, step] @ weights["kernel"] + input_bias, 3, axis=1)
        if after:
            hz, hr, hh = np.split(h @ weights["recurrent_kernel"] + weights["bias"][1], 3, axis=1)
            z, r = sigmoid(xz + hz), sigmoid(xr + hr)
            new = np.tanh(xh + r * hh)
        else:
            uz, ur, uh = np.split(weights["recurrent_kernel"], 3, axis=1)
            z, r = sigmoid(xz + h @ uz), sigmoid(xr + h @ ur)
            new = np.tanh(xh + (r * h) @ uh)
        h = z * h + (1 - z) * new
        outputs.append(h)
    return np.stack(outputs, axis=1)


def keras_rnn(weights: Mapping[str, Any], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """keras.layers.SimpleRNN."""
    h = np.zeros((x.shape[0], weights["recurrent_kernel"].shape[0]))
    outputs = []
    for step in range(x.shape[1]):
        h = np.tanh(x[:, step] @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"])
        outputs.append(h)
    return np.stack(outputs, axis=1)
