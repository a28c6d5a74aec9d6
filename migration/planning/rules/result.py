"""What rules made of a source, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migration.errors import Problem
from migration.planning.plan import Left, Step
from migration.planning.targets import Target
from migration.suggest import NameIndex
from migration.tensors import TensorSpec

MOST_SUGGESTIONS = 50  # problems, and left-overs of each side, that come with suggestions


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What rules made of a source.

    `steps` and `drops` are what they decided. `problems` tells every rule that matched nothing (kind
    "matched nothing"), every collision of names on one target, absent and ambiguous places, misfits and
    expressions that hang. `unused` are the tensors that no rule took, `unfilled` the targets that got
    none; each with the nearest names, dtypes and shapes of the other side. `renamed` gives what the
    shortcuts alone made of names that no rule took.
    """

    steps: tuple[Step, ...]
    drops: tuple[Left, ...] = ()
    problems: tuple[Problem, ...] = ()
    unused: tuple[Left, ...] = ()
    unfilled: tuple[Left, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the result unusable: all but rules that matched nothing."""
        return tuple(problem for problem in self.problems if problem.kind != "matched nothing")


class Told:
    """The problems found so far, the first of them with what comes near."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._indexes: dict[int, NameIndex] = {}
        self._suggested = 0

    def tell(self, kind: str, where: str, message: str) -> None:
        """Adds a problem."""
        self.problems.append(Problem(kind=kind, where=where, message=message))

    def near(self, name: str, among: Mapping[str, TensorSpec], spec: TensorSpec | None) -> str:
        """A bracket with the names that come near, each with its dtype and shape; empty where none does."""
        self._suggested += 1
        if self._suggested > MOST_SUGGESTIONS:
            return ""
        if id(among) not in self._indexes:
            self._indexes[id(among)] = NameIndex(among)
        shown = [f"{near} {among[near]}" for near in self._indexes[id(among)].nearest(name, spec)]
        return f" (nearest: {'; '.join(shown)})" if shown else ""


def unused(
    keys: Sequence[str], specs: Mapping[str, TensorSpec], unfilled: Sequence[Target]
) -> tuple[Left, ...]:
    """The tensors that no rule took, with the empty targets that come near."""
    near = NameIndex({target.spoken: target.spec for target in unfilled})
    return tuple(
        Left(
            key=key,
            spec=specs[key],
            reason="no rule takes it",
            nearest=near.nearest(key, specs[key]) if at < MOST_SUGGESTIONS else (),
        )
        for at, key in enumerate(keys)
    )


def unfilled(
    targets: Sequence[Target], specs: Mapping[str, TensorSpec], keys: Sequence[str]
) -> tuple[Left, ...]:
    """The targets that got nothing, with the unused tensors that come near."""
    near = NameIndex({key: specs[key] for key in keys})
    return tuple(
        Left(
            key=target.key,
            spec=target.spec,
            reason="no rule fills it",
            nearest=near.nearest(target.spoken, target.spec) if at < MOST_SUGGESTIONS else (),
            paths=target.paths,
            full_name=target.full_name,
        )
        for at, target in enumerate(targets)
    )
