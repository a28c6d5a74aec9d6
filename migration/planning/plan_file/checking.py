"""Whether the steps of a plan file fit its source, its template, and each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migration.formats.object_graph import ObjectGraph
from migration.planning.fields import Findings
from migration.planning.plan import Confidence, Step
from migration.planning.plan_file.account import graph_keys
from migration.planning.plan_file.reading import check_partitions
from migration.planning.transforms import TransformError, step_output
from migration.suggest import NameIndex, did_you_mean
from migration.tensors import TensorSpec

MOST_SUGGESTIONS = 50  # problems that come with suggestions


@dataclass
class Checks:
    """The state of checking one file's steps."""

    findings: Findings
    specs: Mapping[str, TensorSpec]
    graph: ObjectGraph | None
    suggested: int = 0
    known: Mapping[str, object] = field(default_factory=dict)
    indexes: dict[int, NameIndex] = field(default_factory=dict)

    def steps(self, steps: Sequence[Step], numbers: Mapping[str, list[int]]) -> None:
        """Tells every step that cannot be applied. `numbers` are the tables that name each target."""
        self.known = dict.fromkeys(graph_keys(self.graph)) if self.graph is not None else {}
        for target, tables in numbers.items():
            for number in tables[1:]:
                first = self.findings.document.place("step", tables[0], "target")
                message = f"{target!r} is the target of another step already ({first}): delete one of them"
                self.findings.tell("duplicate", message, "step", number, "target")
        for step in steps:
            self._step(step, numbers[step.target][0])

    def _step(self, step: Step, number: int) -> None:
        if self.graph is not None and step.target not in self.known:
            meant = self._meant(step.target, self.known)
            message = f"the template has no {step.target!r}{meant}"
            self.findings.tell("absent target", message, "step", number, "target")
        absent = [
            source.key for source in step.sources if not source.template and source.key not in self.specs
        ]
        key = "proposed" if step.confidence is Confidence.UNDECIDED else "sources"
        for name in absent:
            meant = self._meant(name, self.specs, step.spec)
            self.findings.tell("absent source", f"the source has no {name!r}{meant}", "step", number, key)
        check_partitions(self.findings, step.spec, step.partitions or (), "step", number, "partitions")
        if not absent and (step.sources or step.confidence is not Confidence.UNDECIDED):
            self._fit(step, number)

    def _fit(self, step: Step, number: int) -> None:
        if not step.sources and not step.transforms:
            message = "no source is chosen: write names into `sources`, or a constant into `transforms`"
            self.findings.tell("undecided", message, "step", number, "sources")
            return
        if step.is_plain and self.specs.get(step.sources[0].key) == step.spec:
            return
        place = "transforms" if step.transforms else "sources"
        try:
            output = step_output(step, self.specs)
        except TransformError as error:
            self.findings.tell("misfit", str(error), "step", number, place)
            return
        if output != step.spec:
            message = f"gives {output}, the target {step.target!r} is {step.spec}"
            self.findings.tell("misfit", message, "step", number, place)

    def _meant(self, name: str, names: Mapping[str, Any], spec: TensorSpec | None = None) -> str:
        self.suggested += 1
        if self.suggested > MOST_SUGGESTIONS:
            return ""
        if id(names) not in self.indexes:
            self.indexes[id(names)] = NameIndex(names if names is self.specs else list(names))
        return did_you_mean(self.indexes[id(names)].nearest(name, spec))
