"""What is known of the optimizers in a source, and in a template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from migration.errors import Problem
from migration.planning.optimizers.kinds import Flavour
from migration.planning.optimizers.misnamed import Assembly
from migration.planning.plan import Confidence, Left, Step
from migration.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A hyperparameter: its value, or the source tensor that holds it, or neither (it is computed).

    `origin` says in words where it is from, e.g. "a constant of the graph".
    """

    value: float | None = None
    key: str | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPair:
    """The beta powers of one Adam by role, and what they tell: the number of updates (None where they do
    not) and the betas, again by the power's role. `sure` says that nothing else fits as well."""

    keys: Mapping[str, str]
    count: int | None = None
    betas: Mapping[str, float] = field(default_factory=dict)
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptimizer:
    """One optimizer of a name-based source.

    `slots` maps (variable key, slot) to the slot's key, a slot going by its tf.compat.v1 name (see
    `kinds.py`). `scalars` are its beta powers and step count by role ("beta1_power", "iterations").
    `variables` are all that it trains, slots or not. `scaled` says that the momentum slot is already a
    velocity, -learning_rate times TF1's accumulator.
    """

    name: str
    kind: str
    slots: Mapping[tuple[str, str], str]
    scalars: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    nesterov: bool | None = None
    scaled: bool = False
    confidence: Confidence = Confidence.CERTAIN
    reason: str = ""
    doubts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # role -> keys that it may be
    powers: tuple[PowerPair, ...] = ()  # its beta powers (or all in doubt), where no graph tells the betas

    @property
    def keys(self) -> frozenset[str]:
        """Every key of the source that is the optimizer's own."""
        stored = (number.key for number in self.numbers.values() if number.key is not None)
        doubted = (key for keys in self.doubts.values() for key in keys)
        return frozenset((*self.slots.values(), *self.scalars.values(), *stored, *doubted))

    @property
    def slot_names(self) -> frozenset[str]:
        """The slots that it has for some variable."""
        return frozenset(slot for _, slot in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """A key that looks like optimizer state, and why it is not clear whose; `candidates` are variables."""

    key: str
    reason: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """The optimizers of a source, its step, its moving averages.

    `averages` maps a shadow to the variable that it averages, or to "" where it averages a tensor that
    is no variable. `specs` are those of the whole source, and of the `assemblies`: tensors that the file has
    in parts only, under the names that they should have had.
    """

    optimizers: tuple[SourceOptimizer, ...] = ()
    step: str | None = None
    step_confidence: Confidence = Confidence.CERTAIN
    step_reason: str = ""
    averages: Mapping[str, str] = field(default_factory=dict)
    undecided: tuple[Undecided, ...] = ()
    specs: Mapping[str, TensorSpec] = field(default_factory=dict)
    assemblies: Mapping[str, Assembly] = field(default_factory=dict)

    def variables_of(self, step: Step) -> tuple[str, ...]:
        """The variables whose values a weight's step takes, be it their averages that it reads."""
        keys = (source.key for source in step.sources if not source.template)
        return tuple(self.averages.get(key) or key for key in keys)

    @property
    def claimed(self) -> frozenset[str]:
        """The keys that are no weights: slots, beta powers, stored hyperparameters, averages.

        Step counts are left out: a variable of the template's may want one.
        """
        counts = {one.scalars["iterations"] for one in self.optimizers if "iterations" in one.scalars}
        own = {key for optimizer in self.optimizers for key in optimizer.keys} - counts
        return frozenset(own | set(self.averages) | {one.key for one in self.undecided})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptimizer:
    """One optimizer of an object-based checkpoint.

    `slots` maps (variable's node, slot) to the slot's key; `scalars` maps a role ("iterations",
    "learning_rate", "beta1", "beta1_power" ...) to a key. `others` are keys that only the template can
    fill (loss scale, seeds of the optimizer's own). `averages` maps a variable's node to the key of the
    average that the optimizer keeps of it. `kind` is None where nothing tells it: an optimizer that is
    not built yet, or one that is not known.
    """

    node: int
    path: str
    flavour: Flavour
    kind: str | None
    slots: Mapping[tuple[int, str], str] = field(default_factory=dict)
    scalars: Mapping[str, str] = field(default_factory=dict)
    averages: Mapping[int, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    variables: tuple[int, ...] = ()
    built: bool = True
    reason: str = ""

    @property
    def keys(self) -> frozenset[str]:
        """Every key that is the optimizer's own."""
        return frozenset(
            (*self.slots.values(), *self.scalars.values(), *self.averages.values(), *self.others)
        )

    @property
    def slot_names(self) -> frozenset[str]:
        """The slots that it has for some variable."""
        return frozenset(slot for _, slot in self.slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the optimizers add to a plan: `drops` were decided, `unused` is left over and told."""

    steps: tuple[Step, ...] = ()
    drops: tuple[Left, ...] = ()
    unused: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def told_once(problems: Iterable[Problem]) -> tuple[str, ...]:
    """The problems as notes; one that several tensors have is told once, with how many they are."""
    places: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        places.setdefault((problem.kind, problem.message), []).append(problem)
    return tuple(
        str(first if not more else replace(first, where=f"{first.where} and {len(more)} more"))
        for first, *more in places.values()
    )


def joined(layouts: list[Layout]) -> Layout:
    """All of several layouts as one, notes that repeat told once."""
    return Layout(
        steps=tuple(step for layout in layouts for step in layout.steps),
        drops=tuple(left for layout in layouts for left in layout.drops),
        unused=tuple(left for layout in layouts for left in layout.unused),
        notes=tuple(dict.fromkeys(note for layout in layouts for note in layout.notes)),
        problems=tuple(dict.fromkeys(problem for layout in layouts for problem in layout.problems)),
    )
