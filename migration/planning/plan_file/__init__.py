"""The plan file: a plan as TOML that a person reads, edits, and has applied exactly.

A file holds a header (format, tool version, direction, digests of source and template), one `[[step]]`
for each tensor of the result in the plan's order, what is left over (`[[drop]]`, `[[unused]]`,
`[[unfilled]]`), the source's tensors (`[source.tensors]`), and at its end the object graphs.

    [[step]]
    target = "model/dense/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    spec = "float32[4, 3]"
    sources = ["net/w"]
    transforms = [{transpose = [1, 0]}]
    confidence = "certain"
    origin = "rule"

What a person does in it:

- decides an undecided step: writes the chosen names into its `sources`. Its `confidence` may stay: an
  undecided step that has sources is decided. Or accepts what stands under `proposed` by writing
  "certain" for its `confidence`. The `transforms` are applied to whatever is chosen.
- drops a tensor that nothing uses: renames its `[[unused]]` to `[[drop]]`.
- fills a target: writes a `[[step]]` with `target` and `sources`, or with `transforms = [{constant = 0}]`;
  `spec` may be left out: it is the one of the target's `[[unfilled]]`, which need not be deleted, nor need
  the sources' `[[unused]]`.
- deletes a step: its tensors then count as unused and unfilled.

A source of several is joined by the first of `transforms`; one that is changed before is a table,
`{key = "a", transforms = [{transpose = [1, 0]}]}`; one of the template's has `template = true`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from migration.errors import InputError, PlanError, Problem, TargetError
from migration.planning.fields import Findings, one_of, text, texts
from migration.planning.plan import Confidence, Direction, Left, Plan, SourceSignature
from migration.planning.plan_file.account import unaccounted_sources, unaccounted_targets
from migration.planning.plan_file.checking import Checks
from migration.planning.plan_file.reading import (
    read_graph,
    read_left,
    read_partitions,
    read_steps,
    read_template,
    read_tensors,
)
from migration.planning.plan_file.writing import FORMAT, to_toml
from migration.planning.signature import apply_as_rules, check_source, signature_digest
from migration.storage import replace_file

__all__ = [
    "apply_as_rules",
    "check_source",
    "from_toml",
    "read_plan",
    "signature_digest",
    "to_toml",
    "write_plan",
]

_TOP_KEYS = (
    "format",
    "tool",
    "to",
    "notes",
    "unaccounted_sources",
    "unaccounted_targets",
    "source",
    "template",
    "step",
    "drop",
    "unused",
    "unfilled",
    "graph",
)


def from_toml(content: str, where: str) -> Plan:
    """The plan of a plan file's text; `where` names it in errors.

    Raises PlanError with every problem, each with its line: unknown keys, wrong types, absent sources
    and targets, duplicate targets, transforms that do not fit, decided steps without a source.
    """
    from migration.planning.document import read_document  # only what a person edits needs its lines

    document = read_document(content, where)
    findings = Findings(document)
    _check_header(findings)
    specs = read_tensors(findings)
    partitions = read_partitions(findings, specs)
    unfilled = read_left(findings, "unfilled")
    steps = read_steps(findings, specs, {left.key: left.spec for left in unfilled})
    plan = Plan(
        to=findings.read(document.values, _direction, "object", "to"),
        source=SourceSignature(specs=specs, partitions=partitions, graph=read_graph(findings, "source")),
        steps=tuple(steps),
        drops=tuple(read_left(findings, "drop")),
        unused=tuple(read_left(findings, "unused")),
        unfilled=tuple(unfilled),
        notes=findings.read(document.values, texts, (), "notes"),
        graph=read_graph(findings, "result"),
        template=read_template(findings),
    )
    _check_digest(findings, plan)
    numbers = _tables_of_targets(findings)
    Checks(findings, specs, plan.graph if plan.to == "object" else None).steps(steps, numbers)
    complete = not findings.problems
    settled = _settled(plan, findings.read(document.values, texts, (), "unaccounted_sources"))
    if complete:
        _check_deleted(findings, settled)
    findings.raise_if_any(f"{where} cannot be applied")
    return settled


def _direction(value: object) -> Direction:
    chosen = one_of("object", "name", "rename")(value)
    return "object" if chosen == "object" else "name" if chosen == "name" else "rename"


def _check_header(findings: Findings) -> None:
    values = findings.document.values
    findings.check_keys(values, _TOP_KEYS)
    findings.check_keys(findings.table("source"), ("digest", "tensors", "partitions"), "source")
    findings.check_keys(findings.table("graph"), ("result", "source"), "graph")
    findings.require(values, "to")
    findings.read(values, text, "", "tool")
    if values.get("format", FORMAT) != FORMAT:
        findings.tell(
            "format", f"format {values['format']!r} of a plan file; this tool reads {FORMAT}", "format"
        )


def _check_digest(findings: Findings, plan: Plan) -> None:
    """An edit among the source's tensors makes a plan for a source that nobody has: it is told."""
    digest = findings.read(findings.table("source"), text, None, "source", "digest")
    if digest is not None and not findings.problems and digest != signature_digest(plan.source.specs):
        message = "[source.tensors] was edited: restore it, or delete this line if that was meant"
        findings.tell("digest", message, "source", "digest")


