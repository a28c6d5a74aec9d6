"""Object-based results restore, all of them, in a process that knows nothing but the new code."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, execute, make_plan
from tests.roundtrip.conftest import Saved
from tests.roundtrip.fresh import digest
from tests.roundtrip.graphs import CASES
from tests.roundtrip.models import MODELS, WITHOUT_TEMPLATE

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNT = 41  # stands at the end of each prefix
Findings = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def findings(saved: Callable[[str], Saved], tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """What one fresh process finds in all results, by task."""
    folder = tmp_path_factory.mktemp("fresh")
    tasks = {f"model {name}": _model_task(saved("classifier"), name, folder) for name in MODELS}
    mirror = tasks[f"model {WITHOUT_TEMPLATE}"]["prefix"]
    tasks["graph mode"] = {"kind": "graph mode", "prefix": mirror}
    tasks |= {
        f"tree {name}": _tree_task(saved(name), folder / f"tree {number}")
        for number, name in enumerate(CASES)
    }
    (folder / "tasks.json").write_text(json.dumps(list(tasks.values())))
    run = subprocess.run(
        [sys.executable, "-m", "tests.roundtrip.fresh", str(folder / "tasks.json")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(zip(tasks, json.loads(run.stdout), strict=True))


def _model_task(before: Saved, name: str, folder: pathlib.Path) -> dict[str, Any]:
    source = Checkpoint.open(before.prefix)
    template = None
    if name != WITHOUT_TEMPLATE:
        checkpoint, _ = MODELS[name]()
        template = Checkpoint.open(checkpoint.write(str(folder / f"{name} template")))
    prefix = folder / f"{name}-{COUNT}"
    execute(make_plan(source, template), source, prefix, template=template)
    return {"kind": "model", "model": name, "prefix": str(prefix)}


def _tree_task(before: Saved, folder: pathlib.Path) -> dict[str, Any]:
    folder.mkdir()
    source = Checkpoint.open(before.prefix)
    plan = make_plan(source)
    execute(plan, source, folder / f"model-{COUNT}")
    variables = [
        (step.paths[0], str(step.spec.dtype), step.spec.shape)
        for step in plan.steps
        if step.sources and step.origin not in ("optimizer", "slot")
    ]
    assert plan.graph is not None
    optimizers = {}
    for node, path in zip(plan.graph.nodes, plan.graph.paths, strict=True):
        if node.slots:
            kind = "momentum" if node.slots[0].slot_name == "momentum" else "adam"
            owners = {"/".join(plan.graph.paths[slot.variable] or ()) for slot in node.slots}
            optimizers["/".join(path or ())] = (kind, sorted(owners))
    return {
        "kind": "tree",
        "prefix": str(folder / f"model-{COUNT}"),
        "variables": variables,
        "optimizers": optimizers,
    }


@pytest.mark.parametrize("name", MODELS)
def test_models(saved: Callable[[str], Saved], findings: Findings, name: str) -> None:
    found = findings[f"model {name}"]
    assert "error" not in found, found["error"]
    np.testing.assert_allclose(found["outputs"], saved("classifier").values[-1], rtol=1e-5, atol=1e-6)
    assert found["counter"] == COUNT
    assert found["saved"].endswith(f"-next-{COUNT + 1}")


def test_graph_mode(findings: Findings) -> None:
    found = findings["graph mode"]
    assert "error" not in found, found["error"]
    assert found["counter"] == COUNT
    assert found["saved"].endswith(f"-graph-{COUNT + 1}")


@pytest.mark.parametrize("name", CASES)
def test_trees(saved: Callable[[str], Saved], findings: Findings, name: str) -> None:
    found = findings[f"tree {name}"]
    assert "error" not in found, found["error"]
    assert found["counter"] == COUNT
    assert sorted(found["digests"]) == sorted(map(digest, saved(name).tensors.values()))
