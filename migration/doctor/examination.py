"""From a path to a diagnosis."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from migration.doctor.bundles import described, examine_checkpoint
from migration.doctor.files import copy_again, foreign_finding, lost_v1_shard, quoted, starts_as_v1
from migration.doctor.findings import Diagnosis, Finding, listed
from migration.doctor.leftovers import leftovers
from migration.doctor.states import examine_state
from migration.errors import CheckpointNotFoundError, MigrationError
from migration.formats.tensor_bundle import parse_shard_name
from migration.location import INDEX, META, SAVED_MODEL, STATE_FILE, has_table_magic, locate, prefixes_in
from migration.outside import can_be_path
from migration.state_files import ReadState

Progress = Callable[[int, int], None]


def examine(
    path: str | os.PathLike[str], *, data: bool = True, progress: Progress | None = None
) -> Diagnosis:
    """Say what `path` is and what is wrong with it: a prefix, a file, a directory, a SavedModel.

    With `data`, every tensor is read: its checksum is checked, and NaN and infinite values are counted.
    Raises CheckpointNotFoundError, naming the nearest that exist, where there is nothing at all.
    """
    text = os.fsdecode(path)
    if not can_be_path(text):
        raise CheckpointNotFoundError(f"{text!r}: no file can be called so: check the path")
    work = _Examination(path=text, data=data, progress=progress)
    if os.path.isdir(text) and not os.path.isfile(text + INDEX):
        work.directory(text.rstrip("/") or "/")
    elif os.path.isfile(text):
        work.file(text)
    else:
        work.prefix(text)
    return Diagnosis(
        path=text,
        what=work.what,
        checkpoints=tuple(work.checkpoints),
        findings=tuple(dict.fromkeys(work.findings)),
        remarks=tuple(work.remarks),
    )


@dataclass(slots=True)
class _Examination:
    path: str
    data: bool
    progress: Progress | None
    what: str = "nothing that is known here"
    checkpoints: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    # A checkpoint ---------------------------------------------------------------------------------

    def prefix(self, prefix: str) -> None:
        """A prefix, of which at least something should exist."""
        if not os.path.exists(prefix + INDEX):
            self._part_of_one(prefix)
            if self.findings:
                is_graph = all("graph only" in found.cause for found in self.findings)
                self.what = (
                    "a graph without its checkpoint" if is_graph else "a V2 checkpoint without its index"
                )
                return
        self._checkpoint(prefix)
        self.findings += leftovers(os.path.dirname(prefix) or ".", os.path.basename(prefix))

    def _part_of_one(self, prefix: str) -> None:
        directory = os.path.dirname(prefix) or "."
        if os.path.isdir(directory):
            self.findings += leftovers(directory, os.path.basename(prefix))

    def _checkpoint(self, prefix: str) -> None:
        try:
            location = locate(prefix)
        except CheckpointNotFoundError as error:
            lost = lost_v1_shard(error)
            if lost is None:
                raise
            self.findings.append(lost)
            self.what = "a V1 checkpoint that is not whole"
            self.checkpoints.append((prefix, self.what))
            return
        checkpoint, findings = examine_checkpoint(location, data=self.data, progress=self.progress)
        self.findings += findings
        self.remarks += location.remarks
        broken = f"a {location.format} checkpoint that cannot be opened"
        self.what = broken if checkpoint is None else described(checkpoint)
        self.checkpoints.append((location.prefix, self.what))

    # A file ---------------------------------------------------------------------------------------

    def file(self, path: str) -> None:
        """A file; where it belongs to a checkpoint, that is examined as well."""
        owner = _owner(path)
        foreign = foreign_finding(path)
        if owner is None and foreign is not None:
            self.what, self.findings = foreign.cause, [foreign]
        elif owner is not None:
            self._instead_of_prefix(path, owner)
        elif os.path.basename(path) in SAVED_MODEL:
            self.directory(os.path.dirname(path) or ".")
        elif os.path.basename(path) == STATE_FILE or _is_state(path):
            self._state(path)
            self.what = "a state file"
        elif has_table_magic(path):
            self._checkpoint(path)
            self.findings += leftovers(os.path.dirname(path) or ".", os.path.basename(path))
        else:
            self._no_table(path)

    def _instead_of_prefix(self, path: str, owner: str) -> None:
        cause = (
            "a file of a checkpoint, where TensorFlow takes the prefix; given this it says "
            "'Unable to open table file' or 'not an sstable (bad magic number)'"
        )
        told = Finding(
            kind="file-instead-of-prefix", where=path, cause=cause, mend=f"give the prefix: {quoted(owner)}"
        )
        self.prefix(owner)
        if path != owner:
            self.findings.insert(0, told)

    def _no_table(self, path: str) -> None:
        if _belongs_to_v1(path):
            self.what = "a V1 checkpoint that is truncated"
            cause = "it does not end as a table does: the file is truncated (TensorFlow: 'not an sstable')"
            self.findings = [Finding(kind="truncated", where=path, cause=cause, mend=copy_again(path))]
            return
        cause = (
            "neither a checkpoint's file nor a state file: TensorFlow says "
            "'not an sstable (bad magic number)'"
        )
        near = prefixes_in(os.path.dirname(path) or ".")
        mend = f"give the prefix: {quoted(near[-1])}" if near else copy_again(path)
        self.findings = [Finding(kind="not-a-checkpoint", where=path, cause=cause, mend=mend)]

    # A directory ----------------------------------------------------------------------------------

    def directory(self, directory: str) -> None:
        """A SavedModel, or a directory of checkpoints."""
        inner = os.path.join(directory, "variables")
        models = [
            os.path.join(directory, name)
            for name in SAVED_MODEL
            if os.path.isfile(os.path.join(directory, name))
        ]
        if models or (os.path.isdir(inner) and prefixes_in(inner)):
            self._saved_model(directory, models)
            return
        state = os.path.join(directory, STATE_FILE)
        read = self._state(state) if os.path.isfile(state) else None
        prefixes = prefixes_in(directory)
        self.findings += leftovers(directory)
        self.findings += _broken_files(directory, prefixes)
        for prefix in prefixes:
            self._checkpoint(prefix)
        self.what = f"a directory of {len(prefixes)} checkpoint{'' if len(prefixes) == 1 else 's'}"
        self.what += " with a state file" if os.path.isfile(state) else " without a state file"
        if read is not None:
            known = set(read.found.values())
            forgotten = [os.path.basename(prefix) for prefix in prefixes if prefix not in known]
            if forgotten:
                self.remarks.append(f"the state file does not list {listed(forgotten)}")
        if not prefixes and not self.findings:
            cause = "a directory without a checkpoint: no state file, no index, no SavedModel"
            mend = f"find {quoted(directory)} -name '*.index'"
            self.findings.append(Finding(kind="no-checkpoint", where=directory, cause=cause, mend=mend))

    def _saved_model(self, directory: str, models: list[str]) -> None:
        variables = os.path.join(directory, "variables")
        prefix = os.path.join(variables, "variables")
        if os.path.exists(prefix + INDEX):
            self._checkpoint(prefix)
            self.what = f"a SavedModel, whose variables are {self.what}"
        elif os.path.isdir(variables) and list(leftovers(variables)):
            self.what = "a SavedModel without the index of its variables"
        else:
            self.what = "a SavedModel without variables"
            self.findings += [each for model in models if (each := foreign_finding(model)) is not None]
            if not self.findings and models:
                self.findings += _wanted_variables(models[0], prefix)
        if os.path.isdir(variables):
            self.findings += leftovers(variables)
        if not models:
            cause = "absent: without its graph the variables cannot be served, though they can be migrated"
            where = os.path.join(directory, SAVED_MODEL[0])
            self.findings.append(
                Finding(kind="missing-graph", where=where, cause=cause, mend=copy_again(where))
            )

    def _state(self, file: str) -> ReadState | None:
        read, findings = examine_state(file)
        self.findings += findings
        return read


def _wanted_variables(model: str, prefix: str) -> list[Finding]:
    """A finding where the graph of a SavedModel has variables, and there are none."""
    if not model.endswith(".pb"):
        return []
    from migration.formats.meta_graph import MetaGraph

    with open(model, "rb") as file:
        raw = file.read()
    try:
        count = len(MetaGraph.from_saved_model(raw).variables)
    except MigrationError as error:
        return [Finding(kind="graph-file", where=model, cause=str(error), mend=copy_again(model))]
    if not count:
        return []
    cause = f"absent, though the graph has {count} variables: a copy left variables/ out"
    mend = f"cp -r ORIGIN/variables {quoted(os.path.dirname(os.path.dirname(prefix)))}/"
    return [Finding(kind="missing-index", where=prefix + INDEX, cause=cause, mend=mend)]


def _owner(path: str) -> str | None:
    """The prefix of the V2 checkpoint that a file belongs to by its name."""
    if path.endswith(INDEX):
        return path.removesuffix(INDEX)
    shard = parse_shard_name(path)
    if shard is not None:
        return shard[0]
    if path.endswith(META):
        prefix = path.removesuffix(META)
        try:
            return locate(prefix).prefix
        except MigrationError:
            return prefix
    return None


def _is_state(path: str) -> bool:
    with open(path, "rb") as file:
        return b"model_checkpoint_path" in file.read(4096)


def _belongs_to_v1(path: str) -> bool:
    """Whether a file without a table's end has a graph beside it, or is named by the state file."""
    if os.path.isfile(path + META) or "-of-" in os.path.basename(path) or starts_as_v1(path):
        return True
    state = os.path.join(os.path.dirname(path) or ".", STATE_FILE)
    if not os.path.isfile(state):
        return False
    with open(state, "rb") as file:
        return os.fsencode(os.path.basename(path)) + b'"' in file.read()


def _broken_files(directory: str, prefixes: list[str]) -> list[Finding]:
    """Files of a directory that should be checkpoints and are not even of their kind."""
    known = {os.path.basename(prefix) for prefix in prefixes}
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if (
            not os.path.isfile(path)
            or name == STATE_FILE
            or name.endswith((INDEX, META))
            or parse_shard_name(name)
        ):
            continue
        foreign = foreign_finding(path)
        if foreign is not None and foreign.kind != "empty-file":
            found.append(foreign)
        elif name not in known and not has_table_magic(path) and _belongs_to_v1(path):
            cause = "it does not end as a table does: a V1 checkpoint that is truncated"
            found.append(Finding(kind="truncated", where=path, cause=cause, mend=copy_again(path)))
    return found
