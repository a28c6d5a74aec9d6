"""A walk down a tree of paths: the order in which code that made the objects one by one would make them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cmp_to_key

from migration.tensors import TensorSpec

Parts = tuple[str, ...]


def walked(paths: Sequence[str], order: Sequence[int], specs: Sequence[TensorSpec]) -> tuple[float, ...]:
    """The place of each path: numbered children by number, others as `order` has them.

    Subtrees of several layers that are built alike and that only words tell apart (`left`, `right`)
    share their places: which of them came first says nothing about which is which.
    """
    split = [tuple(path.split("/")) for path in paths]
    rank = _ranked(split, order)
    keys = [_key(parts, place, rank) for parts, place in zip(split, order, strict=True)]
    walk = sorted(range(len(split)), key=keys.__getitem__)
    places = [0.0] * len(split)
    for place, index in enumerate(walk):
        places[index] = float(place)
    for twins in _twins(split, walk, specs):
        for members in zip(*twins, strict=True):
            middle = sum(places[index] for index in members) / len(members)
            for index in members:
                places[index] = middle
    return tuple(places)


def _stem(part: str) -> str:
    return part.rstrip("0123456789")


def _ranked(split: Sequence[Parts], order: Sequence[int]) -> dict[Parts, int]:
    """For each stem of a path its rank among its siblings.

    A graph numbers its nodes breadth first, so two subtrees are compared where they are equally deep.
    """
    seen: dict[Parts, dict[int, int]] = defaultdict(dict)
    for parts, place in zip(split, order, strict=True):
        for depth, part in enumerate(parts):
            stem = (*parts[:depth], _stem(part))
            depths = seen[stem]
            depths[len(parts)] = min(place, depths.get(len(parts), place))
    siblings: dict[Parts, list[Parts]] = defaultdict(list)
    for stem in seen:
        siblings[stem[:-1]].append(stem)

    def compare(one: Parts, other: Parts) -> int:
        common = min(seen[one].keys() & seen[other].keys(), default=None)
        if common is None:
            return min(seen[one].values()) - min(seen[other].values())
        return seen[one][common] - seen[other][common]

    return {
        stem: rank
        for stems in siblings.values()
        for rank, stem in enumerate(sorted(stems, key=cmp_to_key(compare)))
    }


def _key(parts: Parts, place: int, rank: dict[Parts, int]) -> list[tuple[int, int]]:
    key = []
    for depth, part in enumerate(parts):
        stem = (*parts[:depth], _stem(part))
        key.append((rank[stem], int(part[len(stem[-1]) :][:18] or -1)))
    return [*key, (place, 0)]


def _twins(split: Sequence[Parts], walk: Sequence[int], specs: Sequence[TensorSpec]) -> list[list[list[int]]]:
    """Groups of subtrees under one parent, each of two layers or more, with equal specs in equal places."""
    inside: dict[Parts, list[int]] = defaultdict(list)
    for index in walk:
        for depth in range(1, len(split[index])):
            inside[split[index][:depth]].append(index)
    alike: dict[object, list[list[int]]] = defaultdict(list)
    for scope, members in inside.items():
        layers = {split[index][:-1] for index in members}
        if len(layers) > 1 and not scope[-1][-1:].isdigit():
            signature = tuple((split[index][len(scope) :], specs[index]) for index in members)
            alike[scope[:-1], signature].append(members)
    return [twins for twins in alike.values() if len(twins) > 1]
