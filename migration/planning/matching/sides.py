"""One side of a matching, read once: words, roles, scopes, numbers and positions of its tensors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from migration.planning.matching.roles import ROLE_WORDS, UNKNOWN, role_of
from migration.planning.matching.paths import walked
from migration.planning.matching.tokens import Number, Reading, read_names
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from migration.planning.candidates import Candidate
    from migration.planning.targets import Target

_LISTS = ("_trainable_variables", "_variables")  # optimizers list the variables: no place of theirs


@dataclass(frozen=True)
class Side:
    """The tensors of one side. `readings[i]` are the names of tensor i, each read among its like.

    `order[i]` is the place in which tensor i was created, or None where nothing tells.
    """

    names: tuple[str, ...]
    specs: tuple[TensorSpec, ...]
    readings: tuple[tuple[Reading, ...], ...]
    order: tuple[int | None, ...]
    paths: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Each tensor's role: the first that one of its names gives."""
        return tuple(
            next((role for reading in readings if (role := role_of(reading, len(spec.shape)))), UNKNOWN)
            for readings, spec in zip(self.readings, self.specs, strict=True)
        )

    @cached_property
    def words(self) -> tuple[frozenset[str], ...]:
        """Each tensor's words in all its names, without the word that names its role."""
        return tuple(
            frozenset(
                word
                for reading in readings
                for word in (*reading.words, *(word for word in reading.leaf if word not in ROLE_WORDS))
            )
            for readings in self.readings
        )

    @cached_property
    def numbers(self) -> tuple[tuple[Number, ...], ...]:
        """Each tensor's numbers that tell it from others: of slots that hold several values."""
        found = [tuple({n: None for reading in readings for n in reading.numbers}) for readings in self.readings]
        values: dict[str, set[int]] = defaultdict(set)
        for numbers in found:
            for number in numbers:
                values[number.slot].add(number.value)
        return tuple(tuple(n for n in numbers if len(values[n.slot]) > 1) for numbers in found)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Each tensor's last name with its numbers left open: equal for those that only numbers tell apart."""
        return tuple(readings[-1].open for readings in self.readings)

    @cached_property
    def places(self) -> tuple[float, ...]:
        """Where each tensor stands in a walk down the tree of paths."""
        return walked(self.paths, [order or 0 for order in self.order], self.specs)

    @cached_property
    def scopes(self) -> tuple[tuple[int, ...], ...]:
        """The scopes as the tensors in them: each set once, of two tensors or more, never all of them."""
        members: dict[str, dict[int, None]] = defaultdict(dict)
        for index, readings in enumerate(self.readings):
            for reading in readings:
                for scope in reading.scopes[:-1]:
                    members[scope][index] = None
        sets = {tuple(inside): None for inside in members.values() if 1 < len(inside) < len(self)}
        return tuple(sets)

    @cached_property
    def scope_matrix(self) -> csr_matrix[Any]:
        """Tensors by scopes: 1 where the tensor is inside."""
        rows = [index for scope in self.scopes for index in scope]
        columns = [column for column, scope in enumerate(self.scopes) for _ in scope]
        return _ones(rows, columns, (len(self), len(self.scopes)))


def _ones(rows: Sequence[int], columns: Sequence[int], shape: tuple[int, int]) -> csr_matrix[Any]:
    import numpy as np
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows), np.float32), (list(rows), list(columns))), shape=shape)


def source_side(candidates: Sequence[Candidate]) -> Side:
    """The candidates, each under its one name."""
    names = [candidate.name for candidate in candidates]
    return Side(
        names=tuple(names),
        specs=tuple(candidate.spec for candidate in candidates),
        readings=tuple((reading,) for reading in read_names(names)),
        order=tuple(candidate.order for candidate in candidates),
    )


def _own_paths(target: Target) -> list[str]:
    """The paths to a target, without those through an optimizer's list of variables where others lead to it."""
    paths = list(dict.fromkeys(target.paths)) or [target.key]
    direct = [path for path in paths if not any(part in _LISTS for part in path.split("/"))]
    found = direct or paths
    if target.attribute not in ("", "VARIABLE_VALUE"):
        found = [f"{path}/{target.attribute}" for path in found]
    return found


def target_side(targets: Sequence[Target]) -> Side:
    """The targets, each under its full name and all its paths; a full name that many share tells nothing."""
    shared = Counter(target.full_name for target in targets)
    owners: list[int] = []
    names: list[str] = []
    fulls: list[int] = []
    full_names: list[str] = []
    for index, target in enumerate(targets):
        if target.full_name and (shared[target.full_name] == 1 or "/" in target.full_name):
            fulls.append(index)
            full_names.append(target.full_name)
        for path in _own_paths(target):
            owners.append(index)
            names.append(path)
    readings: list[list[Reading]] = [[] for _ in targets]
    for index, reading in zip(fulls, read_names(full_names), strict=True):
        readings[index].append(reading)
    for index, reading in zip(owners, read_names(names), strict=True):
        readings[index].append(reading)
    return Side(
        names=tuple(target.key for target in targets),
        specs=tuple(target.spec for target in targets),
        readings=tuple(tuple(found) for found in readings),
        order=tuple(target.order for target in targets),
        paths=tuple(_own_paths(target)[0] for target in targets),
    )
