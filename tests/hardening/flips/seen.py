"""All that a reader can see of a checkpoint, as a value to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from migration.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Seen:
    """Names, specs, partitions, style, graph, manifest, and every value, bit by bit."""

    specs: dict[str, str]
    partitions: dict[str, tuple[str, ...]]
    style: str
    graph: bytes | None
    manifest: bytes | None
    values: dict[str, Any]


def look(prefix: str) -> Seen:
    """What opening the checkpoint and reading all of it gives. Raises MigrationError."""
    checkpoint = Checkpoint.open(prefix)
    try:
        return Seen(
            specs={key: str(spec) for key, spec in checkpoint.all_specs.items()},
            partitions={key: tuple(map(str, parts)) for key, parts in checkpoint.partitions.items()},
            style=checkpoint.style.value,
            graph=None if checkpoint.graph is None else checkpoint.graph.to_bytes(),
            manifest=checkpoint.manifest_bytes if checkpoint.format == "V2" else None,
            values={key: bits(checkpoint.read(key)) for key in checkpoint.all_specs},
        )
    finally:
        checkpoint.close()


def bits(array: np.ndarray[Any, Any]) -> Any:
    """The array's values so that equal means equal in every bit."""
    return array.shape, array.tolist() if array.dtype == object else array.tobytes()
