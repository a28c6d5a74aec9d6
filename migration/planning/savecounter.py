"""`save_counter`: the one variable that tf.train.Checkpoint adds of itself.

`tf.train.Checkpoint.restore` wants it in the file, and the next `save` writes the number after it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from migration.formats.object_graph import VALUE, Attribute, Child, Node, ObjectGraph, checkpoint_key
from migration.planning.plan import Plan, Step
from migration.planning.transforms import Constant
from migration.tensors import DType, TensorSpec

NAME = "save_counter"
SAVE_COUNTER_KEY = checkpoint_key((NAME,))
ORIGIN = "save counter"
_NUMBERED = re.compile(r"(?<!-of)-(\d{1,18})(?:-[\d?]{5}-of-[\d?]{5})?$")  # V1 prefixes end with their shards


def save_counter_step(key: str = SAVE_COUNTER_KEY, count: int = 1) -> Step:
    """The step that writes the counter: an int64 scalar."""
    return Step(
        target=key,
        spec=TensorSpec(DType.INT64, ()),
        transforms=(Constant(count),),
        origin=ORIGIN,
        reason="tf.train.Checkpoint counts its saves; set to the number that ends the prefix, else 1",
        paths=(NAME,),
        full_name=NAME,
    )


def with_save_counter(graph: ObjectGraph) -> ObjectGraph:
    """The graph with a save counter at its root: a template that was written by `write` has none."""
    root = graph.nodes[0]
    if root.child(NAME) is not None:
        return graph
    counter = Node(attributes=(Attribute(VALUE, NAME, SAVE_COUNTER_KEY),), has_checkpoint_values=True)
    root = replace(root, children=(*root.children, Child(NAME, len(graph.nodes))))
    return replace(graph, nodes=(root, *graph.nodes[1:], counter))


def number_of(prefix: str) -> int | None:
    """The number that a prefix such as model.ckpt-1000 ends with; None where there is none."""
    match = _NUMBERED.search(prefix)
    return int(match[1]) if match else None


def counted(plan: Plan, destination: str) -> Plan:
    """The plan with its save counter set to the number in `destination`, so that the next save counts on."""
    count = number_of(destination)
    if count is None:
        return plan
    return replace(
        plan,
        steps=tuple(
            save_counter_step(step.target, count) if step.origin == ORIGIN and not step.sources else step
            for step in plan.steps
        ),
    )
