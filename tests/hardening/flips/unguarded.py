"""Flips in files that have no checksum, the state file and the .meta: what they can change, and what not."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.errors import MigrationError
from migration.planning.decisions import allow
from migration.planning.plan import Plan, Step
from migration.planning.planner import make_plan
from migration.state_files import read_state
from tests.bundles import write_bundle
from tests.hardening.campaign import Record
from tests.hardening.flips.flipping import flipped, order
from tests.hardening.flips.seen import bits, look
from tests.hardening.flips.subjects import FEW, SAMPLE


def state_file(record: Record, folder: Path, seconds: float) -> None:
    """A state file with a flip leads to a checkpoint of its directory, whole, or is refused."""
    there = {}
    for number, (name, array) in zip((1, 3), FEW.items(), strict=False):  # one bit between the two names
        prefix = write_bundle(folder / f"model.ckpt-{number}", {name: array})
        there[prefix] = look(prefix)
    file = folder / "checkpoint"
    lines = [f'all_model_checkpoint_paths: "model.ckpt-{number}"\n' for number in (1, 3)]
    file.write_text("".join(['model_checkpoint_path: "model.ckpt-3"\n', *lines]))
    named = Checkpoint.open(folder).prefix
    others = 0
    for at, mask in _bits(record, file, seconds):
        case = f"state file, byte {at} ^ {mask}"
        with flipped(str(file), at, mask), record.trial("bits of a state file", case):
            try:
                prefix = Checkpoint.open(folder).prefix
                read_state(str(file))
            except MigrationError:
                continue
            others += prefix != named
            if prefix not in there or look(prefix) != there[prefix]:
                record.found(case, f"{prefix} was opened")
    record.notes.append(
        f"the state file has no checksum: by {others} of its flips it names the directory's other checkpoint"
    )


def graph(record: Record, folder: Path, seconds: float) -> None:
    """A .meta with a flip changes no value: it can change what a plan says, and the plan shows it."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    prefix, meta = str(folder / "model.ckpt-100"), folder / "model.ckpt-100.meta"
    before, values = make_plan(Checkpoint.open(prefix)), look(prefix).values
    counts: Counter[str] = Counter()
    changed: set[str] = set()
    for at, mask in _bits(record, meta, seconds):
        case = f".meta, byte {at} ^ {mask}"
        with flipped(str(meta), at, mask), record.trial("bits of a .meta, planned with", case):
            try:
                plan = make_plan(Checkpoint.open(prefix))
            except MigrationError:
                counts["were refused"] += 1
                continue
            new = differences(before, plan)
            counts["changed the plan" if new else "changed nothing"] += 1
            if not new <= changed:
                changed |= new
                _check_values(record, plan, prefix, folder / "out", values, case)
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    record.notes.append(
        f"the .meta has no checksum: of its flips {told}. What changed is in the plan, to be reviewed: "
        f"{', '.join(sorted(changed)) or 'nothing'}; tensors that are copied were those of the source"
    )


def _bits(record: Record, path: Path, seconds: float) -> Iterator[tuple[int, int]]:
    until = time.monotonic() + seconds
    for number in order(8 * path.stat().st_size, record.budget.seed):
        yield number // 8, 1 << number % 8
        if time.monotonic() > until:
            return


def differences(one: Plan, other: Plan) -> set[str]:
    """In what two plans for one source differ, in words."""
    mine, theirs = ({step.target: step for step in plan.steps} for plan in (one, other))
    found = {"targets"} if mine.keys() != theirs.keys() else set()
    for target in mine.keys() & theirs.keys():
        found |= {what for what, part in _PARTS.items() if part(mine[target]) != part(theirs[target])}
    for what in ("drops", "unused", "unfilled", "notes", "graph", "template"):
        found |= {what} if getattr(one, what) != getattr(other, what) else set()
    return found


def _sources(step: Step) -> Any:
    return step.sources


def _computed(step: Step) -> Any:
    return step.transforms, step.spec


def _words(step: Step) -> Any:
    return step.paths, step.full_name, step.confidence, step.origin, step.reason


_PARTS = {"sources": _sources, "computed values": _computed, "words on a step": _words}


def _check_values(
    record: Record, plan: Plan, prefix: str, out: Path, values: dict[str, Any], case: str
) -> None:
    """Executes the plan: what it copies has to be the source's, bit by bit."""
    record.tried["changed plans executed"] += 1
    try:
        plan = allow(plan, unused=True)
        execute(plan, Checkpoint.open(prefix), str(out / "ckpt"), manifest=False)
        result = Checkpoint.open(out / "ckpt")
        for step in plan.steps:
            if step.is_plain and bits(result.read(step.target)) != values[step.sources[0].key]:
                record.found(case, f"{step.target} is not {step.sources[0].key}")
    except MigrationError:
        pass
    finally:
        shutil.rmtree(out, ignore_errors=True)
