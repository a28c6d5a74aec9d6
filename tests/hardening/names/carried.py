"""Names are carried exactly, to the byte, through every file and back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from migration.checked import Writing, write_and_verify
from migration.checkpoint import Checkpoint
from migration.diff import compare
from migration.doctor import examine
from migration.formats.sstable import BytesSource, Table
from migration.model_dir import migrate_directory
from migration.planning.plan_file import read_plan, write_plan
from migration.planning.planner import make_plan
from migration.verify import verify
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.flips.subjects import v1_table
from tests.hardening.names.hostile import faults_of, text_of
from tests.hardening.names.running import run

VALUES = np.arange(3, dtype=np.int32)


def trip(record: Record, name: bytes, folder: Path) -> None:
    """A checkpoint with that name for a tensor: read, planned, migrated there and back, compared."""
    folder.mkdir()
    text, case = text_of(name), ascii(name[:40])
    prefix = write_bundle(folder / "model.ckpt-1", {text: VALUES, "other": np.ones(2)})
    with record.trial("names carried to objects and back", case):
        for fault in _trip(name, text, prefix, folder):
            record.found(case, fault)
    with record.trial("names carried through the tools", case):
        for fault in _tools(text, prefix, folder):
            record.found(case, fault)
    with record.trial("names carried out of V1 files", case):
        for fault in _from_v1(text, folder):
            record.found(case, fault)
    shutil.rmtree(folder)


def _trip(name: bytes, text: str, prefix: str, folder: Path) -> Iterator[str]:
    source = Checkpoint.open(prefix)
    if text not in source or name not in keys_of(prefix):
        yield "it is not in what was written"
    plan = make_plan(source)
    write_plan(plan, folder / "plan.toml")
    if read_plan(folder / "plan.toml") != plan:
        yield "the plan file is read as another plan"
    for fault in faults_of((folder / "plan.toml").read_text("utf-8")):
        if not fault.startswith("a line of"):  # what is reviewed is exact, however long
            yield f"the plan file shows {fault}"
    for kept in (False, True):
        out = str(folder / f"object-{kept}" / "model.ckpt-1")
        write_and_verify(plan, source, out, Writing(keep_names=kept, verify_data=True))
        if (name in keys_of(out)) is not kept:
            yield f"with keep_names={kept} it is {'absent' if kept else 'there'}"
        result = Checkpoint.open(out)
        if not verify(source, result).is_complete or not compare(source, result).is_equal:
            yield "verify or diff does not pair it"
        again = str(folder / f"name-{kept}" / "model.ckpt-1")
        write_and_verify(make_plan(result, to="name"), result, again, Writing(verify_data=True))
        if keys_of(again) != keys_of(prefix):
            yield f"it came back as {keys_of(again)}"[:500]
        if examine(out).findings or examine(again).findings:
            yield "the doctor finds a fault"
    migrate_directory(folder, folder / "all")
    if not verify(source, folder / "all" / "model.ckpt-1").is_complete:
        yield "migrate_directory made something else of it"


def _tools(text: str, prefix: str, folder: Path) -> Iterator[str]:
    ran = run("inspect", f"--checkpoint={prefix}", "--format=json")
    if text not in [row["key"] for row in ran.json["tensors"]]:
        yield "the JSON of ckpt-inspect has another name"
    ran = run("plan", f"--checkpoint={prefix}", "--format=json")
    if text not in [step["sources"][0]["key"] for step in ran.json["steps"] if step["sources"]]:
        yield "the JSON of ckpt-plan has another name"
    result = str(folder / "object-False" / "model.ckpt-1")
    ran = run("verify", f"--checkpoint={prefix}", f"--migrated={result}", "--format=json")
    if [text] not in [row["sources"] for row in ran.json["tensors"]]:
        yield "the JSON of ckpt-verify has another name"
    ran = run("diff", "--all", "--format=json", prefix, result)
    if text not in [row["here"]["key"] for row in ran.json["tensors"] if "here" in row]:
        yield "the JSON of ckpt-diff has another name"


def _from_v1(text: str, folder: Path) -> Iterator[str]:
    try:
        text.encode()
    except UnicodeEncodeError:  # the name is a protobuf string there, which TensorFlow cannot write either
        return
    (folder / "v1").write_bytes(v1_table({text: VALUES}))
    source = Checkpoint.open(folder / "v1")
    out = str(folder / "of-v1" / "ckpt")
    write_and_verify(make_plan(source), source, out, Writing(verify_data=True))
    result = Checkpoint.open(out)
    write_and_verify(make_plan(result, to="name"), result, str(folder / "to-v1" / "ckpt"), Writing())
    if text not in Checkpoint.open(folder / "to-v1" / "ckpt") or text not in source:
        yield "it came back from V1 as another one"


def keys_of(prefix: str) -> list[bytes]:
    """The keys of an index as its bytes have them."""
    return [key for key, _ in Table.open(BytesSource(Path(f"{prefix}.index").read_bytes())).items() if key]
