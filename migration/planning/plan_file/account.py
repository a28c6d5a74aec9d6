"""What a plan says nothing about: tensors of the source, and keys of the result's object graph."""

from __future__ import annotations

from migration.formats.object_graph import ObjectGraph
from migration.planning.plan import Plan


def unaccounted_sources(plan: Plan) -> list[str]:
    """Keys of the source that are in no step, not dropped and not told as unused."""
    told = {source.key for step in plan.steps for source in step.sources if not source.template}
    told.update(left.key for left in (*plan.drops, *plan.unused))
    return [key for key in plan.source.specs if key not in told]


def unaccounted_targets(plan: Plan) -> list[str]:
    """Keys of the result's object graph that have no step and are not told as unfilled."""
    if plan.graph is None:
        return []
    told = {step.target for step in plan.steps} | {left.key for left in plan.unfilled}
    return [key for key in graph_keys(plan.graph) if key not in told]


def graph_keys(graph: ObjectGraph) -> list[str]:
    """The checkpoint keys that a graph names, once each, in its order."""
    return list(
        dict.fromkeys(attribute.checkpoint_key for node in graph.nodes for attribute in node.attributes)
    )
