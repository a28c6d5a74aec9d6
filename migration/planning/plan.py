"""A migration as a value: what each tensor of the result is made of, and why.

A `Plan` is complete before anything is written: to print it is the dry run, to save it is the plan
file, to execute it is the only thing that writes.
"""

from __future__ import annotations

from dataclasses import dataclass

from migration.formats.object_graph import ObjectGraph
from migration.planning.steps import (
    Confidence,
    Direction,
    Left,
    Source,
    SourceSignature,
    Step,
    TemplateReference,
)

__all__ = [
    "Confidence",
    "Direction",
    "Left",
    "Plan",
    "Source",
    "SourceSignature",
    "Step",
    "TemplateReference",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes where.

    `unused` and `unfilled` are left-overs that nobody decided about; `drops` were decided.
    """

    to: Direction
    source: SourceSignature
    steps: tuple[Step, ...]
    drops: tuple[Left, ...] = ()
    unused: tuple[Left, ...] = ()
    unfilled: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    graph: ObjectGraph | None = None  # the result's, where it is object-based
    template: TemplateReference | None = None

    def reverse(self) -> Plan:
        """The plan of the way back: from what this plan makes to the source that it was made for.

        Every tensor of the source that the result still determines gets a step, partitions included;
        the others (dropped, or changed beyond return) are `unfilled`, with the reason. What the result
        holds and the source never had (constants, tensors of the template, second copies) becomes
        `drops`. Reversing a plan of invertible steps twice gives its steps back.
        """
        from migration.planning.reversal import reverse_steps  # most plans are never reversed

        back = reverse_steps(self.source, self.steps, (*self.drops, *self.unused))
        onto_objects = self.source.graph is not None
        return Plan(
            to="object" if onto_objects else "rename" if self.to == "rename" else "name",
            source=SourceSignature(specs=back.specs, partitions=back.partitions, graph=self.graph),
            steps=back.steps,
            drops=back.drops,
            unfilled=back.unfilled,
            notes=back.notes,
            graph=self.source.graph,
        )
