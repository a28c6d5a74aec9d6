"""From names to objects and back, and nothing is changed on the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.convert.execute import DataMode
from migration.errors import PlanError, ProblemsError, UnmappedError
from migration.pairing import Pairing
from migration.planning.plan import Plan, Source, Step
from migration.planning.planner import make_plan
from migration.planning.targets import Template, Writable
from migration.testing.opening import Openable, opened
from migration.testing.same_tensors import difference
from migration.testing.wording import count, section, told

if TYPE_CHECKING:
    from migration.planning.options import Options
    from migration.planning.rules import Rules


class NoWayError(UnmappedError):
    """No complete way leads from the names to the objects; nothing was compared."""


def assert_round_trip(
    prefix: Openable,
    template: Openable | Writable | Template | None = None,
    rules: Rules | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    options: Options | None = None,
    data: DataMode = "copy",
    rtol: float = 0,
    atol: float = 0,
) -> None:
    """Raises AssertionError unless a name-based checkpoint comes back equal from a trip to objects.

    It is migrated onto `template`, or mirrored without one (the other arguments are `make_plan`'s and
    `execute`'s), and back by its manifest, in a temporary directory. Keys, dtypes, shapes, partitions and
    every byte have to be equal; a tolerance is for plans that round. A tensor that was dropped on the way
    is told with the reason.

    Raises NoWayError, which is no AssertionError, where the plan leaves anything without a place.
    """
    __tracebackhide__ = True
    source = opened(prefix, "prefix")
    onto = None if template is None else Template.of(template)
    with tempfile.TemporaryDirectory(prefix="ckpt-round-trip-") as folder:
        plan, there = _there(source, onto, rules, mapping, options, os.path.join(folder, "there"), data)
        back = _back(there, os.path.join(folder, "back"), data)
        text = _changed(source, back, plan, rtol, atol)
        there.close()
        back.close()
    if text:
        raise AssertionError(text)


def _there(
    source: Checkpoint,
    onto: Template | None,
    rules: Rules | None,
    mapping: Mapping[str, str] | None,
    options: Options | None,
    prefix: str,
    data: DataMode,
) -> tuple[Plan, Checkpoint]:
    where = "a mirror of its names" if onto is None else f"the template {onto.checkpoint.prefix}"
    try:
        plan = make_plan(source, onto, mapping=mapping, rules=rules, options=options)
        execute(plan, source, prefix, data=data, template=None if onto is None else onto.checkpoint)
    except (PlanError, UnmappedError) as error:
        raise NoWayError(f"no way from {source.prefix} to {where}: {error.summary}", error.problems) from None
    return plan, Checkpoint.open(prefix)


def _back(there: Checkpoint, prefix: str, data: DataMode) -> Checkpoint:
    try:
        execute(make_plan(there, to="name"), there, prefix, data=data, manifest=False)
    except ProblemsError as error:
        raise AssertionError(f"no way back by the manifest: {error}") from error
    return Checkpoint.open(prefix)


def _changed(source: Checkpoint, back: Checkpoint, plan: Plan, rtol: float, atol: float) -> str:
    """What did not come back as it was, for people; empty where all did."""
    reasons = {left.key: left.reason for left in (*plan.drops, *plan.unused)}
    gone = [
        f"{key}  {spec}: {reasons.get(key) or 'the objects do not give it back'}"
        for key, spec in source.specs.items()
        if key not in back
    ]
    recut = [
        f"{key}: {_parts(back, key)}, it was in {_parts(source, key)}"
        for key in source.keys
        if key in back and source.partitions.get(key) != back.partitions.get(key)
    ]
    text = difference(source, back, _paired(source, back), rtol, atol)
    if not (gone or recut or text):
        return ""
    return told(
        f"{source.prefix} does not come back as it was",
        section(f"{count(len(gone), 'tensor')} lost on the way", gone),
        section("cut into other parts", recut),
        [f"  {line}" for line in text.splitlines()],
    )


def _paired(source: Checkpoint, back: Checkpoint) -> Pairing:
    """Each key with itself; what the way back lacks is told apart, with the reason."""
    steps = [
        Step(target=key, spec=spec, sources=(Source(key=key),))
        for key, spec in source.specs.items()
        if key in back
    ]
    more = tuple(key for key in back.keys if key not in source)
    return Pairing(basis="key", steps=tuple(steps), migrated_only=more)


def _parts(checkpoint: Checkpoint, key: str) -> str:
    return count(len(checkpoint.partitions.get(key, ((),))), "part")
