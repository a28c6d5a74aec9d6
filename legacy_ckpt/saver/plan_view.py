"""A migration plan as the object view of a Saver."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from legacy_ckpt.saver.two_views import Additions, Place
from migration.checkpoint import Checkpoint
from migration.convert.execute import check_decided, check_source
from migration.convert.outputs import computed_array, step_arrays
from migration.formats.object_graph import GRAPH_KEY
from migration.planning.plan import Plan, Source, Step
from migration.planning.remembered import remembered_template


class PlanView:
    """A migration plan, made once for a checkpoint of the same variables."""

    def __init__(self, plan: Plan) -> None:
        """Raises UnmappedError where the plan leaves anything undecided."""
        check_decided(plan)
        self._plan = plan

    def additions(self, saver: Any, prefix: str) -> Additions:
        """Steps that only rename become keys on the same bytes; what others compute is written."""
        checkpoint = Checkpoint.open(prefix)
        check_source(self._plan, checkpoint)
        renaming = [step for step in self._plan.steps if _renames(step)]
        aliases = {step.target: Place(step.sources[0].key) for step in renaming}
        values: dict[str, Any] = {
            step.target: computed_array(step, step_arrays(step, lambda taken: self._side(taken, checkpoint)))
            for step in self._plan.steps
            if step not in renaming
        }
        if self._plan.graph is not None:
            values[GRAPH_KEY] = np.array(self._plan.graph.to_bytes(), object)
        return Additions(aliases, values)

    def _side(self, taken: Source, checkpoint: Checkpoint) -> Checkpoint:
        if not taken.template:
            return checkpoint
        template = remembered_template(self._plan, os.path.dirname(checkpoint.prefix))
        if template is None:
            raise ValueError(f"the plan takes {taken.key!r} from a template, and names none")
        return template


def _renames(step: Step) -> bool:
    return step.is_plain and not step.sources[0].template and step.partitions is None
