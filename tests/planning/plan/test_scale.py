"""Very many steps and names: seconds, where quadratic work would take minutes."""

from __future__ import annotations

import time

import pytest

from migration.errors import PlanError
from migration.planning.plan import Plan, Source, SourceSignature, Step
from migration.planning.plan_file import from_toml, to_toml
from migration.planning.transforms import Transpose
from migration.suggest import NameIndex
from migration.tensors import DType, TensorSpec


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


def test_very_many_steps() -> None:
    """100,000 steps are written in some 2 s, read in 5, refused in 9; a tenth of them here."""
    specs = {f"model/layer_{n}/kernel": floats(2, 3) for n in range(10_000)}
    steps = tuple(
        Step(
            target=f"m/{n}/kernel/V",
            spec=floats(3, 2),
            sources=(Source(key=key),),
            transforms=(Transpose((1, 0)),),
            reason="because",
        )
        for n, key in enumerate(specs)
    )
    plan = Plan(to="object", source=SourceSignature(specs=specs), steps=steps)
    started = time.process_time()
    text = to_toml(plan)
    assert from_toml(text, "p") == plan
    with pytest.raises(PlanError) as caught:
        from_toml(text.replace('["model/layer_9', '["model/layer_x9'), "p.toml")
    assert len(caught.value.problems) == 1111
    assert time.process_time() - started < 15  # quadratic work would take minutes


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([f"scope_{n % 7}/layer_{n}/kernel" for n in range(100_000)], id="like a model"),
        pytest.param([f"w{n * 7919 % 1000003:x}abc{n}" for n in range(100_000)], id="every word another"),
        pytest.param(["x" * 5000 + str(n) for n in range(1000)], id="very long"),
    ],
)
def test_hundreds_of_questions_about_very_many_names(names: list[str]) -> None:
    started = time.process_time()
    index = NameIndex(names)
    for number in range(200):
        index.nearest(f"scpoe_3/layer_{number}x/kernle", None)
    assert time.process_time() - started < 20  # a comparison with each would take an hour
