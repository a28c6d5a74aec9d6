"""Names taken apart: segments, words under one spelling, and numbers with the place they count in.

`conv2_block1_1_bn/gamma`, `Mixed_5b/Branch_0` and `encoder.layers.3.wq` all become words and numbers.
Words that frameworks use for one thing share a spelling (`attn`, `attention`; `fc`, `linear`, `dense`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from migration.planning.matching.spelling import SPELLING, phrased, spelled

MOST_LETTERS = 2000  # of a name, from its end: no model has longer ones, and reading takes their square

_PIECE = re.compile(r"\d+x\d+(?:x\d+)?(?![\d])|\d+|[^\W\d_]+", re.UNICODE)
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^A-Za-z]+")
_DIMENSIONAL = re.compile(
    r"(?<![A-Za-z])(conv|convolution|batchnorm|pool|deconv)([123])[dD](?![A-Za-z])", re.IGNORECASE
)
_COUNTED = re.compile(r"^(?P<stem>.*?)_(?P<number>\d+)$")
_CLASS_COUNTED = re.compile(  # the names that Keras gives by counting: class name, underscore, number
    r"^(?:dense|(?:separable_|depthwise_)?conv[123]d(?:_transpose)?|(?:batch|layer|group)_normalization|embedding"
    r"|lstm(?:_cell)?|gru(?:_cell)?|simple_rnn|bidirectional|multi_head_attention|sequential|functional|model"
    r"|time_distributed|einsum_dense|p_re_lu|layer_norm|variable)_\d+$"
)
_PLACES = re.compile(  # a child's place in a container that Keras or a framework counts by itself
    r"^(?:layer|layer_with_weights)-\d+$"
)
_CONTAINERS = frozenset({"_operations", "_layers", "_trainable_variables", "_variables", "_nodes_layers"})


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a name: `slot` is the name before it with earlier numbers left open.

    `counted` says that some framework counted it up by itself (`dense_3`, `layer-3`): such a number
    tells an order of creation and nothing that a person chose.
    """

    value: int
    slot: str
    counted: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One name, read: segments of words, the numbers, and the prefixes that may be scopes."""

    segments: tuple[tuple[str, ...], ...]
    numbers: tuple[Number, ...]
    scopes: tuple[str, ...]
    natural: tuple[tuple[int, int, str], ...]

    @property
    def open(self) -> str:
        """The name with its numbers left open."""
        return " ".join(word for kind, _, word in self.natural if kind)

    @property
    def kind(self) -> str:
        """The name with its numbers left open, but for the last of several."""
        several = len(self.numbers) > 1
        last = max((place for place, part in enumerate(self.natural) if not part[0]), default=-1)
        return " ".join(
            word if kind else str(number) if several and place == last else "#"
            for place, (kind, number, word) in enumerate(self.natural)
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Every word of the name but its last segment's, in order."""
        return tuple(word for segment in self.segments[:-1] for word in segment)

    @property
    def leaf(self) -> tuple[str, ...]:
        """The words of the last segment."""
        return self.segments[-1] if self.segments else ()


@lru_cache(maxsize=65536)
def split_segment(segment: str) -> tuple[str | int, ...]:
    """The words (spelled one way) and numbers of one segment, in order; () where it has neither."""
    segment = _DIMENSIONAL.sub(r"\1", segment)
    pieces: list[str | int] = []
    for found in _PIECE.finditer(segment):
        piece = found[0]
        if piece.isdigit() and piece.isascii():
            pieces.append(int(piece[:18]))
        elif piece[0].isdigit() or (len(piece) == 1 and segment[: found.start()][-1:].isdigit()):
            pieces.append(piece)  # 3x3, and the letter of block2b: no bias
        else:
            whole = SPELLING.get(piece.lower())
            pieces.extend([whole] if whole else (spelled(part) for part in _CAMEL.findall(piece)))
    return tuple(phrased(pieces))


def split_name(name: str) -> list[str]:
    """The segments of a name: between slashes; dots part a name that has no slash; `:0` is no part of it."""
    name = re.sub(r":\d+$", "", name[-MOST_LETTERS:])
    segments = [segment for segment in name.split("/") if segment]
    if len(segments) == 1 and "." in segments[0]:
        segments = [segment for segment in segments[0].split(".") if segment]
    return segments


def _siblings(names: Iterable[list[str]]) -> dict[tuple[str, ...], set[str]]:
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for segments in names:
        for depth, segment in enumerate(segments):
            counted = _COUNTED.match(segment)
            if counted:
                found[tuple(segments[:depth])].add(counted["stem"])
    return found


def _is_counted(segments: list[str], depth: int, bare: set[tuple[str, ...]]) -> bool:
    segment = segments[depth]
    counted = _COUNTED.match(segment)
    if counted and (*segments[:depth], counted["stem"]) in bare:
        return True
    if segment.isdigit() and depth and segments[depth - 1] in _CONTAINERS:
        return True
    return bool(_CLASS_COUNTED.match(segment) or _PLACES.match(segment))


def _read(segments: list[str], stems: dict[tuple[str, ...], set[str]], bare: set[tuple[str, ...]]) -> Reading:
    words: list[tuple[str, ...]] = []
    numbers: list[Number] = []
    scopes: list[str] = []
    natural: list[tuple[int, int, str]] = []
    exact, open_ = "", ""
    for depth, segment in enumerate(segments):
        parts = split_segment(segment)
        counted = _is_counted(segments, depth, bare)
        if segment in stems.get(tuple(segments[:depth]), ()):  # `dense` beside `dense_1` is dense_0
            parts, counted = (*parts, 0), True
        words.append(tuple(part for part in parts if isinstance(part, str)))
        for part in parts or (segment,):
            if isinstance(part, int):
                last = part is parts[-1]
                numbers.append(Number(part, open_, counted and last))
                natural.append((0, part, ""))
            else:
                natural.append((1, 0, part))
            exact += f" {part}"
            open_ += " #" if isinstance(part, int) else f" {part}"
            scopes.append(exact)
        exact, open_ = exact + "/", open_ + "/"
        scopes[-1] = exact
        natural.append((-1, 0, "/"))
    return Reading(tuple(words), tuple(numbers), tuple(scopes), tuple(natural))


def read_names(names: Sequence[str]) -> list[Reading]:
    """Each name, read beside the others: `dense` counts as dense_0 where `dense_1` stands beside it."""
    split = [split_name(name) for name in names]
    stems = _siblings(split)
    bare = {tuple(segments[: depth + 1]) for segments in split for depth in range(len(segments))}
    return [_read(segments, stems, bare) for segments in split]
