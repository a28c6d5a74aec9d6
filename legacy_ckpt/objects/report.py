"""What a restore into live objects did, told from both sides."""

from __future__ import annotations

from dataclasses import dataclass

from migration.planning.plan import Left, Plan, Step
from migration.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReport:
    """Steps and left-overs of a restore, in the plan's order.

    `restored`: one step for each tensor that now holds what the checkpoint has for it (`step.target` is
    its key, `step.paths` where it stands, `step.sources` what was read).
    `kept`: tensors that kept the value they had, as no checkpoint holds it (random seeds, metrics, ...).
    `missing`: tensors of the objects for which the checkpoint had nothing; they are as they were.
    `unread`: every key of the checkpoint that went nowhere. Where its `reason` says why it is not needed
    (an optimizer's state for objects without one, ...), the plan decided so; `left_over` are the others.
    """

    prefix: str
    plan: Plan
    restored: tuple[Step, ...]
    kept: tuple[Step, ...] = ()
    missing: tuple[Left, ...] = ()
    unread: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def left_over(self) -> tuple[Left, ...]:
        """The unread keys that nobody decided about."""
        return self.plan.unused

    def assert_consumed(self) -> ObjectReport:
        """The report itself. Raises AssertionError, naming all, where anything is left over or missing."""
        if self.left_over or self.missing:
            raise AssertionError(str(self))
        return self

    def __str__(self) -> str:
        counts = (
            f"{len(self.restored)} restored, {len(self.missing)} missing, {len(self.unread)} unread "
            f"({len(self.left_over)} of them left over), {len(self.kept)} kept as they were"
        )
        lines = [f"{self.prefix}: {counts}"]
        lines += [f"  missing from the checkpoint: {_told(left)}" for left in self.missing]
        lines += [f"  unread in the checkpoint: {_told(left)}" for left in self.unread]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(map(printable, lines))


def _told(left: Left) -> str:
    name = left.paths[0] if left.paths else left.key
    nearest = f"; the nearest: {', '.join(left.nearest)}" if left.nearest else ""
    return f"{name} {left.spec}" + (f": {left.reason}" if left.reason else "") + nearest
