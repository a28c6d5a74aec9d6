"""`python -m tests.compat.reading RESULT FOLDER...`: what this installation reads of what others wrote."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import legacy_ckpt
from migration import Checkpoint
from migration.errors import FormatError
from tests.compat.facts import Facts, Written, digest
from tests.compat.writing import found, keras_of, make
from tests.roundtrip.graphs import CASES, session
from tests.roundtrip.models import INPUTS, MODELS
from tests.roundtrip.oracle import BOOKKEEPING


@dataclass(slots=True)
class Reading:
    """How often each check held, by kind; what did not hold; and what cannot be asked here, and why."""

    held: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)


def read(folder: Path) -> Reading:
    """Every check of every checkpoint of one writer."""
    reading = Reading()
    for written in Facts.load(folder).written:
        for kind, check in CHECKS.items():
            try:
                faults = list(check(folder, written))
            except Inapplicable as reason:
                if str(reason):
                    reading.beyond.append(f"{written.label}: {kind}: {reason}")
                continue
            except Exception as error:
                faults = [f"{type(error).__name__}: {error}"]
            reading.held[kind] += not faults
            reading.failed += [f"{written.label}: {kind}: {fault}" for fault in faults]
    return reading


class Inapplicable(Exception):
    """The check does not exist for this checkpoint; with a text, this installation is what lacks it."""


def by_tensorflow(folder: Path, written: Written) -> Iterator[str]:
    """TensorFlow's reader finds the keys, types, shapes and bytes that the writer's own found."""
    prefix = folder / written.prefix
    source = Checkpoint.open(prefix)
    if source.format == "V1":
        raise Inapplicable
    strange = sorted({str(spec.dtype) for spec in source.specs.values() if not _known(spec.dtype.value)})
    if strange:
        raise Inapplicable(f"this TensorFlow has no {', '.join(strange)}")
    yield from _differences(found(str(prefix)), written.tensors)


def _known(number: int) -> bool:
    try:
        tf.dtypes.as_dtype(number)
    except TypeError:
        return False
    return True


def by_library(folder: Path, written: Written) -> Iterator[str]:
    """This library reads the same: as arrays, or as bytes where its ml_dtypes is older than the type."""
    source = Checkpoint.open(folder / written.prefix)
    read = {key: (str(spec.dtype), _digest(source, key)) for key, spec in source.specs.items()}
    yield from _differences(
        {key: each for key, each in read.items() if key not in BOOKKEEPING}, written.tensors
    )


def _digest(source: Checkpoint, key: str) -> str:
    spec = source.spec(key)
    try:
        return digest(source.read(key))
    except FormatError as error:
        if "ml_dtypes" not in str(error):
            raise
        (_, raw), *_ = source.read_bytes(key)
        return digest(np.frombuffer(raw, np.uint8).reshape(spec.shape))


def _differences(read: dict[str, tuple[str, str]], wanted: dict[str, tuple[str, str]]) -> Iterator[str]:
    for key in sorted(read.keys() | wanted.keys()):
        one, other = read.get(key), wanted.get(key)
        if one is None or other is None or tuple(one) != tuple(other):
            yield f"{key!r} is {one}, the writer has {other}"


def into_graph(folder: Path, written: Written) -> Iterator[str]:
    """tf.compat.v1.train.Saver restores it into the graph, here, and legacy_ckpt.Saver does."""
    if not written.graph:
        raise Inapplicable
    prefix = str(folder / written.prefix)
    case = CASES[written.graph]
    if list(map(digest, case.restore(prefix))) != list(written.values):
        yield "tf.compat.v1.train.Saver gives other values"
    with tf.Graph().as_default(), session() as running:
        legacy_ckpt.Saver(case.build()).restore(running, prefix)
        variables = running.run(tf.compat.v1.global_variables())
    if list(map(digest, variables)) != list(written.values[: len(variables)]):
        yield "legacy_ckpt.Saver gives other values"


def into_objects(folder: Path, written: Written) -> Iterator[str]:
    """The same code's objects restore all of it and compute the same."""
    if not written.model:
        raise Inapplicable
    if written.keras != keras_of(written.model):
        raise Inapplicable(f"this Keras is not of version {written.keras}")
    checkpoint, network = MODELS[written.model]()
    checkpoint.restore(str(folder / written.prefix)).assert_consumed()
    yield from _compare(network, written)


def names_into_objects(folder: Path, written: Written) -> Iterator[str]:
    """legacy_ckpt.restore brings the other's Saver file straight into the objects."""
    if not written.model or written.source is None:
        raise Inapplicable
    if written.keras != keras_of(written.model):
        raise Inapplicable
    checkpoint, network = MODELS[written.model]()
    legacy_ckpt.restore(checkpoint, folder / written.source)
    yield from _compare(network, written)


def _compare(network: Any, written: Written) -> Iterator[str]:
    outputs = np.asarray(network(INPUTS))
    if not np.allclose(outputs, written.outputs, rtol=1e-5, atol=1e-6):
        yield f"it computes {outputs.tolist()}, the writer {written.outputs}"


def migrated_again(folder: Path, written: Written) -> Iterator[str]:
    """This library, here, makes of the other's source the very files that it made there."""
    if written.source is None:
        raise Inapplicable
    there = folder / written.prefix
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch, there.name)
        make(folder, here, written.source, written.template, written.to)
        for file in sorted(there.parent.glob(f"{there.name}.*")):
            if file.read_bytes() != Path(scratch, file.name).read_bytes():
                yield f"{file.name} has other bytes"


CHECKS: dict[str, Callable[[Path, Written], Iterator[str]]] = {
    "read by TensorFlow": by_tensorflow,
    "read by the library": by_library,
    "restored into a graph": into_graph,
    "restored into objects": into_objects,
    "names into objects": names_into_objects,
    "migrated again": migrated_again,
}


def main(result: Path, folders: list[Path]) -> None:
    """Read the folders; the result is a JSON file, by folder."""
    findings = {}
    for folder in folders:
        reading = read(folder)
        findings[str(folder)] = {"held": reading.held, "failed": reading.failed, "beyond": reading.beyond}
    result.write_text(json.dumps(findings))


if __name__ == "__main__":
    main(Path(sys.argv[1]), list(map(Path, sys.argv[2:])))