def _tables_of_targets(findings: Findings) -> dict[str, list[int]]:
    """For each target the numbers of the [[step]] tables that name it."""
    found: dict[str, list[int]] = {}
    steps = findings.document.values.get("step", [])
    for number, table in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(table, dict) and isinstance(table.get("target"), str):
            found.setdefault(table["target"], []).append(number)
    return found


def _settled(plan: Plan, silent: Sequence[str]) -> Plan:
    """The plan with its left-overs as the edited steps leave them."""
    decided = [step for step in plan.steps if step.confidence is not Confidence.UNDECIDED]
    used = {source.key for step in decided for source in step.sources if not source.template}
    targets = {step.target for step in plan.steps}
    unused = [left for left in plan.unused if left.key not in used]
    lost = sorted(set(unaccounted_sources(plan)) - set(silent))
    unused += [
        Left(key=key, spec=plan.source.specs[key], reason="no step of the edited plan uses it")
        for key in lost
    ]
    unfilled = [left for left in plan.unfilled if left.key not in targets]
    return replace(plan, unused=tuple(unused), unfilled=tuple(unfilled))


def _check_deleted(findings: Findings, plan: Plan) -> None:
    """A target whose step was deleted has to be told as unfilled: only its own table knows what it is."""
    silent = findings.read(findings.document.values, texts, (), "unaccounted_targets")
    for key in sorted(set(unaccounted_targets(plan)) - set(silent)):
        message = f"the template's {key!r} has no step any more: restore it, or list it under [[unfilled]]"
        findings.tell("unfilled", message)


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in a file. Raises InputError where it cannot be read, PlanError where it is wrong."""
    return from_toml(read_text(path), os.fspath(path))


def read_text(path: str | os.PathLike[str]) -> str:
    """A text file of the user's. Raises InputError where it cannot be read, PlanError if it is no UTF-8."""
    name = os.fspath(path)
    try:
        with open(name, encoding="utf-8", newline="") as file:
            return file.read().replace("\r\n", "\n").removeprefix("\ufeff")
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}: check the path") from None
    except UnicodeDecodeError as error:
        problem = Problem(
            kind="encoding", where=name, message=f"byte {error.start} is no UTF-8: save it as UTF-8"
        )
        raise PlanError(f"{name} is not valid TOML", [problem]) from None


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Writes the plan file, aside first and then in one move. Raises TargetError where that fails."""
    name = os.fspath(path)
    try:
        replace_file(name, to_toml(plan).encode("utf-8"))
    except OSError as error:
        raise TargetError(f"{name}: cannot be written: {error.strerror}: choose another path") from None
