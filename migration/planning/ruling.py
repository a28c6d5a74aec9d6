"""Rules applied where a plan is made: what is wrong is raised at once, what matched nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from migration.errors import PlanError, Problem
from migration.planning.plan import Left
from migration.planning.rules import RuleResult, Rules, apply_rules
from migration.planning.targets import Target
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint

Same = Callable[[str, str], bool]


def ruled(
    specs: Mapping[str, TensorSpec],
    rules: Rules | None,
    targets: Sequence[Target] | None = None,
    same: Same | None = None,
) -> RuleResult:
    """What rules make of a source's tensors; without rules, nothing.

    Raises PlanError with every collision, misfit, and absent or ambiguous place.
    """
    result = offered(specs, rules, targets, same)
    if result.errors:
        raise PlanError("the rules do not fit; nothing was written", result.problems)
    return result


def offered(
    specs: Mapping[str, TensorSpec],
    rules: Rules | None,
    targets: Sequence[Target] | None = None,
    same: Same | None = None,
) -> RuleResult:
    """The same; what is wrong stands in the result, for `refuse` to tell with all that is left over."""
    return RuleResult(steps=()) if rules is None else apply_rules(rules, specs, targets, same=same)


def failed(result: RuleResult, specs: Mapping[str, TensorSpec]) -> frozenset[str]:
    """The tensors that a rule took and could bring nowhere."""
    placed = {source.key for step in result.steps for source in step.sources}
    placed.update(left.key for left in (*result.drops, *result.unused))
    return frozenset(key for key in specs if key not in placed) if result.errors else frozenset()


def refuse(result: RuleResult, unused: Sequence[Left], unfilled: Sequence[Left]) -> None:
    """Raises PlanError where rules do not fit, with each tensor that neither they nor a name nor a proposal
    uses, and each target that gets nothing."""
    if not result.errors:
        return
    known = {left.key for left in (*result.unused, *result.unfilled)}
    problems = [
        Problem(kind=kind, where=_where(left), message=f"{left.spec}: {what}{_listed(left.nearest)}")
        for kind, what, lefts in (
            ("unused", "nothing uses it", unused),
            ("unfilled", "nothing fills it", unfilled),
        )
        for left in lefts
        if left.key in known
    ]
    raise PlanError("the rules do not fit; nothing was written", (*result.problems, *problems))


def _where(left: Left) -> str:
    return " = ".join([left.key, *left.paths[:1], *([left.full_name] if left.full_name else [])])


def _listed(nearest: Sequence[str]) -> str:
    return f" (nearest: {'; '.join(nearest)})" if nearest else ""


def notes_of(result: RuleResult) -> tuple[str, ...]:
    """What rules have to tell without being wrong."""
    return (*result.notes, *(str(problem) for problem in result.problems))


def same_bytes(source: Checkpoint) -> Same:
    """Whether two tensors of a source are equal: by their checksums, in a V1 file by their values."""

    def same(one: str, other: str) -> bool:
        if source.spec(one) != source.spec(other):
            return False
        if source.format == "V2" and one not in source.partitions and other not in source.partitions:
            return [each.crc32c for each in source.ranges(one)] == [
                each.crc32c for each in source.ranges(other)
            ]
        values = source.read(one), source.read(other)
        if source.spec(one).dtype is DType.STRING:
            return bool(values[0].tolist() == values[1].tolist())
        return bool(values[0].tobytes() == values[1].tobytes())

    return same
