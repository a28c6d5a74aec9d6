"""Imports point down: what each module of `migration` may reach, read from its source."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.quick

ROOT = pathlib.Path(__file__).parent.parent
# From the ground up: a module may import its own layer's packages only where they are listed together below.
LAYERS = (
    ("once", "printable", "outside"),
    ("errors", "version"),
    ("tensors",),
    ("formats", "storage", "stored_file", "suggest"),
    ("digest", "location", "snapshot"),
    ("checkpoint", "state_files"),
    ("contents",),
    ("planning",),
    ("convert", "pairing"),
    ("verify", "diff"),
    ("checked", "doctor", "config"),
    ("model_dir",),
    ("testing",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ABOVE = ("tensorflow", "keras", "tf_keras", "legacy_ckpt", "ckpt_tools", "tools")
MODULES = sorted((ROOT / "migration").rglob("*.py"))


def name_of(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = frozenset(map(name_of, MODULES))


def imported(path: pathlib.Path) -> set[str]:
    """Every module that the file imports when it runs, function-local imports included."""
    found: set[str] = set()
    for node in running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in NAMES else node.module for name in inner}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: pathlib.Path) -> None:
    parts = path.relative_to(ROOT / "migration").with_suffix("").parts
    names = imported(path)
    assert not [name for name in names if name.partition(".")[0] in ABOVE]
    if parts[0] == "__init__":
        return
    reached = {name.split(".")[1] for name in names if name.startswith("migration.")}
    assert not [name for name in reached if RANK.get(name, -1) > RANK[parts[0]]]
    beside = {name for name in reached if RANK.get(name) == RANK[parts[0]] and name != parts[0]}
    assert not beside


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, without what only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


def test_every_module_has_a_layer() -> None:
    tops = {path.relative_to(ROOT / "migration").with_suffix("").parts[0] for path in MODULES}
    assert tops - {"__init__"} == set(RANK)


def test_no_cycles() -> None:
    edges = {
        name_of(path): {dep for dep in imported(path) if dep.startswith("migration")} for path in MODULES
    }
    for start in edges:
        assert start not in reachable(edges, start), start


def reachable(edges: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    queue = [start]
    while queue:
        for name in edges.get(queue.pop(), ()):
            if name not in found:
                found.add(name)
                queue.append(name)
    return found


@pytest.mark.parametrize("module", ["tensorflow", "numpy", "google.protobuf", "rich", "scipy"])
def test_importing_migration_loads_nothing_heavy(module: str) -> None:
    program = f"import migration, sys; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
