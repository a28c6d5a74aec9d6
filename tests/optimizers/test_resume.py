"""Training goes on after a migration as if nothing had happened: nine optimizers, four libraries."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from migration import Checkpoint, execute, make_plan
from tests.optimizers.programs import SOURCES, TARGETS, Graph, Target, Weights, batches, difference

BEFORE, AFTER, AGAIN = 7, 10, 5
TOLERANCE = 1e-5  # relative, float32, after every step


@functools.cache
def trained(name: str, folder: Path) -> tuple[Graph, str, list[Weights]]:
    """A TF1 program after seven steps, its checkpoint, and its weights after each of the steps to come."""
    program = Graph(SOURCES[name])
    program.run(batches(BEFORE))
    prefix = program.save(str(folder / name.replace(" ", "-") / "model.ckpt"))
    return program, prefix, program.run(batches(AFTER + AGAIN, seed=2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.mark.parametrize("flavour", TARGETS)
@pytest.mark.parametrize("name", SOURCES)
def test_training_goes_on_and_comes_back(name: str, flavour: str, folder: Path, tmp_path: Path) -> None:
    program, prefix, expected = trained(name, folder)
    make = TARGETS[flavour][name]
    template = Target(flavour, make).checkpoint.write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert not plan.unused, plan.unused
    assert not plan.unfilled, plan.unfilled
    execute(plan, Checkpoint.open(prefix), str(tmp_path / "migrated"), template=Checkpoint.open(template))

    target = Target(flavour, make)
    target.checkpoint.restore(str(tmp_path / "migrated")).assert_consumed()
    data = batches(AFTER + AGAIN, seed=2)
    for step, weights in enumerate(target.run(data[:AFTER])):
        assert difference(weights, expected[step]) < TOLERANCE, (step, plan.notes)

    trained_on = target.checkpoint.write(str(tmp_path / "trained-on"))
    back = make_plan(trained_on, prefix, to="name")
    assert not back.unfilled, back.unfilled
    execute(back, Checkpoint.open(trained_on), str(tmp_path / "back"))
    program.restore(str(tmp_path / "back"))
    for step, weights in enumerate(program.run(data[AFTER:])):
        assert difference(weights, expected[AFTER + step]) < TOLERANCE, (step, back.notes)
