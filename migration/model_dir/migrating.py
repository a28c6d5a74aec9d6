"""Every checkpoint of a directory, migrated under one plan."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint, Style
from migration.convert.execute import check_decided
from migration.errors import CheckpointNotFoundError, FormatError, InputError, MigrationError, UnmappedError
from migration.location import INDEX
from migration.model_dir.found import Directory, Found, checkpoints_of
from migration.model_dir.new_state import renew_state
from migration.model_dir.report import DirectoryReport, MigratedCheckpoint, Outcome
from migration.planning.plan import Direction, Plan
from migration.planning.savecounter import counted
from migration.storage import sweep
from migration.verify import verify

if TYPE_CHECKING:
    from migration.planning.options import Options
    from migration.planning.rules import Rules
    from migration.planning.targets import Template, Writable

MOST_WORKERS = 8  # more wait for the disk alone; two a core, as each waits for it half of its time
Progress = Callable[[int, int], None]


def migrate_directory(
    source_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    template: Checkpoint | str | os.PathLike[str] | Writable | Template | None = None,
    *,
    plan: Plan | None = None,
    as_rules: bool = False,
    to: Direction = "object",
    mapping: Mapping[str, str] | None = None,
    rules: Rules | None = None,
    options: Options | None = None,
    allow_unused: bool = False,
    allow_unfilled: bool = False,
    writing: Writing | None = None,
    only: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> DirectoryReport:
    """Migrate every checkpoint in `source_dir`, also those that its state file forgot, to `output_dir`.

    One plan is made, of the latest, and applied to each whose tensors it fits (a `plan` that is given, with
    `as_rules`, to each as far as it goes); the step comes from each one's own tensors, and the save counter
    from its number. A result that is already there, made of the same source, is left as it is; one that
    cannot be made is reported, and the others are done. The state file is written last, for
    tf.train.CheckpointManager. Nothing else in either directory is touched.
    `progress` is called with the checkpoints done and all.

    Raises UnmappedError where the plan leaves anything undecided, CheckpointNotFoundError where there is
    no checkpoint, InputError for arguments that do not go together.
    """
    source_dir, output_dir = os.fspath(source_dir), os.fspath(output_dir)
    if os.path.realpath(source_dir) == os.path.realpath(output_dir):
        raise InputError(f"{output_dir}: the results go into a directory of their own, not among the sources")
    if options is not None and options.step is not None:
        raise InputError(
            "one step for all checkpoints of a directory would be wrong: migrate them one by one"
        )
    if os.path.lexists(output_dir) and not os.path.isdir(output_dir):
        raise InputError(f"{output_dir}: is no directory: the results go into one")
    directory = checkpoints_of(source_dir)
    chosen = directory.chosen(only)
    planning = _Planning(
        template,
        plan,
        as_rules,
        to,
        mapping,
        rules,
        options,
        allow_unused,
        allow_unfilled,
        (source_dir, output_dir),
    )
    work = _Work(directory, output_dir, planning, writing or Writing())
    rows = work.run(chosen, workers or min(len(chosen), 2 * (os.cpu_count() or 1), MOST_WORKERS), progress)
    made = [os.path.basename(row.target) for row in rows if row.outcome is not Outcome.FAILED]
    state_file = renew_state(directory, output_dir, made)
    notes = [*directory.notes, *work.notes]
    return DirectoryReport(
        source_dir=source_dir,
        output_dir=output_dir,
        rows=tuple(rows),
        state_file=state_file,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Planning:
    """How a plan is made."""

    given_template: Checkpoint | str | os.PathLike[str] | Writable | Template | None
    given: Plan | None
    as_rules: bool
    to: Direction
    mapping: Mapping[str, str] | None
    rules: Rules | None
    options: Options | None
    allow_unused: bool
    allow_unfilled: bool
    directories: tuple[str, ...]  # where a template that the plan names may lie, beside the current one

    @cached_property
    def template(self) -> Template | Checkpoint | None:
        """The template, opened (or written by the live object) once."""
        from migration.planning.remembered import remembered_template, takes_from_template
        from migration.planning.targets import Template

        if self.given_template is None and self.given is not None and self.given.template is not None:
            uses = self.allow_unfilled or takes_from_template(self.given)
            found = remembered_template(self.given, *self.directories) if uses else None
            return None if found is None else Template.of(found)
        if self.given_template is None:
            return None
        if self.to == "name" and isinstance(self.given_template, (str, os.PathLike)):
            return Checkpoint.open(self.given_template)
        return Template.of(self.given_template) if self.to == "object" else None

    @property
    def values(self) -> Checkpoint | None:
        """The checkpoint of the template, where steps may take values from it."""
        template = self.template
        return template if template is None or isinstance(template, Checkpoint) else template.checkpoint

    @property
    def template_digest(self) -> str | None:
        """The digest of the template that the plan is, or was, made for."""
        if self.given is not None:
            return None if self.given.template is None else self.given.template.digest
        return None if self.values is None else self.values.digest

    @property
    def gives_numbers(self) -> bool:
        """Whether numbers of the plan are a person's: those of a plan given as it is, or of a flag."""
        options = self.options
        said = options is not None and (options.learning_rate is not None or options.forget_bias is not None)
        return said or (self.given is not None and not self.as_rules)

    def _given_for(self, source: Checkpoint) -> Plan | None:
        """The plan that was given, as that source has it."""
        if self.given is None or not self.as_rules:
            return self.given
        from migration.planning.signature import apply_as_rules

        return apply_as_rules(self.given, source.specs, source.partitions, source.graph)

    def make(self, source: Checkpoint) -> Plan:
        """A plan for that source. Raises UnmappedError where it leaves anything undecided."""
        from migration.planning.decisions import allow
        from migration.planning.planner import make_plan

        plan = self._given_for(source) or make_plan(
            source, self.template, to=self.to, mapping=self.mapping, rules=self.rules, options=self.options
        )
        plan = allow(plan, unused=self.allow_unused, unfilled=self.allow_unfilled)
        check_decided(plan)
        return plan


