"""A plan as the text of its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from migration.formats.object_graph import ObjectGraph
from migration.planning.fields import slice_text
from migration.planning.packed import packed
from migration.planning.plan import Confidence, Left, Plan, Source, Step
from migration.planning.plan_file.account import unaccounted_sources, unaccounted_targets
from migration.planning.signature import signature_digest
from migration.planning.toml import lines
from migration.planning.transforms import Transform, to_table
from migration.version import tool_version

FORMAT = 1  # raised when a reader of today would misread the file
_HEADER = """\
# A migration plan: one [[step]] for each tensor of the result. Edit it, apply it with ckpt-migrate --plan.
# To decide an undecided step, write the chosen names into its `sources`; `confidence` may stay as it is.
# To accept what is `proposed`, write "certain" for its `confidence`. To drop an [[unused]] tensor of the
# source, rename its header to [[drop]]. {summary}.
"""


def to_toml(plan: Plan) -> str:
    """The plan file's text; `from_toml` reads it back to an equal plan."""
    blocks = [_HEADER.format(summary=_summary(plan)) + _block(None, _header(plan))]
    blocks.append(_block("[source]", {"digest": signature_digest(plan.source.specs)}))
    if plan.template is not None:
        blocks.append(_block("[template]", {"path": plan.template.path, "digest": plan.template.digest}))
    blocks += [_block("[[step]]", _step(step)) for step in plan.steps]
    for header, items in (
        ("[[drop]]", plan.drops),
        ("[[unused]]", plan.unused),
        ("[[unfilled]]", plan.unfilled),
    ):
        blocks += [_block(header, _left(item)) for item in items]
    blocks.append(_block("[source.tensors]", {key: str(spec) for key, spec in plan.source.specs.items()}))
    if plan.source.partitions:
        blocks.append(
            _block(
                "[source.partitions]", {key: _slices(parts) for key, parts in plan.source.partitions.items()}
            )
        )
    graphs = {"result": plan.graph, "source": plan.source.graph}
    if any(graph is not None for graph in graphs.values()):
        blocks.append(_block("[graph]", {name: _packed(graph) for name, graph in graphs.items() if graph}))
    return "\n".join(blocks)


def _summary(plan: Plan) -> str:
    counts = Counter(step.confidence for step in plan.steps)
    told = [f"{counts[confidence]} {confidence.value}" for confidence in Confidence if counts[confidence]]
    left = {"dropped": plan.drops, "unused": plan.unused, "unfilled": plan.unfilled}
    return ", ".join([*told, *(f"{len(items)} {word}" for word, items in left.items() if items)]) or "Empty"


def _header(plan: Plan) -> dict[str, Any]:
    optional = {
        "notes": plan.notes,
        "unaccounted_sources": unaccounted_sources(plan),
        "unaccounted_targets": unaccounted_targets(plan),
    }
    return {
        "format": FORMAT,
        "tool": tool_version(),
        "to": plan.to,
        **{key: item for key, item in optional.items() if item},
    }


def _block(header: str | None, values: dict[str, Any]) -> str:
    return "\n".join([*([header] if header else []), *lines(values), ""])


def _step(step: Step) -> dict[str, Any]:
    undecided = step.confidence is Confidence.UNDECIDED
    sources = [_source(source) for source in step.sources]
    values: dict[str, Any] = {"target": step.target, "spec": str(step.spec)}
    if step.paths:
        values["paths"] = step.paths
    if step.full_name:
        values["full_name"] = step.full_name
    values["sources"] = [] if undecided else sources
    if undecided and sources:
        values["proposed"] = sources
    if step.candidates:
        values["candidates"] = step.candidates
    if step.transforms:
        values["transforms"] = _transforms(step.transforms)
    if step.partitions is not None:
        values["partitions"] = _slices(step.partitions)
    values |= {"confidence": step.confidence.value, "origin": step.origin}
    if step.reason:
        values["reason"] = step.reason
    return values


def _source(source: Source) -> Any:
    if not source.transforms and not source.template:
        return source.key
    values: dict[str, Any] = {"key": source.key}
    if source.transforms:
        values["transforms"] = _transforms(source.transforms)
    if source.template:
        values["template"] = True
    return values


def _transforms(transforms: Iterable[Transform]) -> list[dict[str, Any]]:
    return [to_table(transform) for transform in transforms]


def _left(item: Left) -> dict[str, Any]:
    optional = {
        "equal_to": item.equal_to,
        "reason": item.reason,
        "nearest": item.nearest,
        "paths": item.paths,
        "full_name": item.full_name,
    }
    return {
        "key": item.key,
        "spec": str(item.spec),
        **{key: value for key, value in optional.items() if value},
    }


def _slices(parts: Iterable[Any]) -> list[str]:
    return [slice_text(part) for part in parts]


def _packed(graph: ObjectGraph) -> str:
    return packed(graph.to_bytes(), 9)
