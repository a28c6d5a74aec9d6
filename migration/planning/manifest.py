"""What a result remembers of its source: enough for the way back, from the result alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from migration.errors import FormatError, MigrationError
from migration.planning.fields import WrongValueError, slice_text, slices, spec
from migration.planning.packed import packed, unpacked
from migration.planning.plan import Plan, Source, SourceSignature, Step
from migration.planning.plan_file import from_toml, to_toml
from migration.planning.recovery import uses_of, way_back
from migration.planning.reversal import partial_keys
from migration.planning.transforms import Constant
from migration.version import tool_version

if TYPE_CHECKING:
    import numpy as np

    from migration.formats.object_graph import ObjectGraph

VERSION = 1
SMALL = 64  # bytes; up to this size a tensor is remembered where the result does not hold it as it is
_TEMPLATE = re.compile(r'^\[template\]\n(?:(?!\[).*\n)*?digest = "(?P<digest>[^"]*)"', re.MULTILINE)

# What a table that is not what it should be raises where it is read.
_DAMAGE = (
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError),
    *(WrongValueError, MigrationError),
)

Value = Any
Read = Callable[[str], "np.ndarray[Any, np.dtype[Any]]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The source's digest, the plan, the tool's version, and the small tensors that have no way back.

    `kept` gives their values (nested tuples of numbers, or bytes) by name: beta powers, say, that the
    target computes of itself.
    """

    tool: str
    source_digest: str
    plan: Plan
    kept: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, source_digest: str, read: Read) -> Manifest:
        """The manifest of what `plan` makes of the source with that digest; `read` gives its tensors."""
        return cls(tool=tool_version(), source_digest=source_digest, plan=plan, kept=_kept(plan, read))

    @classmethod
    def from_bytes(cls, raw: bytes, graph: ObjectGraph | None, where: str) -> Manifest:
        """The manifest in a bundle; `graph` is the bundle's own object graph, which it does not repeat.

        Raises FormatError where it is damaged or of a newer version.
        """
        try:
            table = json.loads(raw)
            if table["manifest"] != VERSION:
                raise FormatError(
                    f"{where}: a manifest of version {table['manifest']!r}, and {VERSION} is known: update"
                )
            plan = _joined(
                table, from_toml(unpacked(table["plan"]).decode(), f"the plan in the manifest of {where}")
            )
            kept = {str(name): _kept_value(value) for name, value in table["kept"].items()}
            for name in kept.keys() & plan.source.specs.keys():
                Constant(kept[name]).filled(plan.source.specs[name])
            tool, digest = str(table["tool"]), str(table["source"])
        except FormatError:
            raise
        except _DAMAGE as error:
            raise FormatError(
                f"{where}: its manifest cannot be read ({type(error).__name__}): use full names or a mapping"
            ) from None
        return cls(tool=tool, source_digest=digest, plan=replace(plan, graph=graph), kept=kept)

    def to_bytes(self) -> bytes:
        """The manifest as it stands in the bundle: JSON; the steps that rename in columns, the rest of the
        plan as a packed plan file."""
        plain, rest = _parted(self.plan)
        source = self.plan.source
        table = {
            "manifest": VERSION,
            "tool": self.tool,
            "source": self.source_digest,
            "tensors": {name: str(spec) for name, spec in source.specs.items()},
            "partitions": {
                name: [slice_text(part) for part in parts] for name, parts in source.partitions.items()
            },
            "renamed": plain,
            "kept": {name: _spelled(value) for name, value in self.kept.items()},
            "plan": packed(to_toml(rest).encode(), 1),
        }
        return json.dumps(table, ensure_ascii=True).encode()

    def way_back(self) -> Plan:
        """The plan from the result to the source, with what was kept, and what was dropped told in notes."""
        back = self.plan.reverse()
        specs = self.plan.source.specs
        kept = {
            name: Step(
                target=name,
                spec=specs[name],
                transforms=(Constant(value),),
                origin="manifest",
                reason="the value that the source had",
                partitions=self.plan.source.partitions.get(name),
            )
            for name, value in self.kept.items()
            if name in specs
        }
        steps = {**{step.target: step for step in back.steps}, **kept}
        dropped = {left.key for left in self.plan.drops}
        gone = [left.key for left in back.unfilled if left.key in dropped and left.key not in kept]
        note = f"left out, as the migration had dropped them: {', '.join(gone)}"
        return replace(
            back,
            steps=tuple(steps[name] for name in specs if name in steps),
            unfilled=tuple(
                left for left in back.unfilled if left.key not in dropped and left.key not in kept
            ),
            notes=(*back.notes, *([note] if gone else [])),
        )


