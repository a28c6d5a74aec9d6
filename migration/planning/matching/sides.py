"""One side of a matching, read once: words, roles, scopes, numbers and positions of its tensors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from migration.planning.matching.paths import walked
from migration.planning.matching.roles import ROLE_WORDS, UNKNOWN, role_of
from migration.planning.matching.spelling import GENERIC
from migration.planning.matching.tokens import Number, Reading, read_names
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from migration.planning.candidates import Candidate
    from migration.planning.targets import Target

NO_SPEC = TensorSpec(DType.VARIANT, ())  # of a pinned tensor that only its name is known of
_LISTS = ("_trainable_variables", "_variables")  # optimizers list the variables: no place of theirs


@dataclass(frozen=True)
class Side:
    """The tensors of one side. `readings[i]` are the names of tensor i, each read among its like.

    `order[i]` is the place in which tensor i was created, or None where nothing tells. What is not
    `free` has its partner already and is here for what it tells about the others.
    """

    names: tuple[str, ...]
    specs: tuple[TensorSpec, ...]
    readings: tuple[tuple[Reading, ...], ...]
    order: tuple[int | None, ...]
    free: tuple[bool, ...]
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def rank(self, index: int) -> int:
        """How many dimensions a tensor has."""
        return len(self.specs[index].shape)

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """The scope that each tensor lies in by its name, or by its first path; "" for none."""
        return tuple(path.rpartition("/")[0] for path in self.paths)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Each tensor's role: the first that one of its names gives."""
        return tuple(
            next((role for reading in readings if (role := role_of(reading, len(spec.shape)))), UNKNOWN)
            for readings, spec in zip(self.readings, self.specs, strict=True)
        )

    @cached_property
    def words(self) -> tuple[frozenset[str], ...]:
        """Each tensor's words in all its names, without the one that names its role and generic ones."""
        return tuple(
            frozenset(
                word
                for reading in readings
                for word in (*reading.words, *(word for word in reading.leaf if word not in ROLE_WORDS))
                if word not in GENERIC
            )
            for readings in self.readings
        )

    @cached_property
    def numbers(self) -> tuple[tuple[Number, ...], ...]:
        """Each tensor's numbers that tell it from others: of slots that hold several values."""
        found = [
            tuple({n: None for reading in readings for n in reading.numbers}) for readings in self.readings
        ]
        values: dict[str, set[int]] = defaultdict(set)
        for numbers in found:
            for number in numbers:
                values[number.slot].add(number.value)
        return tuple(tuple(n for n in numbers if len(values[n.slot]) > 1) for numbers in found)

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Each tensor's last name with its numbers left open: one for all that only numbers tell apart."""
        return tuple(readings[-1].open for readings in self.readings)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """All of each tensor's names with their numbers left open, but for the last of several (`conv2`)."""
        return tuple(" | ".join(reading.kind for reading in readings) for readings in self.readings)

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


def source_side(candidates: Sequence[Candidate], pinned: Iterable[str]) -> Side:
    """The candidates, each under its one name, then the pinned names that are none of them."""
    taken = set(pinned)
    specs: dict[str, tuple[TensorSpec, int | None]] = {c.name: (c.spec, c.order) for c in candidates}
    names = [*specs, *sorted(taken - set(specs))]
    return Side(
        names=tuple(names),
        specs=tuple(specs[name][0] if name in specs else NO_SPEC for name in names),
        readings=tuple((reading,) for reading in read_names(names)),
        order=tuple(specs[name][1] if name in specs else None for name in names),
        free=tuple(name not in taken for name in names),
        paths=tuple(names),
    )


def _own_paths(target: Target) -> list[str]:
    """The paths to a target, those through an optimizer's list only where no other leads to it."""
    paths = [path for path in dict.fromkeys(target.paths) if path] or [_path_of(target.key)]
    found = [path for path in paths if not any(part in _LISTS for part in path.split("/"))] or paths
    if target.attribute not in ("", "VARIABLE_VALUE"):
        found = [f"{path}/{target.attribute}" for path in found]
    return found


def _path_of(key: str) -> str:
    """The path that a checkpoint key was made of, as far as a key tells."""
    return key.split("/.ATTRIBUTES/")[0].replace(".S", "/").replace("..", ".")


def target_side(targets: Sequence[Target], pinned: Iterable[str]) -> Side:
    """The targets under their full names and all their paths, then the pinned keys that are none of them.

    A full name without a scope that several variables have (`kernel`) is no name of theirs.
    """
    taken = set(pinned)
    known = {target.key: target for target in targets}
    keys = [*known, *sorted(taken - set(known))]
    paths = [_own_paths(known[key]) if key in known else [_path_of(key)] for key in keys]
    full_names = [known[key].full_name if key in known else "" for key in keys]
    shared = Counter(full_names)
    full_names = [name if "/" in name or shared[name] == 1 else "" for name in full_names]
    return Side(
        names=tuple(keys),
        specs=tuple(known[key].spec if key in known else NO_SPEC for key in keys),
        readings=tuple(_readings(full_names, paths)),
        order=tuple(known[key].order if key in known else None for key in keys),
        free=tuple(key not in taken for key in keys),
        paths=tuple(found[0] for found in paths),
    )


def _readings(full_names: Sequence[str], paths: Sequence[Sequence[str]]) -> list[tuple[Reading, ...]]:
    """For each tensor its full name, if it has one, and its paths, each kind read among its like."""
    found: list[list[Reading]] = [[] for _ in paths]
    named = [index for index, name in enumerate(full_names) if name]
    for index, reading in zip(named, read_names([full_names[index] for index in named]), strict=True):
        found[index].append(reading)
    owners = [index for index, own in enumerate(paths) for _ in own]
    for index, reading in zip(owners, read_names([path for own in paths for path in own]), strict=True):
        found[index].append(reading)
    return [tuple(readings) for readings in found]
