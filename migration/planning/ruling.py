"""Rules applied where a plan is made: what is wrong is raised at once, what matched nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from migration.errors import PlanError
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
    if rules is None:
        return RuleResult(steps=())
    result = apply_rules(rules, specs, targets, same=same)
    if result.errors:
        raise PlanError("the rules do not fit; nothing was written", result.problems)
    return result


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
