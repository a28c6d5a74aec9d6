"""What is known of a checkpoint that one TensorFlow wrote, told to another in a JSON file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FILE = "facts.json"


def digest(array: Any) -> str:
    """Equal for arrays of one shape and the same bytes, whatever a library calls their type."""
    array = np.asarray(array, object if isinstance(array, bytes) else None)
    if array.dtype.kind == "S":
        array = array.astype(object)
    content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
    return f"{list(array.shape)} {hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One checkpoint: where it is, what TensorFlow found in it, and what it restores into.

    prefix, source and template are relative to the folder of the facts. `source` is what this library made it
    of; None where TensorFlow's own classes wrote it.
    """

    label: str
    prefix: str
    tensors: dict[str, tuple[str, str]]  # a key's dtype and digest, as the writer's own reader has them
    graph: str = ""  # the case of tests.roundtrip.graphs whose graph restores it
    values: tuple[str, ...] = ()  # the digests that the graph's session has then
    model: str = ""  # the builder of tests.roundtrip.models whose objects restore it
    keras: int = 0  # the Keras that the model needs; 0 for any
    outputs: tuple[tuple[float, ...], ...] = ()
    source: str | None = None
    template: str | None = None
    to: str = "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that one installation wrote, and what that installation is."""

    versions: dict[str, str]
    written: list[Written] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write them into the folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Facts:
        """The facts of a folder."""
        found = json.loads((folder / FILE).read_text())
        return cls(versions=found["versions"], written=[Written(**each) for each in found["written"]])