def _is_older(source: Checkpoint, made: Checkpoint) -> bool:
    """Whether the source was written before its result; asked of V1 files, whose digest has no checksums."""
    if source.format == "V2":
        return True
    newest = max(os.path.getmtime(path) for path in source.location.files)
    return newest <= os.path.getmtime(made.location.files[0]) or verify(source, made).is_complete


class _Work:
    """One run over a directory."""

    def __init__(self, directory: Directory, output_dir: str, planning: _Planning, writing: Writing) -> None:
        self.notes: list[str] = []
        self._directory, self._output, self._planning, self._writing = (
            directory,
            output_dir,
            planning,
            writing,
        )

    def run(
        self, chosen: tuple[Found, ...], workers: int, progress: Progress | None
    ) -> list[MigratedCheckpoint]:
        """What came of each. Raises UnmappedError before anything is written."""
        kept = {found.name: self._kept(found) for found in chosen}
        missing = [found for found in chosen if kept[found.name] is None]
        if missing:
            self.notes += self.plan.notes
            _ = self._planning.values
        rows = []
        with ThreadPoolExecutor(max(1, workers)) as pool:
            futures = {found.name: pool.submit(self._migrated, found) for found in missing}
            for found in chosen:
                row = kept[found.name] or futures[found.name].result()
                rows.append(row)
                if progress is not None:
                    progress(len(rows), len(chosen))
        sweep(self._output)  # a write that was killed behind its commit leaves a folder
        return rows

    @cached_property
    def plan(self) -> Plan:
        """The plan for all, made of the latest that can be opened."""
        candidates = [self._directory.latest, *reversed(self._directory.found)]
        faults: list[MigrationError] = []
        for found in dict.fromkeys(candidates):
            try:
                source = Checkpoint.open(found.prefix)
                source.check_shards()
                plan = self._planning.make(source)
            except (FormatError, CheckpointNotFoundError) as error:  # this one is damaged: its row will tell
                faults.append(error)
                continue
            return plan
        raise faults[0]

    def _target(self, found: Found) -> str:
        return os.path.join(self._output, found.name)

    def _kept(self, found: Found) -> MigratedCheckpoint | None:
        """The row of a result that an earlier run made; None where there is none of this very source."""
        target = self._target(found)
        if self._writing.overwrite or not os.path.isfile(target + INDEX):
            return None
        started = time.monotonic()
        try:
            source, made = Checkpoint.open(found.prefix), Checkpoint.open(target)
            made.check_shards()
            if not self._is_of(made, source, target):
                return None
        except MigrationError:
            return None
        return MigratedCheckpoint(
            source=found.prefix,
            target=target,
            step=found.step,
            outcome=Outcome.KEPT,
            tensors=len(made.specs),
            nbytes=sum(spec.nbytes or 0 for spec in made.specs.values()),
            seconds=time.monotonic() - started,
        )

    def _is_of(self, made: Checkpoint, source: Checkpoint, target: str) -> bool:
        from migration.planning.manifest import source_digest_of

        raw = made.manifest_bytes
        if self._writing.keep_names and made.style is not Style.BOTH:
            return False
        if raw is not None:
            return (
                source_digest_of(raw, made.prefix) == source.digest
                and _is_older(source, made)
                and self._is_onto_the_template(raw, made)
                and self._is_by_the_plan(raw, made, source, target)
            )
        return verify(source, made, self._plan_for(source, target), data=False).is_complete

    def _is_onto_the_template(self, manifest: bytes, made: Checkpoint) -> bool:
        """Whether the result was made for the template that is given now (or one that was saved anew, with
        the same keys), or without one as now."""
        from migration.planning.manifest import template_digest_of

        if self._planning.to != "object":
            return True
        known, wanted = template_digest_of(manifest, made.prefix), self._planning.template_digest
        values = self._planning.values
        if known == wanted or (known and values and values.specs.items() <= made.specs.items()):
            return True
        was = "without a template"
        if known:
            was = "for another template" if wanted else "for a template"
        return self._made_otherwise(was)

    def _is_by_the_plan(self, manifest: bytes, made: Checkpoint, source: Checkpoint, target: str) -> bool:
        """Whether the plan that the manifest remembers is the one of now."""
        from migration.model_dir.same_plan import difference
        from migration.planning.manifest import Manifest

        known = Manifest.from_bytes(manifest, made.graph, made.prefix).plan
        try:
            planned = self._plan_for(source, target)
        except UnmappedError:  # nothing to compare with, and where something is missing the run tells this
            return True
        told = difference(known, planned, numbers=self._planning.gives_numbers)
        return not told or self._made_otherwise("by another plan", f" ({told})")

    def _made_otherwise(self, how: str, where: str = "") -> bool:
        note = f"{self._output} holds results that were made {how}: give another directory, or overwrite them"
        if not any(each.startswith(note) for each in self.notes):
            self.notes.append(f"{note}{where}")
        return False

    def _plan_for(self, source: Checkpoint, target: str) -> Plan:
        """The plan for all, where it was made for the same tensors; else one of its own."""
        plan = self.plan
        if any(step.origin == "manifest" for step in plan.steps):
            plan = self._planning.make(source)  # values that each one's own manifest has kept
        elif dict(plan.source.specs) != dict(source.specs):
            plan = self._planning.make(source)
            self.notes.append(
                f"{source.prefix} holds other tensors than the latest: it got a plan of its own"
            )
        signature = replace(plan.source, partitions=dict(source.partitions), graph=source.graph)
        return counted(replace(plan, source=signature), target)

    def _migrated(self, found: Found) -> MigratedCheckpoint:
        started = time.monotonic()
        target = self._target(found)
        row = MigratedCheckpoint(source=found.prefix, target=target, step=found.step, outcome=Outcome.FAILED)
        source = None
        try:
            source = Checkpoint.open(found.prefix)
            plan = self._plan_for(source, target)
            receipt, report = write_and_verify(
                plan, source, target, self._writing, template=self._planning.values
            )
        except (MigrationError, OSError, MemoryError) as error:
            return replace(row, error=str(error) or repr(error), seconds=time.monotonic() - started)
        finally:
            if source is not None:
                source.close()
        return replace(
            row,
            outcome=Outcome.MIGRATED,
            tensors=receipt.tensors,
            nbytes=report.nbytes,
            seconds=time.monotonic() - started,
        )
