"""What one thread alone finds in a checkpoint, to compare with what many find together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from migration.checkpoint import Checkpoint, Style
from migration.contents.streams import blocks, open_stream
from migration.convert.execute import check_decided
from migration.errors import MigrationError
from migration.planning.plan import Plan
from migration.planning.planner import make_plan

Array = np.ndarray[Any, np.dtype[Any]]


class Mismatch(Exception):
    """Something that many threads found is not what one finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A checkpoint's values and answers; `plan` is one that can be executed, if there is one."""

    name: str
    prefix: str
    arrays: Mapping[str, Array]
    streams: Mapping[str, bytes]
    answers: tuple[object, ...]
    plan: Plan | None

    @classmethod
    def of(cls, name: str, prefix: str) -> Expected:
        """Read all of it."""
        checkpoint = Checkpoint.open(prefix)
        whole = [key for key in checkpoint.keys if key not in checkpoint.incomplete]
        return cls(
            name=name,
            prefix=prefix,
            arrays={key: checkpoint.read(key) for key in whole},
            streams={key: stream_of(checkpoint, key) for key in whole},
            answers=answers_of(checkpoint),
            plan=_executable(checkpoint),
        )


def answers_of(checkpoint: Checkpoint) -> tuple[object, ...]:
    """What it tells without its tensors being read."""
    return (
        dict(checkpoint.all_specs),
        dict(checkpoint.partitions),
        dict(checkpoint.incomplete),
        checkpoint.names,
        checkpoint.style,
        checkpoint.digest,
        checkpoint.manifest_bytes,
        checkpoint.graph and checkpoint.graph.to_bytes(),
    )


def stream_of(checkpoint: Checkpoint, key: str) -> bytes:
    """A tensor's bytes, in small blocks."""
    return b"".join(map(bytes, blocks(open_stream(checkpoint, key), 64)))


def plan_of(checkpoint: Checkpoint) -> Plan:
    """A plan to the other style."""
    return make_plan(checkpoint, to="object" if checkpoint.style is Style.NAME else "name")


def _executable(checkpoint: Checkpoint) -> Plan | None:
    try:
        plan = plan_of(checkpoint)
        check_decided(plan)
    except MigrationError:  # of strings without a name, say: nothing that has to do with threads
        return None
    return plan


def check_equal(found: Array, wanted: Array, where: str) -> None:
    """Raises Mismatch unless both are the same to the byte."""
    alike = found.dtype == wanted.dtype and found.shape == wanted.shape
    if not alike or (
        found.tolist() != wanted.tolist() if wanted.dtype == object else found.tobytes() != wanted.tobytes()
    ):
        raise Mismatch(f"{where}: {found.dtype}{found.shape} {found.ravel()[:3]}, not {wanted.ravel()[:3]}")
