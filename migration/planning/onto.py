"""Onto a template: each of its tensors gets what the source has for it, and every left-over is told.

Names meet targets in this order: what a person said, a variable's full name, a path, and then, if
allowed, a proposal from all the evidence, and what numbered parts add up to. What one stage takes, the next
leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from migration.planning.candidates import Candidate
from migration.planning.keeping import kept_step
from migration.planning.plan import Confidence, Left, Step
from migration.planning.savecounter import SAVE_COUNTER_KEY, save_counter_step
from migration.planning.targets import Target
from migration.planning.transforms import Cast, Transform
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    from migration.planning.matching import Pair

_NamesOf = Callable[[Target], tuple[str, ...]]
MOST_SUGGESTIONS = 500  # of each side's left-overs; a comparison with all names takes milliseconds


@dataclass(slots=True)
class Claims:
    """Who has met whom so far. Candidates and targets are taken once; steps are kept by target."""

    candidates: dict[str, Candidate]
    targets: dict[str, Target]
    made: frozenset[str] = frozenset()  # candidates that the source does not hold as such: a cell's weights
    steps: dict[str, Step] = field(default_factory=dict)
    partners: dict[str, str] = field(default_factory=dict)  # target key -> candidate name

    def free_candidates(self) -> list[Candidate]:
        """The candidates that no step uses."""
        used = set(self.partners.values())
        return [candidate for name, candidate in self.candidates.items() if name not in used]

    def free_targets(self) -> list[Target]:
        """The targets that no step fills."""
        return [target for key, target in self.targets.items() if key not in self.steps]

    def take(self, step: Step, candidate: str | None = None) -> None:
        """Keep a step; `candidate` is who it was made of."""
        self.steps[step.target] = step
        if candidate is not None:
            self.partners[step.target] = candidate

    def pair(
        self,
        target: Target,
        candidate: Candidate,
        *,
        origin: str,
        reason: str,
        transforms: tuple[Transform, ...] = (),
        confidence: Confidence = Confidence.CERTAIN,
        candidates: tuple[str, ...] = (),
    ) -> None:
        """Fill `target` with `candidate`.

        What a cell is made into is of the origin "cell", however it was met: its slots have to be made in
        the same way.
        """
        reasons = [each for each in (reason, candidate.reason) if each]
        step = step_for(
            target,
            candidate,
            transforms,
            origin="cell" if candidate.name in self.made else origin,
            reason="; ".join(reasons),
            confidence=confidence,
            candidates=candidates,
        )
        self.take(step, candidate.name)


def step_for(
    target: Target, candidate: Candidate, transforms: tuple[Transform, ...] = (), **more: Any
) -> Step:
    """The step that makes the target of the candidate; a dtype of its own is cast to. `more` are fields."""
    sources, chain = candidate.sources, (*candidate.transforms, *transforms)
    if candidate.spec.dtype is not target.spec.dtype and sources:  # a constant is of its target's dtype
        chain = (*chain, Cast(target.spec.dtype))
    return Step(
        target=target.key,
        spec=target.spec,
        sources=sources,
        transforms=chain,
        paths=target.paths,
        full_name=target.full_name,
        **more,
    )


def by_full_name(claims: Claims) -> None:
    """Pair what has one and the same full name on both sides, and the same shape.

    Keras 3 puts the model's name before every variable of a model: where all free targets share such a
    scope, names are compared below it too.
    """
    _by_name(claims, lambda target: (plain_name(target.full_name),), "full name")
    scopes = {target.full_name.partition("/")[0] for target in claims.free_targets()}
    if len(scopes) == 1:
        (scope,) = scopes
        _by_name(
            claims,
            lambda target: (plain_name(target.full_name).removeprefix(f"{scope}/"),),
            f"full name below the scope {scope!r}",
        )


def by_path(claims: Claims) -> None:
    """Pair a name with the one target that has it as a path, and the same shape."""
    _by_name(claims, lambda target: target.paths, "path")


def _by_name(claims: Claims, names_of: _NamesOf, origin: str) -> None:
    holders: dict[str, list[Target]] = {}
    for target in claims.free_targets():
        for name in dict.fromkeys(names_of(target)):
            holders.setdefault(name, []).append(target)
    for candidate in claims.free_candidates():
        found = holders.get(plain_name(candidate.name), [])
        if (
            len(found) == 1
            and found[0].key not in claims.steps
            and found[0].spec.shape == candidate.spec.shape
        ):
            confidence, reason = cast_confidence(candidate.spec.dtype, found[0].spec.dtype)
            claims.pair(
                found[0],
                candidate,
                origin=origin,
                reason=f"the same {origin}{reason}",
                confidence=confidence,
                candidates=(candidate.name,) if confidence is Confidence.UNDECIDED else (),
            )


def plain_name(name: str) -> str:
    """A variable's name without the ":0" that some files carry."""
    return name.removesuffix(":0")


