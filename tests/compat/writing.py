"""`python -m tests.compat.writing FOLDER`: what this TensorFlow writes, and what this library makes of it."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from migration import Checkpoint, execute, make_plan
from tests.compat.facts import Facts, Written, digest
from tests.roundtrip.graphs import CASES
from tests.roundtrip.models import INPUTS, MODELS, WITHOUT_TEMPLATE
from tests.roundtrip.oracle import specs, tensors

PACKAGES = ("tensorflow", "keras", "tf_keras", "numpy", "protobuf", "ml_dtypes")
CLASSIFIER = "classifier"
EVERYWHERE = range(1, 26)  # the numbers of the dtypes that the oldest of the TensorFlows has
NEWER = range(26, 40)


def versions() -> dict[str, str]:
    """The versions of what matters here."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def keras_of(model: str) -> int:
    """The major version of the Keras that a builder's classes are of, where it is the installed `keras`."""
    return int(versions()["keras"].split(".")[0]) if model.startswith("keras") else 0


def write(folder: Path) -> Facts:
    """Write everything."""
    written = [each for name in CASES for each in _graphs(folder, name)]
    written += [each for name in MODELS for each in _models(folder, name)]
    written += [*_dtypes(folder, "dtypes", EVERYWHERE), *_dtypes(folder, "newer dtypes", NEWER)]
    return Facts(versions=versions(), written=written)


def found(prefix: str) -> dict[str, tuple[str, str]]:
    """What TensorFlow finds, by key."""
    kinds = specs(prefix)
    return {key: (kinds[key][0], digest(array)) for key, array in tensors(prefix).items()}


def _graphs(folder: Path, name: str) -> Iterator[Written]:
    """A Saver's file, its tensors as objects, and those as names again."""
    home = Path("graphs", name.replace(" ", "_"))
    (folder / home).mkdir(parents=True)
    case = CASES[name]
    path, twin = case.save(str(folder / home / "model.ckpt-7"))
    stored, values = found(twin), tuple(map(digest, case.restore(twin)))
    saved = str(home / Path(path).name)
    label = f"Saver: {name}"
    yield Written(label=label, prefix=saved, tensors=stored, graph=name, values=values)
    there, back = str(home / "objects-7"), str(home / "names-7")
    yield migrated(folder, f"{label}, to objects", there, saved)
    yield migrated(folder, f"{label}, to objects and back", back, there, to="name", graph=name, values=values)


def migrated(folder: Path, label: str, prefix: str, source: str, **known: Any) -> Written:
    """What this library makes of a source."""
    template = known.get("template")
    make(folder, folder / prefix, source, template, known.get("to", "object"))
    return Written(label=label, prefix=prefix, source=source, tensors=found(str(folder / prefix)), **known)


def make(folder: Path, output: Path, source: str, template: str | None, to: str) -> None:
    """Migrate one checkpoint of the folder."""
    opened = Checkpoint.open(folder / source)
    target = Checkpoint.open(folder / template) if template else None
    execute(make_plan(opened, target, to=to), opened, output, template=target)


def _models(folder: Path, name: str) -> Iterator[Written]:
    """The classifier's weights in objects: migrated, then saved by TensorFlow, then under names again."""
    home = Path("models", name.replace(" ", "_"))
    (folder / home).mkdir(parents=True)
    template = None
    if name != WITHOUT_TEMPLATE:
        template = str(home / "template")
        MODELS[name]()[0].write(str(folder / template))
    there = str(home / "migrated-7")
    source = f"graphs/{CLASSIFIER}/model.ckpt-7"
    make(folder, folder / there, source, template, "object")
    checkpoint, network = MODELS[name]()
    checkpoint.restore(str(folder / there)).assert_consumed()
    outputs = tuple(tuple(map(float, row)) for row in np.asarray(network(INPUTS)))
    known: dict[str, Any] = {"model": name, "keras": keras_of(name), "outputs": outputs}
    yield migrated(folder, f"{name}, of names", there + "1", source, template=template, **known)
    saved = checkpoint.save(str(folder / home / "saved"))
    yield Written(
        label=f"tf.train.Checkpoint: {name}",
        prefix=str(home / Path(saved).name),
        tensors=found(saved),
        **known,
    )
    back = str(home / "names-7")
    yield migrated(folder, f"{name}, back to names", back, there + "1", to="name")


def _dtypes(folder: Path, name: str, numbers: range) -> Iterator[Written]:
    """A variable of each dtype that this TensorFlow has, as objects and under names."""
    root = tf.Module()
    for number in numbers:
        variable = _variable(number)
        if variable is not None:
            setattr(root, variable.dtype.name, variable)
    if not root.variables:
        return
    home = Path(name.replace(" ", "_"))
    (folder / home).mkdir()
    prefix = tf.train.Checkpoint(root).write(str(folder / home / "ckpt"))
    saved = str(home / Path(prefix).name)
    yield Written(label=f"tf.train.Checkpoint: {name}", prefix=saved, tensors=found(prefix))
    yield migrated(folder, f"{name}, to names", str(home / "names"), saved, to="name")


def _variable(number: int) -> tf.Variable | None:
    """A variable with a few values of the type of that number; None where this TensorFlow makes none."""
    try:
        dtype = tf.dtypes.as_dtype(number)
        plain = dtype.as_numpy_dtype
        values = [b"a\0", b"", b"c", b"\xff"] if dtype == tf.string else np.array([0, 1, 1, 0]).astype(plain)
        return tf.Variable(tf.constant(values, dtype), name=f"made/{dtype.name}")
    except (TypeError, ValueError, KeyError, tf.errors.OpError):
        return None


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write(target).save(target)
