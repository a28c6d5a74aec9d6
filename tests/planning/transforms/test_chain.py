"""A step's transforms together: what comes out, from which bytes, and as which table."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration.planning.plan import Source, Step
from migration.planning.transforms import (
    REGISTRY,
    Add,
    Cast,
    Concat,
    Constant,
    PermuteBlocks,
    Power,
    Reshape,
    Scale,
    Slice,
    Split,
    Stack,
    Transform,
    TransformError,
    Transpose,
    Unstack,
    apply_step,
    as_reference,
    from_table,
    step_output,
    to_table,
)
from migration.tensors import DType, TensorSpec
from tests.planning.tensors import SPECS, arrangements, filled

pytestmark = pytest.mark.quick


def floats(*shape: int) -> TensorSpec:
    return TensorSpec(DType.FLOAT32, shape)


def step_of(*transforms: Transform, spec: TensorSpec | None = None, key: str = "w") -> Step:
    return Step(target="t", spec=spec or floats(), sources=(Source(key=key),), transforms=transforms)


REFERENCES = {
    "plain": ((), (0, 96)),
    "reshaped": ((Reshape((24,)),), (0, 96)),
    "first rows": ((Split(0, (1, 1), 0),), (0, 48)),
    "last rows": ((Split(0, (1, 1), 1),), (48, 96)),
    "one layer": ((Unstack(0, 1, 2),), (48, 96)),
    "a row of a layer": ((Unstack(0, 1, 2), Unstack(0, 1, 3)), (64, 80)),
    "a run within a row": ((Slice((1, 2, 1), (1, 1, 2)),), (84, 92)),
    "split of the flat tensor": ((Reshape((24,)), Split(0, (5, 19), 1), Reshape((19, 1))), (20, 96)),
    "nothing": ((Slice((0, 0, 0), (0, 3, 4)),), (0, 0)),
    "turned to itself": ((Transpose((0, 1, 2)), PermuteBlocks(0, (0, 1)), Cast(DType.FLOAT32)), (0, 96)),
    "columns": ((Split(2, (1, 3), 0),), None),
    "rows of each layer": ((Slice((0, 0, 0), (2, 1, 4)),), None),
    "turned": ((Transpose((1, 0, 2)),), None),
    "cast": ((Cast(DType.FLOAT64),), None),
    "scaled by one": ((Scale(1.0),), None),
    "gates": ((PermuteBlocks(0, (1, 0)),), None),
}


@pytest.mark.parametrize(("transforms", "run"), REFERENCES.values(), ids=REFERENCES)
def test_references(transforms: tuple[Transform, ...], run: tuple[int, int] | None) -> None:
    specs = {"w": floats(2, 3, 4)}
    wanted = None if run is None else ("w", *run)
    assert as_reference(step_of(*transforms), specs) == wanted
    before = Step(target="t", spec=floats(), sources=(Source(key="w", transforms=transforms),))
    assert as_reference(before, specs) == wanted


@given(st.data(), SPECS.filter(lambda spec: spec.nbytes is not None), st.integers(0, 2**32 - 1))
def test_a_reference_is_the_bytes_that_would_be_computed(
    data: st.DataObject, spec: TensorSpec, seed: int
) -> None:
    chain: list[Transform] = []
    current = spec
    for _ in range(data.draw(st.integers(0, 3))):
        chain.append(data.draw(st.one_of(arrangements(current), parts(current))))
        current = chain[-1].output((current,))
    step = step_of(*chain, spec=current)
    reference = as_reference(step, {"w": spec})
    array = filled(spec, seed)
    result = apply_step(step, [array])
    assert step_output(step, {"w": spec}) == current == TensorSpec(spec.dtype, result.shape)
    assert result.flags.c_contiguous
    if reference is not None:
        _, start, stop = reference
        assert array.tobytes()[start:stop] == result.tobytes()


@st.composite
def parts(draw: st.DrawFn, spec: TensorSpec) -> Transform:
    """A part of a tensor; the whole, where it is a scalar."""
    box = [
        (start, draw(st.integers(0, size - start)))
        for size in spec.shape
        for start in [draw(st.integers(0, size))]
    ]
    choices: list[Transform] = [Slice(tuple(start for start, _ in box), tuple(size for _, size in box))]
    for axis, size in enumerate(spec.shape):
        if size:
            at = draw(st.integers(0, size - 1))
            choices += [Unstack(axis, at, size), Split(axis, (at, size - at), 1)]
    return draw(st.sampled_from(choices))


def test_tensors_of_varying_elements_are_references_as_a_whole() -> None:
    specs = {"s": TensorSpec(DType.STRING, (2,)), "v": TensorSpec(DType.VARIANT, ())}
    assert as_reference(step_of(key="s"), specs) == ("s", 0, None)
    assert as_reference(step_of(Reshape((2, 1)), key="s"), specs) == ("s", 0, None)
    assert as_reference(step_of(Split(0, (1, 1), 0), key="s"), specs) is None
    assert as_reference(step_of(key="v"), specs) == ("v", 0, None)


def test_several_sources_and_none_are_no_references() -> None:
    joined = Step(target="t", spec=floats(2), sources=(Source(key="w"),) * 2, transforms=(Stack(0),))
    constant = Step(target="t", spec=floats(2), transforms=(Constant(0),))
    assert as_reference(joined, {"w": floats()}) is None
    assert as_reference(constant, {"w": floats()}) is None


def test_a_step_joins_its_sources_then_goes_on() -> None:
    step = Step(
        target="t",
        spec=floats(3, 4),
        sources=(Source(key="a", transforms=(Transpose((1, 0)),)), Source(key="b")),
        transforms=(Concat(0), Transpose((1, 0))),
    )
    assert step_output(step, {"a": floats(3, 1), "b": floats(3, 3)}) == floats(3, 4)
    a, b = np.float32([[1], [2], [3]]), np.arange(9, dtype=np.float32).reshape(3, 3)
    np.testing.assert_array_equal(apply_step(step, [a, b]), np.concatenate([a.T, b]).T)


def test_scalars_and_constants_keep_their_shape() -> None:
    assert apply_step(step_of(spec=floats()), [np.float32(3)]).shape == ()
    constant = Step(target="t", spec=floats(2, 2), transforms=(Constant(1),))
    assert step_output(constant, {}) == floats(2, 2)
    np.testing.assert_array_equal(apply_step(constant, []), np.ones((2, 2), np.float32), strict=True)


def test_a_template_tensor_is_what_the_step_promises_until_its_spec_is_known() -> None:
    step = Step(target="t", spec=floats(2), sources=(Source(key="seed", template=True),))
    assert step_output(step, {}) == floats(2)
    assert step_output(step, {}, {"seed": floats(3)}) == floats(3)
    with pytest.raises(TransformError, match="not in the template"):
        step_output(step, {}, {})


def test_every_misfit_of_a_step_is_told_at_once() -> None:
    step = Step(
        target="t",
        spec=floats(2),
        sources=(Source(key="gone"), Source(key="w", transforms=(Transpose((1,)),)), Source(key="lost")),
        transforms=(Concat(0),),
    )
    with pytest.raises(TransformError, match=r"'gone'.*'w': transpose.*'lost'"):
        step_output(step, {"w": floats(2)})


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step(target="t", spec=floats(2)), "a constant"),
        (Step(target="t", spec=floats(2), transforms=(Constant(1), Scale(2.0))), "a constant"),
        (Step(target="t", spec=floats(2), sources=(Source(key="w"),) * 2), "2 tensors"),
        (
            Step(target="t", spec=floats(2), sources=(Source(key="w"),), transforms=(Constant(1),)),
            "takes no tensor",
        ),
    ],
)
def test_steps_that_make_nothing(step: Step, told: str) -> None:
    with pytest.raises(TransformError, match=told):
        step_output(step, {"w": floats(2)})


# Tables ------------------------------------------------------------------------------------------------

WRITTEN = {
    "reshape": (Reshape((3, 4)), {"reshape": [3, 4]}),
    "transpose": (Transpose((1, 0)), {"transpose": [1, 0]}),
    "cast": (Cast(DType.BFLOAT16), {"cast": "bfloat16"}),
    "cast back": (Cast(DType.FLOAT32, widened=True), {"cast": {"dtype": "float32", "widened": True}}),
    "concat": (Concat(0, (2, 2)), {"concat": {"axis": 0, "sizes": [2, 2]}}),
    "concat of any sizes": (Concat(1), {"concat": 1}),
    "split": (Split(1, (4, -1), 0), {"split": {"axis": 1, "sizes": [4, -1], "index": 0}}),
    "stack": (Stack(0), {"stack": 0}),
    "unstack": (Unstack(0, 1, 3), {"unstack": {"axis": 0, "index": 1, "count": 3}}),
    "slice": (Slice((0, 1), (2, -1)), {"slice": {"starts": [0, 1], "sizes": [2, -1]}}),
    "scale": (Scale(-0.1), {"scale": -0.1}),
    "divide": (Scale(3.0, divide=True), {"scale": {"factor": 3.0, "divide": True}}),
    "add": (Add(1.0), {"add": 1.0}),
    "add to a block": (Add(1.0, 1, 5, 10), {"add": {"value": 1.0, "axis": 1, "start": 5, "stop": 10}}),
    "blocks": (PermuteBlocks(1, (0, 2, 1)), {"permute_blocks": {"axis": 1, "order": [0, 2, 1]}}),
    "constant": (Constant(0), {"constant": 0}),
    "constant text": (Constant("a"), {"constant": "a"}),
    "constant bytes": (Constant(b"\xff"), {"constant": {"value": {"base64": "/w=="}}}),
    "constant complex": (Constant(1 + 2j), {"constant": {"value": {"real": 1.0, "imag": 2.0}}}),
    "constant nested": (Constant(((1, 2.5), (True, False))), {"constant": [[1, 2.5], [True, False]]}),
    "power": (Power(0.9, 1.0, DType.FLOAT32), {"power": {"base": 0.9, "offset": 1.0, "dtype": "float32"}}),
}


@pytest.mark.parametrize(("transform", "table"), WRITTEN.values(), ids=WRITTEN)
def test_tables_are_what_people_would_write(transform: Transform, table: dict[str, Any]) -> None:
    assert to_table(transform) == table
    assert from_table(table) == transform


def test_the_vocabulary_is_written_whole() -> None:
    """Every transform has a table whose name is its own."""
    assert set(REGISTRY) >= {transform.name for transform, _ in WRITTEN.values()}
    assert all(kind.name == name for name, kind in REGISTRY.items())


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("transpose", "is no transform"),
        ({}, "is no transform"),
        ({"transpose": [1, 0], "cast": "int8"}, "is no transform"),
        ({"transposed": [1, 0]}, "unknown transform 'transposed': use one of"),
        ({"transpose": [1, "0"]}, "a list of integers"),
        ({"transpose": [True, False]}, "a list of integers"),
        ({"transpose": 1}, "a list of integers"),
        ({"cast": "float33"}, "the name of a dtype"),
        ({"cast": 1}, "the name of a dtype"),
        ({"scale": "x"}, "a number"),
        ({"scale": {"factor": 1.0, "divide": 1}}, "true or false"),
        ({"split": {"axis": 1, "sizes": [1]}}, "index missing"),
        ({"split": {"axis": 1, "sizes": [1], "index": 0, "part": 1}}, "unknown key 'part'"),
        ({"constant": {"value": {"base64": "?"}}}, "a number, a boolean"),
        ({"constant": {"value": {"hex": "ff"}}}, "a number, a boolean"),
    ],
)
def test_tables_that_are_wrong(table: object, told: str) -> None:
    with pytest.raises(TransformError, match=told):
        from_table(table)


def test_the_vocabulary_is_light() -> None:
    """Plans are read and printed without numpy."""
    program = "import migration.planning.transforms, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
