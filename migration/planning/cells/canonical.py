"""CudnnLSTM and CudnnGRU of tf.contrib: weights saved cell by cell, their slots as the one opaque buffer.

The layer's variable is the buffer; its saveable splits it into canonical tensors, but an optimizer's slots
of it know no such split and are saved as they are: `cudnn_lstm/opaque_kernel/Adam`. Here the buffer that
no longer stands in the file is named again, so that the slots have their variable, and the weights'
steps are told as parts of it, so that the slots can go the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from migration.planning.candidates import Candidate
from migration.planning.cells.buffers import Sizes, cells_of
from migration.planning.cells.layouts import Roles
from migration.planning.steps import Step
from migration.tensors import TensorSpec

VARIABLE = "opaque_kernel"  # the name that the layers give their buffer
_CELL = re.compile(
    r"(?P<root>.+)/(?:rnn/multi_rnn_cell/cell_(?P<one>\d+)"
    r"|stack_bidirectional_rnn/cell_(?P<both>\d+)/bidirectional_rnn/(?P<half>fw|bw))"
    r"/cudnn_compatible_(?P<kind>lstm|gru)_cell/(?:gates/)?kernel"
)


@dataclass(frozen=True, slots=True)
class Buffer:
    """An opaque buffer that only its slots still show: its spec, and each cell's part of it by scope."""

    name: str
    spec: TensorSpec
    parts: Mapping[str, Roles]

    @property
    def note(self) -> str:
        """What a person should know before training goes on."""
        return (
            f"{self.name} is in the file by its cells and its slots: cuDNN trained a bias of the input and "
            "one of the state; where the layer has their sum as one bias, training on moves it half as far"
        )


def hidden_buffers(specs: Mapping[str, TensorSpec]) -> tuple[Buffer, ...]:
    """The buffers behind canonical cuDNN cells, where a slot of just their size lies in the same file."""
    roots: dict[str, dict[str, re.Match[str]]] = {}
    for name in specs:
        found = _CELL.fullmatch(name)
        if found:
            roots.setdefault(found["root"], {})[name] = found
    buffers = (_buffer(root, cells, specs) for root, cells in roots.items())
    return tuple(buffer for buffer in buffers if buffer is not None)


def _buffer(root: str, cells: Mapping[str, re.Match[str]], specs: Mapping[str, TensorSpec]) -> Buffer | None:
    name = f"{root}/{VARIABLE}"
    sizes = _sizes(cells, specs)
    if sizes is None or name in specs:
        return None
    slots = [spec for key, spec in specs.items() if f"{name}/" in key and spec.shape == (sizes.total,)]
    if not slots:
        return None
    stored = Candidate.stored(name, slots[0])
    scopes = {
        _place(found): kernel.removesuffix("/kernel").removesuffix("/gates")
        for kernel, found in cells.items()
    }
    if len(scopes) != len(list(cells_of(stored, sizes))):
        return None
    ordered = [scopes[place] for place in sorted(scopes)]
    return Buffer(
        name,
        slots[0],
        {scope: cell.roles for scope, cell in zip(ordered, cells_of(stored, sizes), strict=True)},
    )


def _place(found: re.Match[str]) -> tuple[int, bool]:
    """(layer, whether it runs backwards): the order of the buffer."""
    return int(found["one"] or found["both"] or 0), found["half"] == "bw"


def _sizes(cells: Mapping[str, re.Match[str]], specs: Mapping[str, TensorSpec]) -> Sizes | None:
    """The sizes that the cells' shapes give; None where they are not of one stack."""
    first = min(cells, key=lambda kernel: _place(cells[kernel]))
    kind, rows, width = cells[first]["kind"], *specs[first].shape[:1], specs[first].shape[-1]
    units = width // {"lstm": 4, "gru": 2}[kind]
    if len({found["kind"] for found in cells.values()}) > 1 or units < 1 or rows <= units:
        return None
    direction = "bidirectional" if cells[first]["half"] else "unidirectional"
    layers = len({_place(found)[0] for found in cells.values()})
    return Sizes(kind, direction, layers, units, rows - units)


def through_buffers(
    steps: Sequence[Step], partners: Mapping[str, str], buffers: Sequence[Buffer]
) -> tuple[Step, ...]:
    """The weights' steps, those of cells behind a buffer as parts of the buffer.

    They say how slots go, not how weights are made: the buffer itself is in no file. `partners` gives
    the candidate that each target was filled with.
    """
    made: list[Step] = []
    for step in steps:
        scope, _, role = partners.get(step.target, "").rpartition("/")
        part = next((buffer.parts[scope][role] for buffer in buffers if scope in buffer.parts), None)
        made.append(step if part is None else replace(step, sources=part.sources, transforms=part.transforms))
    return tuple(made)
