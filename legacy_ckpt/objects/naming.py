"""`save_names`: a name-based checkpoint from live objects, for the pipeline that still wants one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from legacy_ckpt.objects.building import refuse_unbuilt
from legacy_ckpt.objects.live import live, refuse_empty, rooted
from legacy_ckpt.objects.planning import PlanLike, RulesLike
from legacy_ckpt.saver.arguments import refuse_unfilled
from migration.convert import Receipt, execute
from migration.errors import InputError
from migration.planning.options import Options
from migration.planning.plan import Plan
from migration.planning.plan_file import read_plan
from migration.planning.planner import Openable, make_plan
from migration.planning.rules import Rules


def save_names(
    target: Any,
    prefix: str | os.PathLike[str],
    *,
    like: Openable | None = None,
    mapping: Mapping[str, str] | None = None,
    rules: RulesLike = None,
    options: Options | None = None,
    plan: PlanLike = None,
    overwrite: bool = False,
) -> Receipt:
    """Write the values of live objects under variable names: what `tf.compat.v1.train.Saver` restores.

    target: as for `restore`.
    like: a name-based checkpoint whose names, shapes and optimizer slots the result is to have: the way back
        of the migration that led from it. Otherwise names are the variables' own (their full names in the
        object graph), changed by `mapping` (from paths to names) and `rules`.
    plan: a plan of the direction "name" instead of all that.

    Returns the receipt of the write; its `prefix` is what a Saver restores. Raises NotBuiltError, PlanError
    where names are missing or collide, UnmappedError where something of `like` is left without a value,
    ValueError for a prefix with a field such as {epoch}, and TargetError where the prefix exists (unless
    `overwrite`) or cannot be written. Written aside and renamed: after an error nothing is left behind.
    """
    refuse_unfilled(os.fspath(prefix))
    root = rooted(target)
    refuse_unbuilt(root, optimizers=False, unused=False)
    source = live(root)
    refuse_empty(source)
    if plan is None:
        plan = make_plan(
            source,
            like,
            to="name",
            mapping=mapping,
            rules=None if rules is None else Rules.of(rules),
            options=options,
        )
    elif not isinstance(plan, Plan):
        plan = read_plan(plan)
    if plan.to != "name":
        raise InputError(f"the plan leads to {plan.to}s, not to names: make one with to='name'")
    return execute(plan, source, prefix, manifest=False, overwrite=overwrite)
