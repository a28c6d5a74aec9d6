"""Slots in a mirror follow their variable where rules change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migration.checkpoint import Checkpoint
from migration.convert import execute
from migration.planning.planner import make_plan
from migration.planning.rules import Rules
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

Array = np.ndarray[Any, Any]


def trained() -> dict[str, Array]:
    """Three variables after Adam's steps."""
    numbers = np.random.default_rng(5)
    found: dict[str, Array] = {}
    for name, shape in {"q/w": (4, 3), "k/w": (4, 3), "fc/w": (6, 4)}.items():
        for slot in ("", "/Adam", "/Adam_1"):
            found[f"{name}{slot}"] = numbers.standard_normal(shape).astype(np.float32)
    powers = {f"beta{each}_power": np.array(beta**11, np.float32) for each, beta in ((1, 0.9), (2, 0.999))}
    return {**found, **powers, "global_step": np.array(10, np.int64)}


SOURCE = trained()


def slot(variable: str, name: str) -> str:
    return f"{variable}/.OPTIMIZER_SLOT/optimizer/{name}/.ATTRIBUTES/VARIABLE_VALUE"


def migrated(tmp_path: Path, rules: str) -> tuple[Checkpoint, Checkpoint, tuple[str, ...]]:
    """The source, what the rules make of it, and the plan's notes."""
    source = Checkpoint.open(write_bundle(tmp_path / "m-10", SOURCE))
    plan = make_plan(source, rules=Rules.of(rules))
    execute(plan, source, tmp_path / "new-10")
    return source, Checkpoint.open(tmp_path / "new-10"), plan.notes


def comes_back(tmp_path: Path, without: tuple[str, ...] = ()) -> bool:
    """Whether the way back by the manifest gives every byte of the source again."""
    made = Checkpoint.open(tmp_path / "new-10")
    execute(make_plan(made, to="name"), made, tmp_path / "back-10")
    back = Checkpoint.open(tmp_path / "back-10")
    kept = {key: array for key, array in SOURCE.items() if key not in without}
    return {key: back.read(key).tobytes() for key in back.keys} == {
        key: array.tobytes() for key, array in kept.items()
    }


def test_transposed_with_it(tmp_path: Path) -> None:
    rules = '[[rule]]\nmatch = "fc/w"\nto = "fc/kernel"\ntransforms = [{transpose = [1, 0]}]\n'
    _, made, _ = migrated(tmp_path, rules)
    assert made.read(slot("fc/kernel", "m")).tolist() == SOURCE["fc/w/Adam"].T.tolist()
    assert made.read(slot("fc/kernel", "v")).tolist() == SOURCE["fc/w/Adam_1"].T.tolist()
    assert comes_back(tmp_path)


def test_joined_with_it(tmp_path: Path) -> None:
    rules = '[[rule]]\nmatch = ["q/w", "k/w"]\nto = "qk/w"\ntransforms = [{concat = {axis = 1}}]\n'
    _, made, _ = migrated(tmp_path, rules)
    joined = np.concatenate([SOURCE["q/w/Adam"], SOURCE["k/w/Adam"]], axis=1)
    assert made.read(slot("qk/w", "m")).tolist() == joined.tolist()
    assert comes_back(tmp_path)


def test_parted_with_it(tmp_path: Path) -> None:
    part = "transforms = [{{split = {{axis = 0, sizes = [2, 4], index = {index}}}}}]"
    rules = "\n".join(
        f'[[rule]]\nmatch = "fc/w"\nto = "fc/w{index}"\nalso = true\n{part.format(index=index)}\n'
        for index in (0, 1)
    )
    _, made, _ = migrated(tmp_path, rules)
    assert made.read(slot("fc/w0", "v")).tolist() == SOURCE["fc/w/Adam_1"][:2].tolist()
    assert made.read(slot("fc/w1", "v")).tolist() == SOURCE["fc/w/Adam_1"][2:].tolist()
    assert comes_back(tmp_path)


def test_a_constant_that_is_added_is_no_gradient_s(tmp_path: Path) -> None:
    rules = '[[rule]]\nmatch = "fc/w"\nto = "fc/w"\ntransforms = [{add = 1}]\n'
    _, made, _ = migrated(tmp_path, rules)
    assert made.read(slot("fc/w", "m")).tolist() == SOURCE["fc/w/Adam"].tolist()


def test_scaled_it_has_none_and_that_is_told(tmp_path: Path) -> None:
    rules = '[[rule]]\nmatch = "fc/w"\nto = "fc/w"\ntransforms = [{scale = 2}]\n'
    _, made, notes = migrated(tmp_path, rules)
    assert slot("fc/w", "m") not in made
    assert slot("q/w", "m") in made
    assert any("fc/w/Adam, fc/w/Adam_1" in note for note in notes)
    assert comes_back(tmp_path, without=("fc/w/Adam", "fc/w/Adam_1"))