def _parted(plan: Plan) -> tuple[dict[str, str], Plan]:
    """The steps that only rename, as target and source, and a plan of the others."""
    plain: dict[str, str] = {}
    others: list[Step] = []
    for step in plan.steps:
        if step.is_plain and step.partitions is None:
            plain[step.target] = step.sources[0].key
        else:
            others.append(step)
    read = {source.key for step in others for source in step.sources if not source.template}
    specs = {name: plan.source.specs[name] for name in read}
    signature = SourceSignature(specs=specs, graph=plan.source.graph)
    return plain, replace(plan, source=signature, steps=tuple(others), graph=None)


def _joined(table: Mapping[str, Any], rest: Plan) -> Plan:
    """The inverse of `_parted`."""
    specs = {name: spec(text) for name, text in table["tensors"].items()}
    partitions = {name: slices(texts) for name, texts in table["partitions"].items()}
    plain = tuple(
        Step(target=target, spec=specs[name], sources=(Source(key=name),), origin="renamed")
        for target, name in table["renamed"].items()
    )
    signature = SourceSignature(specs=specs, partitions=partitions, graph=rest.source.graph)
    return replace(rest, source=signature, steps=(*plain, *rest.steps))


def _kept(plan: Plan, read: Read) -> dict[str, Value]:
    """The values of small tensors that the result does not give back to the byte."""
    plain = {step.sources[0].key for step in plan.steps if step.is_plain}
    partial = partial_keys(plan.source)
    small = [
        name
        for name, spec in plan.source.specs.items()
        if name not in plain and name not in partial and spec.nbytes is not None and spec.nbytes <= SMALL
    ]
    uses = uses_of(plan.source.specs, [step for step in plan.steps if not step.is_plain]) if small else {}
    made = {name: way_back(uses.get(name, [])) for name in small}
    return {
        name: _kept_value(read(name).tolist())
        for name, back in made.items()
        if back is None or not back.exact
    }


def _kept_value(value: Any) -> Value:
    """A tensor's value; one without elements is a number, which takes any shape: [] has forgotten its own."""
    return 0 if value == [] else _frozen(value)


def _frozen(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    if isinstance(value, dict):
        return complex(value["re"], value["im"])
    return value


def _spelled(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_spelled(each) for each in value]
    return {"re": value.real, "im": value.imag} if isinstance(value, complex) else value


def restores(plan: Plan, manifest: bytes) -> bool:
    """Whether `plan` makes of a result, whose manifest this is, just what it was made of: then that manifest
    tells all, and what the plan makes has no more to remember than the original."""
    made = {step.target: str(step.spec) for step in plan.steps}
    try:
        return plan.to == "name" and bool(json.loads(manifest)["tensors"] == made)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def source_digest_of(raw: bytes, where: str) -> str:
    """The source's digest in a manifest, without reading its plan. Raises FormatError where it is damaged."""
    try:
        return str(json.loads(raw)["source"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{where}: its manifest cannot be read ({type(error).__name__})") from None


def template_digest_of(raw: bytes, where: str) -> str | None:
    """The digest of the template that a manifest's plan was made for, None where it was made for none; of
    the plan only the head is read. Raises FormatError where it is damaged."""
    try:
        head = unpacked(json.loads(raw)["plan"]).decode().partition("\n[[")[0]
        found = _TEMPLATE.search(head)
        return found and found["digest"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{where}: its manifest cannot be read ({type(error).__name__})") from None
