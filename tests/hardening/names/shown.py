"""Names are shown safely: by every tool, on both streams, in both formats, when it goes well and when not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import MigrationError
from migration.formats.object_graph import GRAPH_KEY, Attribute, Child, Node, ObjectGraph
from migration.planning.plan_file import to_toml
from migration.planning.planner import make_plan
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.flips.subjects import SAMPLE
from tests.hardening.names.hostile import NAMES, faults_of, text_of
from tests.hardening.names.running import run

FORMATS = ("table", "json")


def tool(record: Record, name: str, *arguments: str, formats: Sequence[str] = FORMATS) -> None:
    """Run a tool and look at what it prints onto a terminal, into a file, and as JSON; in a short run, in one
    of these ways in turn."""
    styles = ("terminal", *formats)
    if not record.budget.is_long:
        turn = record.tried["outputs of tools looked at"] + record.budget.seed
        styles = (styles[turn % len(styles)],)
    for style in styles:
        case = f"ckpt-{name} {style} {ascii(arguments)[:200]}"
        with record.trial("outputs of tools looked at", case):
            shown = "table" if style == "terminal" else style
            asked = [f"--format={shown}", *arguments]
            ran = run(name, *asked, terminal=style == "terminal")
            printed = [] if style == "json" else faults_of(ran.out, terminal=style == "terminal")
            for fault in (*printed, *faults_of(ran.err)):
                record.found(case, fault)
            if ran.status not in (0, 1, 2, 3) or "Traceback" in ran.err:
                record.found(case, f"status {ran.status}: {ran.err[-300:]}")
            if style == "json" and ran.out:
                _ = ran.json  # raises for anything but one document of printable ASCII


def error(record: Record, kind: str, call: Callable[[], object]) -> None:
    """Call what raises: the text of the error has to be safe to log."""
    with record.trial("texts of errors looked at", kind):
        try:
            call()
        except MigrationError as raised:
            for fault in faults_of(str(raised)):
                record.found(kind, fault)


def all_at_once(record: Record, folder: Path) -> None:
    """One checkpoint with all the names, and all that can be done with it."""
    arrays = {text_of(name): np.full(2, number, np.float32) for number, name in enumerate(NAMES)}
    prefix = write_bundle(folder / "model.ckpt-1", arrays)
    other = write_bundle(folder / "other.ckpt-1", {f"{name}\n2": array for name, array in arrays.items()})
    new = str(folder / "new")
    for ran in (
        ("inspect", f"--checkpoint={prefix}", "--values"),
        ("plan", f"--checkpoint={prefix}", "--all", f"--output={folder / 'plan.toml'}", "--overwrite"),
        ("migrate", f"--checkpoint={prefix}", f"--output={new}", "--overwrite"),
        ("inspect", f"--checkpoint={new}"),
        ("verify", f"--checkpoint={prefix}", f"--migrated={new}"),
        ("verify", f"--checkpoint={prefix}", f"--migrated={other}"),
        ("diff", "--all", prefix, new),
        ("diff", prefix, other),
        ("diff", f"--plan={folder / 'plan.toml'}", "--all", prefix, other),
        ("migrate", f"--checkpoint={other}", f"--plan={folder / 'plan.toml'}", f"--output={folder / 'x'}"),
        ("plan", f"--checkpoint={other}", f"--template={new}"),
        ("migrate", f"--checkpoint={other}", f"--template={new}", f"--output={folder / 'y'}"),
        ("migrate", f"--checkpoint={other}", f"--template={new}", f"--output={folder / 'y'}",
         "--allow_unused", "--allow_unfilled", "--overwrite"),
        ("plan", f"--checkpoint={new}", "--to=name", "--all"),
        ("migrate", f"--model_dir={folder}", f"--output_dir={folder / 'all'}"),
    ):  # fmt: skip
        tool(record, *ran)
    for name in arrays:
        error(record, "a key that is not there", lambda name=name: Checkpoint.open(prefix).read(f"{name}!"))
    _damaged(record, folder, arrays)


def _damaged(record: Record, folder: Path, arrays: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    """Faults that name tensors: every value NaN, a shard with wrong bytes, one that is short."""
    bad = write_bundle(folder / "bad.ckpt-1", {name: array * np.nan for name, array in arrays.items()})
    tool(record, "doctor", bad)
    shard = Path(f"{bad}.data-00000-of-00001")
    whole = shard.read_bytes()
    for damage in (bytes(len(whole)), whole[:9]):
        shard.write_bytes(damage)
        for ran in (
            ("doctor", bad),
            ("inspect", f"--checkpoint={bad}", "--values"),
            ("migrate", f"--checkpoint={bad}", f"--output={folder / 'z'}"),
            ("verify", f"--checkpoint={folder / 'model.ckpt-1'}", f"--migrated={bad}"),
        ):
            tool(record, *ran)
        for name in arrays:
            error(record, "a damaged tensor", lambda name=name: Checkpoint.open(bad).read(name))


def object_graphs(record: Record, folder: Path) -> None:
    """Local names, full names, attributes and keys of an object graph that are hostile."""
    texts = [name.decode() for name in NAMES if _is_unicode(name)]
    nodes = [Node(children=tuple(Child(text, number + 1) for number, text in enumerate(texts)))]
    arrays = {}
    for number, text in enumerate(texts):
        key = f"{text}/.ATTRIBUTES/VARIABLE_VALUE"
        nodes.append(Node(attributes=(Attribute("VARIABLE_VALUE", text, key),)))
        arrays[key] = np.full((2, number + 1), number, np.float32)
    raw = np.array(ObjectGraph(tuple(nodes)).to_bytes(), object)
    prefix = write_bundle(folder / "objects", {**arrays, GRAPH_KEY: raw})
    named = write_bundle(folder / "named", dict(zip(texts, arrays.values(), strict=True)))
    with record.trial("names carried out of an object graph", "full names"):
        source = Checkpoint.open(prefix)
        execute(make_plan(source, to="name"), source, str(folder / "names"))
        lost = set(texts) - set(Checkpoint.open(folder / "names").keys)
        if lost:
            record.found("an object graph's full names", f"lost: {ascii(lost)[:300]}")
    with record.trial("names carried into a template", "full names"):
        source = Checkpoint.open(named)
        plan = make_plan(source, Checkpoint.open(prefix))
        execute(plan, source, str(folder / "onto"))
        lost = set(arrays) - set(Checkpoint.open(folder / "onto").keys)
        if lost:
            record.found("a template's keys", f"lost: {ascii(lost)[:300]}")
    for ran in (
        ("inspect", f"--checkpoint={prefix}"),
        ("plan", f"--checkpoint={prefix}", "--to=name", "--all"),
        ("plan", f"--checkpoint={named}", f"--template={prefix}", "--all"),
        ("plan", f"--checkpoint={folder / 'onto'}", f"--template={prefix}", "--all"),
        ("diff", "--all", prefix, named),
        ("verify", f"--checkpoint={prefix}", f"--migrated={folder / 'names'}"),
        ("doctor", prefix),
    ):
        tool(record, *ran)
    absent = write_bundle(folder / "absent", {GRAPH_KEY: raw})
    tool(record, "doctor", absent)
    tool(record, "plan", f"--checkpoint={named}", f"--template={absent}")


def graphs(record: Record, folder: Path) -> None:
    """Operations of a .meta whose names are hostile (of the same length, so that the file stays one)."""
    read = Checkpoint.open(SAMPLE)
    for number, hostile in enumerate((b"h\x1b[2Jn", b"h\nFAKE", b"\xe2\x80\xaebad", b"\xffr\x07\x00\x7fs")):
        prefix = folder / f"graph-{number}"
        arrays = {key.replace("hidden", text_of(hostile)): read.read(key) for key in read.keys}
        write_bundle(prefix, arrays)
        meta = Path(f"{read.prefix}.meta").read_bytes().replace(b"hidden", hostile)
        Path(f"{prefix}.meta").write_bytes(meta)
        tool(record, "inspect", f"--checkpoint={prefix}")
        tool(record, "plan", f"--checkpoint={prefix}", "--all")
        tool(record, "migrate", f"--checkpoint={prefix}", f"--output={folder / 'of-graph'}", "--overwrite")
        tool(record, "doctor", str(prefix))


def texts_of_users(record: Record, name: bytes, folder: Path) -> None:
    """State files, plans, rules, mappings and configs whose strings are hostile."""
    prefix = write_bundle(folder / "model.ckpt-1", {"a": np.ones(2), "b": np.zeros(2)})
    write_bundle(folder / "model.ckpt-2", {"a": np.ones(2), "b": np.zeros(2)})
    source = Checkpoint.open(prefix)
    plan = make_plan(source)
    text = text_of(name)
    for path in _state_files(folder, name):
        tool(record, "inspect", f"--checkpoint={path}", formats=())
        tool(record, "doctor", str(path), formats=("json",))
    words = {"reason": text, "origin": text, "candidates": (text,), "full_name": text}
    edited = replace(plan, notes=(text,), steps=tuple(replace(step, **words) for step in plan.steps))
    (folder / "plan.toml").write_text(to_toml(edited), "utf-8")
    flags = (f"--checkpoint={prefix}", f"--plan={folder / 'plan.toml'}", f"--output={folder / 'of-plan'}")
    tool(record, "migrate", *flags, "--overwrite", formats=("json",))
    for file, flag in _user_files(folder, text):
        tool(record, "plan", f"--checkpoint={prefix}", f"--{flag}={file}", formats=())
    bad = to_toml(plan).replace('"a"', _toml(text)).replace('"certain"', _toml(text))
    (folder / "plan.toml").write_text(bad, "utf-8")
    tool(record, "migrate", *flags, formats=())


def _state_files(folder: Path, name: bytes) -> Iterator[Path]:
    spelled = b"".join(b"\\%03o" % byte for byte in name)
    texts = (b'model_checkpoint_path: "%s"\n' % spelled, name, b"model_checkpoint_path: " + name)
    for number, raw in enumerate(texts):
        state = folder / f"state-{number}"
        state.mkdir(exist_ok=True)
        (state / "checkpoint").write_bytes(raw)
        yield state


def _user_files(folder: Path, text: str) -> Iterator[tuple[Path, str]]:
    quoted = _toml(text)
    for file, flag, written in (
        ("rules.toml", "rules", f"[[rule]]\nmatch = {quoted}\nto = {quoted}\n"),
        ("mapping.toml", "mapping", f"{quoted} = {quoted}\n"),
        ("config.toml", "config", f"[paths]\n{quoted} = {quoted}\n"),
        ("broken.toml", "config", text),
    ):
        (folder / file).write_text(written, "utf-8", errors="surrogateescape")
        yield folder / file, flag


def _toml(text: str) -> str:
    from migration.planning.toml import quoted

    return quoted(text)


def _is_unicode(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def file_names(record: Record, name: bytes, folder: Path) -> None:
    """A prefix, a directory and a plan file of that name: used, damaged, and not there."""
    part = name.replace(b"/", b"_").replace(b"\0", b"_")[:60]
    here = os.fsdecode(os.fsencode(folder) + b"/" + part)
    os.makedirs(here)
    called = os.fsdecode(part)
    prefix = write_bundle(os.path.join(here, called), {"a": np.ones(2, np.float32)})
    plan, out = os.path.join(here, f"{called}.toml"), os.path.join(str(folder), "out", called)
    for ran in (
        ("inspect", f"--checkpoint={prefix}"),
        ("inspect", f"--checkpoint={here}"),
        ("plan", f"--checkpoint={prefix}", f"--output={plan}"),
        ("migrate", f"--checkpoint={prefix}", f"--plan={plan}", f"--output={out}"),
        ("migrate", f"--model_dir={here}", f"--output_dir={folder}/all{called}"),
        ("verify", f"--checkpoint={prefix}", f"--migrated={out}"),
        ("diff", "--", prefix, out),
        ("doctor", "--", here),
    ):
        tool(record, *ran, formats=("json",) if ran[0] != "diff" else ())
    made = (f"{out}.index", os.path.join(f"{folder}/all{called}", f"{called}.index"))
    if not all(map(os.path.isfile, made)):
        record.found(f"the file name {called!a}", "no result of that name was made")
    os.truncate(f"{prefix}.data-00000-of-00001", 3)
    tool(record, "doctor", "--", prefix, formats=())
    os.unlink(f"{prefix}.index")
    for ran in (("doctor", "--", here), ("doctor", "--", prefix), ("inspect", f"--checkpoint={here}")):
        tool(record, *ran, formats=())
    tool(record, "inspect", f"--checkpoint={here}/absent{called}/{called}", formats=())
