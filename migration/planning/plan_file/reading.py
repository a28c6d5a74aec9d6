"""The tables of a plan file as values. Every fault is told with its line; none stops the reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from migration.errors import FormatError
from migration.formats.object_graph import ObjectGraph
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.fields import (
    Findings,
    WrongValueError,
    flag,
    one_of,
    slices,
    spec,
    text,
    texts,
    transforms,
)
from migration.planning.packed import unpacked
from migration.planning.plan import Confidence, Left, Source, Step, TemplateReference
from migration.planning.transforms import Constant, TransformError, step_output
from migration.tensors import DType, TensorSpec

STEP_KEYS = (
    "target",
    "spec",
    "paths",
    "full_name",
    "sources",
    "proposed",
    "candidates",
    "transforms",
    "partitions",
    "confidence",
    "origin",
    "reason",
)
LEFT_KEYS = ("key", "spec", "equal_to", "reason", "nearest", "paths", "full_name")
REVIEWED = "review"  # the origin of a step that a person decided in the file
_UNKNOWN = TensorSpec(DType.VARIANT, ())  # stands in where a spec is absent, until it is computed


def read_tensors(findings: Findings) -> dict[str, TensorSpec]:
    """[source.tensors]: every tensor of the source."""
    return _each(findings, "tensors", spec)


def read_partitions(
    findings: Findings, specs: Mapping[str, TensorSpec]
) -> dict[str, tuple[TensorSlice, ...]]:
    """[source.partitions]: the slices of the partitioned ones."""
    found = _each(findings, "partitions", slices)
    for key, parts in found.items():
        if key not in specs:
            findings.tell("absent", f"{key!r} is not among the source's tensors", "source", "partitions", key)
        else:
            check_partitions(findings, specs[key], parts, "source", "partitions", key)
    return found


def check_partitions(
    findings: Findings, whole: TensorSpec, parts: Sequence[TensorSlice], *path: str | int
) -> None:
    """Tells the first slice that does not lie in the tensor."""
    try:
        for part in parts:
            part.resolved(whole.shape)
    except FormatError as error:
        findings.tell("wrong value", str(error), *path)


def _each(findings: Findings, table: str, reader: Callable[[Any], Any]) -> dict[str, Any]:
    values = findings.table("source", table)
    found = {key: findings.read(values, reader, None, "source", table, key) for key in values}
    return {key: value for key, value in found.items() if value is not None}


def read_template(findings: Findings) -> TemplateReference | None:
    """[template]: which template the plan was made for."""
    if "template" not in findings.document.values:
        return None
    table = findings.table("template")
    findings.check_keys(table, ("path", "digest"), "template")
    return TemplateReference(
        path=findings.read(table, text, "", "template", "path"),
        digest=findings.read(table, text, "", "template", "digest"),
    )


def read_graph(findings: Findings, name: str) -> ObjectGraph | None:
    """One of the object graphs in [graph]."""
    return findings.read(findings.table("graph"), _graph, None, "graph", name)


def _graph(value: Any) -> ObjectGraph:
    try:
        return ObjectGraph.from_bytes(unpacked(text(value)))
    except (ValueError, FormatError) as error:
        raise WrongValueError(
            f"no object graph ({error}): take the line from the plan as it was written"
        ) from None


def read_left(findings: Findings, header: str) -> list[Left]:
    """The tables [[drop]], [[unused]] or [[unfilled]]."""
    found: list[Left] = []
    for number, table in findings.tables(header):
        at = (header, number)
        findings.check_keys(table, LEFT_KEYS, *at)
        if findings.require(table, *at, "key") and findings.require(table, *at, "spec"):
            found.append(
                Left(
                    key=findings.read(table, text, "", *at, "key"),
                    spec=findings.read(table, spec, _UNKNOWN, *at, "spec"),
                    reason=findings.read(table, text, "", *at, "reason"),
                    nearest=findings.read(table, texts, (), *at, "nearest"),
                    paths=findings.read(table, texts, (), *at, "paths"),
                    full_name=findings.read(table, text, "", *at, "full_name"),
                    equal_to=findings.read(table, text, "", *at, "equal_to"),
                )
            )
    return found


def read_steps(
    findings: Findings, specs: Mapping[str, TensorSpec], unfilled: Mapping[str, TensorSpec]
) -> list[Step]:
    """The tables [[step]]; those that are wrong in themselves are told and left out.

    `specs` are the source's tensors, `unfilled` the targets that nothing filled when the plan was made.
    """
    found: list[Step] = []
    for number, table in findings.tables("step"):
        before = len(findings.problems)
        step = _step(findings, table, number, specs, unfilled)
        if len(findings.problems) == before:
            found.append(step)
    return found


def _step(
    findings: Findings,
    table: Mapping[str, Any],
    number: int,
    specs: Mapping[str, TensorSpec],
    unfilled: Mapping[str, TensorSpec],
) -> Step:
    at = ("step", number)
    findings.check_keys(table, STEP_KEYS, *at)
    findings.require(table, *at, "target")
    chosen = findings.read(table, _sources, (), *at, "sources")
    proposed = findings.read(table, _sources, (), *at, "proposed")
    said = findings.read(table, _confidence, Confidence.CERTAIN, *at, "confidence")
    reviewed = said is Confidence.UNDECIDED and bool(chosen)
    step = Step(
        target=findings.read(table, text, "", *at, "target"),
        spec=findings.read(table, spec, _UNKNOWN, *at, "spec"),
        sources=chosen or proposed,
        transforms=findings.read(table, transforms, (), *at, "transforms"),
        origin=REVIEWED if reviewed else findings.read(table, text, "mapping", *at, "origin"),
        reason=findings.read(table, text, "", *at, "reason"),
        confidence=Confidence.CERTAIN if reviewed else said,
        candidates=() if reviewed else findings.read(table, texts, (), *at, "candidates"),
        paths=findings.read(table, texts, (), *at, "paths"),
        full_name=findings.read(table, text, "", *at, "full_name"),
        partitions=findings.read(table, slices, None, *at, "partitions"),
    )
    wanted = unfilled.get(step.target)
    if "spec" not in table:
        return replace(step, spec=wanted) if wanted else _completed(findings, step, number, specs)
    if wanted not in (None, step.spec):
        findings.tell("misfit", f"the template's {step.target!r} is {wanted}", *at, "spec")
    return step


def _completed(findings: Findings, step: Step, number: int, specs: Mapping[str, TensorSpec]) -> Step:
    """A step written without a spec, with the one that comes out of it; a misfit is told later.

    What a template asks for is more than what comes out: there it has to be said.
    """
    if "template" in findings.document.values:
        message = "spec is missing: write the template's dtype and shape, or keep the target's [[unfilled]]"
        findings.tell("missing key", message, "step", number, "target")
        return step
    if not step.sources and len(step.transforms) == 1 and isinstance(step.transforms[0], Constant):
        return replace(step, spec=step.transforms[0].output(()))
    try:
        return replace(step, spec=step_output(step, specs))
    except TransformError:
        return step


def _confidence(value: Any) -> Confidence:
    return Confidence(one_of(*(confidence.value for confidence in Confidence))(value))


def _sources(value: Any) -> tuple[Source, ...]:
    if not isinstance(value, list):
        raise WrongValueError("a list of names of the source is wanted")
    return tuple(_source(item) for item in value)


def _source(value: Any) -> Source:
    if isinstance(value, str):
        return Source(key=value)
    if not isinstance(value, dict) or not {"key"} <= set(value) <= {"key", "transforms", "template"}:
        raise WrongValueError(
            'names, or tables such as {key = "a/b", transforms = [{transpose = [1, 0]}]}, are wanted'
        )
    return Source(
        key=text(value["key"]),
        transforms=transforms(value.get("transforms", [])),
        template=flag(value.get("template", False)),
    )
