"""Which cell goes to which layer, where kind, sizes, direction and number leave no other choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from migration.planning.cells.layers import Layer
from migration.planning.cells.names import numbered, snake
from migration.planning.cells.sources import SourceCell

Place: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]
_Thing = TypeVar("_Thing", SourceCell, Layer)


@dataclass(frozen=True, slots=True)
class CellPair:
    """A cell and the layer that it becomes, with the reason in words."""

    cell: SourceCell
    layer: Layer
    reason: str


def pairs(cells: Sequence[SourceCell], layers: Sequence[Layer]) -> tuple[CellPair, ...]:
    """The pairs that are certain; cells alike in all that is known stay for the matching to decide."""
    found: list[CellPair] = []
    for alike in sorted({_class(cell) for cell in cells}, key=str):
        ours = [cell for cell in cells if _class(cell) == alike]
        theirs = [layer for layer in layers if _class(layer) == alike]
        found.extend(_within(ours, theirs))
    return tuple(found)


def _class(one: SourceCell | Layer) -> tuple[str, int, int, int]:
    return one.kind, one.inputs, one.units, one.biases


def _within(cells: list[SourceCell], layers: list[Layer]) -> Iterator[CellPair]:
    """Pairs within one kind and size: by full name, as the only ones, by direction, by number."""
    for cell in list(cells):
        same = [layer for layer in layers if layer.scope == cell.scope]
        if len(same) == 1:
            cells.remove(cell)
            layers.remove(same[0])
            yield CellPair(cell, same[0], "the layer has the cell's name")
    if len(cells) == len(layers) == 1:
        yield CellPair(cells[0], layers[0], "the only cell and the only layer of this kind and size")
        return
    for direction in ("", "forward", "backward"):
        ours = [cell for cell in cells if cell.direction == direction]
        theirs = [layer for layer in layers if layer.direction == direction]
        if len(ours) != len(theirs):
            return
    for direction in ("", "forward", "backward"):
        ours = [cell for cell in cells if cell.direction == direction]
        theirs = [layer for layer in layers if layer.direction == direction]
        if len(ours) == 1:
            facing = f"{direction} " if direction else "one-directional "
            yield CellPair(ours[0], theirs[0], f"the only {facing}ones of this kind and size")
        else:
            yield from _by_number(ours, theirs)


def _by_number(cells: Sequence[SourceCell], layers: Sequence[Layer]) -> Iterator[CellPair]:
    """Pairs of the first with the first, where one stack on either side is numbered through.

    `rnn` and `rnn_1`, numbers that TensorFlow 1 gave out for lack of a name, are no stack.
    """
    ours = _in_order(cells, _cell_place)
    if ours is not None and not _spoken(cells):
        return
    theirs = _in_order(layers, _layer_place)
    if ours is None or theirs is None:
        return
    for number, (cell, layer) in enumerate(zip(ours, theirs, strict=True), 1):
        yield CellPair(cell, layer, f"number {number} of the {len(ours)} alike on both sides")


def _in_order(things: Sequence[_Thing], place: Callable[[_Thing], Place]) -> list[_Thing] | None:
    """The things in the order of their numbers; None where more than numbers tells them apart, or less."""
    placed = [(place(thing), thing) for thing in things]
    words = {own for (own, _), _ in placed}
    numbers = {own for (_, own), _ in placed}
    if len(words) != 1 or len(numbers) != len(placed):
        return None
    return [thing for _, thing in sorted(placed, key=lambda pair: pair[0][1])]


def _spoken(cells: Sequence[SourceCell]) -> bool:
    """Whether each number that tells these cells apart stands in their names."""
    by_component = zip(*(_cell_place(cell)[1] for cell in cells), strict=True)
    return all(len(set(numbers)) == 1 or min(numbers) >= 0 for numbers in by_component)


def _cell_place(cell: SourceCell) -> Place:
    """A cell's scope; the name of its class is no part of it, which may change within a stack."""
    words, numbers = numbered(cell.scope)
    named = snake(words[-1]).endswith(("lstm_cell", "gru_cell", "rnn_cell"))
    return (*words[:-1], "cell" if named else words[-1]), numbers


def _layer_place(layer: Layer) -> Place:
    return numbered(layer.place)
