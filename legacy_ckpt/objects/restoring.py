"""`restore`: a name-based checkpoint straight into live objects."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from legacy_ckpt.objects.live import LiveCheckpoint
from legacy_ckpt.objects.planning import PlanLike, RulesLike, Task, check_decided, task_for
from legacy_ckpt.objects.reading import assign, verified
from legacy_ckpt.objects.report import ObjectReport
from migration.checkpoint import Checkpoint
from migration.errors import InputError
from migration.planning.options import Options
from migration.planning.plan import Confidence, Plan, Step


def restore(
    target: Any,
    path: Checkpoint | str | os.PathLike[str] | None,
    plan: PlanLike = None,
    rules: RulesLike = None,
    *,
    mapping: Mapping[str, str] | None = None,
    options: Options | None = None,
    partial: bool = False,
) -> ObjectReport:
    """Give live objects the values of a checkpoint of any age and style; nothing is written.

    target: a tf.train.Checkpoint, a Keras 3 or tf_keras model, an optimizer, a tf.Module, or a dict or list
        of such. It has to be built.
    path: whatever `migration.Checkpoint.open` opens.
    plan: a Plan or the path of a plan file; or `rules` (what `Rules.of` takes), `mapping` and `options` as
        for `migration.make_plan`, which decides by full names, paths and likeness otherwise.
    partial: leave tensors as they are for which the checkpoint has nothing, and layers that a built model
        never called.

    Returns what was restored and what was not, on both sides, unread keys included. Raises NotBuiltError,
    CheckpointNotFoundError, UnmappedError where something is undecided or (unless `partial`) missing,
    PlanError, FormatError. After an error no object has changed, except where the file changed during
    the restore: that error says so.
    """
    if path is None:
        raise InputError(
            "path is None: there is no checkpoint to restore, and nothing was changed; latest_checkpoint "
            "gives None for a directory without a state file, TensorFlow's also for a prefix in its place"
        )
    source = path if isinstance(path, Checkpoint) else Checkpoint.open(path)
    task = task_for(target, source, plan, rules, mapping, options, partial)
    check_decided(task.plan, partial)
    steps = [step for step in task.plan.steps if step.target in task.live.places]
    kept = [step for step in steps if _keeps(step)]
    changing = [step for step in steps if not _keeps(step)]
    _check_whole(changing, task.live)
    try:
        assign(verified(changing, source, task.live), source, task.live.places)
    finally:
        if source is not path:
            source.close()
    return _report(task, changing, kept)


def _keeps(step: Step) -> bool:
    """Whether the step is the object's own value."""
    return (
        len(step.sources) == 1
        and step.sources[0].template
        and step.sources[0].key == step.target
        and not (step.transforms or step.sources[0].transforms)
    )


def _check_whole(steps: list[Step], objects: LiveCheckpoint) -> None:
    """Raises InputError where an object with several tensors would get only some of them."""
    given = {step.target for step in steps}
    holders = {id(objects.places[key].holder) for key in given}
    lacking = [
        key for key, place in objects.places.items() if id(place.holder) in holders and key not in given
    ]
    if lacking:
        raise InputError(f"the plan fills a part of an object only; it lacks {', '.join(lacking)}")


def _report(task: Task, restored: list[Step], kept: list[Step]) -> ObjectReport:
    plan: Plan = task.plan
    used = {taken.key for step in plan.steps for taken in step.sources if not taken.template}
    return ObjectReport(
        prefix=task.source.prefix,
        plan=plan,
        restored=tuple(step for step in restored if step.confidence is not Confidence.UNDECIDED),
        kept=tuple(kept),
        missing=plan.unfilled,
        unread=tuple(left for left in (*plan.unused, *plan.drops) if left.key not in used),
        notes=(*task.source.location.remarks, *plan.notes),
    )