_ORDER = (
    (DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64),
    (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64),
    (DType.INT8, DType.INT16, DType.INT32, DType.INT64),
    (DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64),
)


def cast_confidence(source: DType, target: DType) -> tuple[Confidence, str]:
    """How safe a change of dtype is: certain where no value can be lost, else for a person to decide."""
    if source is target:
        return Confidence.CERTAIN, ""
    told = f"; {source} becomes {target}"
    for order in _ORDER:
        if source in order and target in order and order.index(source) < order.index(target):
            return Confidence.CERTAIN, told
    if source.is_floating and target.is_floating:
        return Confidence.LIKELY, f"{told}, rounded"
    return Confidence.UNDECIDED, f"{told}, which can lose values"


def by_proposal(claims: Claims) -> None:
    """Pair what all the evidence suggests; undecided pairs are kept as such, with their candidates."""
    free, wanted = claims.free_candidates(), claims.free_targets()
    if not free or not wanted:
        return
    from migration.planning.matching import propose  # brings scipy, which is slow to load

    _keep(claims, propose(free, wanted, fixed=claims.partners).pairs)


def by_joining(claims: Claims) -> None:
    """Fill a target with numbered tensors that together have its shape, where all of them are left over."""
    wanted, free = claims.free_targets(), claims.free_candidates()
    if not wanted or len(free) < 2:
        return
    from migration.planning.matching import join_numbered

    undecided = {key for key, step in claims.steps.items() if step.confidence is Confidence.UNDECIDED}
    found = join_numbered(
        list(claims.candidates.values()),
        wanted,
        free=[candidate.name for candidate in free],
        contested=[claims.steps[key].spec for key in undecided],
        fixed={key: name for key, name in claims.partners.items() if key not in undecided},
    )
    claims.candidates.update({candidate.name: candidate for candidate in found.candidates})
    _keep(claims, found.pairs)


def _keep(claims: Claims, pairs: Iterable[Pair]) -> None:
    """Fill targets as the matching proposes."""
    for pair in pairs:
        target, candidate = claims.targets[pair.target], claims.candidates[pair.candidate]
        confidence, told = cast_confidence(candidate.spec.dtype, target.spec.dtype)
        claims.pair(
            target,
            candidate,
            origin="matching",
            reason=pair.reason + told,
            transforms=pair.transforms,
            confidence=max((pair.confidence, confidence), key=list(Confidence).index),
            candidates=pair.candidates,
        )


def of_template(targets: Iterable[Target]) -> tuple[list[Step], list[Target]]:
    """The steps for targets that no source can have (saved state of Python objects, random seeds, metrics,
    the save counter), and the targets that remain."""
    steps: list[Step] = []
    rest: list[Target] = []
    for target in targets:
        why = _own_of_template(target)
        if target.key == SAVE_COUNTER_KEY:
            steps.append(save_counter_step())
        elif why:
            steps.append(kept_step(target, why))
        else:
            rest.append(target)
    return steps, rest


_METRICS = frozenset({"metrics", "_metrics", "_loss_tracker", "_compile_metrics", "keras_api"})


def _own_of_template(target: Target) -> str:
    if target.attribute != "VARIABLE_VALUE":
        return "an object's state, not a variable"
    leaf = target.full_name.rsplit("/", 1)[-1]
    if leaf.startswith("seed_generator_state") or (
        target.paths and target.paths[0].endswith("seed_generator/state")
    ):
        return "a random generator's state"
    if target.paths and all(_METRICS & set(path.split("/")) for path in target.paths):
        return "a metric's state"
    return ""


def left_targets(targets: Sequence[Target], candidates: Sequence[Candidate]) -> tuple[Left, ...]:
    """Targets that get nothing, the first ones with the nearest unused candidates."""
    near = _Near({candidate.name: candidate.spec for candidate in candidates})
    return tuple(
        Left(
            key=target.key,
            spec=target.spec,
            nearest=near(target.spoken, target.spec) if at < MOST_SUGGESTIONS else (),
            paths=target.paths,
            full_name=target.full_name,
        )
        for at, target in enumerate(targets)
    )


def left_candidates(candidates: Sequence[Candidate], targets: Sequence[Target]) -> tuple[Left, ...]:
    """Candidates that go nowhere, the first ones with the nearest unfilled targets."""
    near = _Near({target.spoken: target.spec for target in targets})
    return tuple(
        Left(
            key=candidate.name,
            spec=candidate.spec,
            nearest=near(candidate.name, candidate.spec) if at < MOST_SUGGESTIONS else (),
        )
        for at, candidate in enumerate(candidates)
    )


class _Near:
    def __init__(self, specs: Mapping[str, TensorSpec]) -> None:
        from migration.suggest import NameIndex

        self._specs = specs
        self._index = NameIndex(specs)

    def __call__(self, name: str, spec: TensorSpec) -> tuple[str, ...]:
        return tuple(f"{near} {self._specs[near]}" for near in self._index.nearest(name, spec))
