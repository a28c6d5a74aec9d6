"""What a fresh process restores: a program that reads a JSON file of tasks and prints its findings."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.roundtrip.models import INPUTS, MODELS
from tests.roundtrip.oracle import Array

Finding = dict[str, Any]


def digest(array: Array) -> str:
    """Equal for arrays of one dtype, one shape and the same bytes."""
    content = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
    return f"{array.dtype}{list(array.shape)} {hashlib.sha256(content).hexdigest()}"


def model(task: dict[str, Any]) -> Finding:
    """Restore a model, all of it, and run it; then save, which counts on."""
    checkpoint, network = MODELS[task["model"]]()
    checkpoint.restore(task["prefix"]).assert_consumed()
    outputs = np.asarray(network(INPUTS))
    return {
        "counter": int(checkpoint.save_counter),
        "outputs": outputs.tolist(),
        "saved": checkpoint.save(task["prefix"] + "-next"),
    }


def tree(task: dict[str, Any]) -> Finding:
    """Restore tf.Modules with a variable at each path, and compat.v1 optimizers with slots: all of it."""
    root = tf.train.Checkpoint()
    variables = {path: _planted(root, path, dtype, shape) for path, dtype, shape in task["variables"]}
    found = dict(variables)
    for name, (kind, paths) in task["optimizers"].items():
        optimizer = OPTIMIZERS[kind]()
        optimizer.apply_gradients([(tf.zeros_like(variables[path]), variables[path]) for path in paths])
        root._track_trackable(optimizer, name)
        found |= {
            f"{path} {name} {slot}": optimizer.get_slot(variables[path], slot)
            for path in paths
            for slot in optimizer.get_slot_names()
        }
        found |= {f"{name} {number}": power for number, power in enumerate(_powers(optimizer))}
    root.restore(task["prefix"]).assert_consumed()
    return {
        "counter": int(root.save_counter),
        "digests": [digest(np.asarray(variable.numpy())) for variable in found.values()],
    }


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: tf.compat.v1.train.AdamOptimizer(0.01),
    "momentum": lambda: tf.compat.v1.train.MomentumOptimizer(0.01, 0.9),
}


def _powers(optimizer: Any) -> tuple[Any, ...]:
    """The beta powers of Adam."""
    return tuple(optimizer._get_beta_accumulators()) if hasattr(optimizer, "_get_beta_accumulators") else ()


def _planted(root: Any, path: str, dtype: str, shape: list[int]) -> Any:
    """A new variable at the path."""
    *scopes, name = path.split("/")
    for scope in scopes:
        child = root._lookup_dependency(scope)
        if child is None:
            child = tf.Module()
            root._track_trackable(child, scope)
        root = child
    kind = tf.dtypes.as_dtype(dtype)
    blank = np.full(shape, "", object) if kind == tf.string else np.zeros(shape, kind.as_numpy_dtype)
    variable = tf.Variable(tf.constant(blank, kind))
    root._track_trackable(variable, name)
    return variable


def graph_mode(task: dict[str, Any]) -> Finding:
    """Restore in a graph with a session, all of it; then save, which counts on."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        checkpoint, _ = MODELS["module without template"]()
        session.run(tf.compat.v1.global_variables_initializer())
        status = checkpoint.restore(task["prefix"])
        status.assert_consumed().run_restore_ops(session)
        counter = int(session.run(checkpoint.save_counter))
        return {"counter": counter, "saved": checkpoint.save(task["prefix"] + "-graph")}


KINDS: dict[str, Callable[[dict[str, Any]], Finding]] = {
    "model": model,
    "tree": tree,
    "graph mode": graph_mode,
}


def main(tasks: list[dict[str, Any]]) -> list[Finding]:
    """The finding of each task; of one that failed, its error."""
    findings = []
    for task in tasks:
        try:
            findings.append(KINDS[task["kind"]](task))
        except Exception as error:
            findings.append({"error": f"{type(error).__name__}: {error}"})
    return findings


if __name__ == "__main__":
    print(json.dumps(main(json.loads(Path(sys.argv[1]).read_text()))))
