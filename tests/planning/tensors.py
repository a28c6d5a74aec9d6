"""Tensors, chains of transforms, and plans of invertible steps, drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from migration.planning.plan import Plan, Source, SourceSignature, Step
from migration.planning.transforms import (
    Concat,
    PermuteBlocks,
    Reshape,
    Split,
    Stack,
    Transform,
    Transpose,
    Unstack,
    apply_step,
    output_of,
)
from migration.tensors import DType, TensorSpec

Arrays = dict[str, "np.ndarray[Any, Any]"]
DECODABLE = [dtype for dtype in DType if dtype not in (DType.VARIANT, DType.RESOURCE)]
INSTALLED = [dtype for dtype in DECODABLE if dtype.has_array_form]
SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
SPECS = st.builds(TensorSpec, st.sampled_from(INSTALLED), SHAPES)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


def filled(spec: TensorSpec, seed: int = 0) -> np.ndarray[Any, Any]:
    """An array of that spec with random bytes, so that every bit pattern may occur."""
    random = np.random.default_rng(seed)
    if spec.dtype is DType.STRING:
        found = np.empty(spec.size, dtype=object)
        for at in range(spec.size):
            found[at] = random.bytes(int(random.integers(0, 5)))
        return found.reshape(spec.shape)
    raw = random.integers(0, 256, spec.nbytes, dtype=np.uint8).tobytes()
    if spec.dtype is DType.BOOL:
        return (np.frombuffer(raw, np.uint8) % 2 == 1).reshape(spec.shape)
    return np.frombuffer(raw, spec.dtype.numpy).reshape(spec.shape)


def same_bytes(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are equal in dtype, shape and every byte."""
    if (ours.dtype, ours.shape) != (theirs.dtype, theirs.shape):
        return False
    if ours.dtype == object:
        return ours.tolist() == theirs.tolist()
    return ours.tobytes() == theirs.tobytes()


@st.composite
def arrangements(draw: st.DrawFn, spec: TensorSpec) -> Transform:
    """A transform of one tensor that only moves elements, as reversing writes it."""
    choices: list[st.SearchStrategy[Transform]] = [
        st.permutations(range(len(spec.shape))).map(lambda order: Transpose(tuple(order))),
        st.permutations(spec.shape).map(lambda shape: Reshape(tuple(shape))),
        st.just(Reshape((spec.size,))),
    ]
    for axis, size in enumerate(spec.shape):
        counts = [count for count in range(1, size + 1) if size % count == 0]
        if counts:
            order = st.sampled_from(counts).flatmap(lambda count: st.permutations(range(count)))
            choices.append(order.map(lambda found, axis=axis: PermuteBlocks(axis, tuple(found))))
    return draw(st.one_of(choices))


@st.composite
def chains(draw: st.DrawFn, spec: TensorSpec) -> tuple[Transform, ...]:
    """Up to three of them in a row."""
    found: list[Transform] = []
    for _ in range(draw(st.integers(0, 3))):
        found.append(draw(arrangements(spec)))
        spec = found[-1].output((spec,))
    return tuple(found)


@st.composite
def moves(draw: st.DrawFn, number: int) -> tuple[dict[str, TensorSpec], list[Step]]:
    """One tensor of the source under another name, rearranged."""
    spec = draw(SPECS)
    chain = draw(chains(spec))
    step = Step(
        target=f"moved/{number}",
        spec=output_of(chain, (spec,)),
        sources=(Source(key=f"old/{number}"),),
        transforms=chain,
    )
    return {f"old/{number}": spec}, [step]


@st.composite
def cuts(draw: st.DrawFn, number: int) -> tuple[dict[str, TensorSpec], list[Step]]:
    """One tensor of the source, behind a chain, in parts with a chain of its own each."""
    spec = draw(SPECS.filter(lambda spec: any(size > 1 for size in spec.shape)))
    prefix = draw(chains(spec))
    whole = output_of(prefix, (spec,))
    if max(whole.shape) < 2:  # an empty tensor in one dimension
        prefix, whole = (), spec
    axis = draw(st.sampled_from([axis for axis, size in enumerate(whole.shape) if size > 1]))
    size = whole.shape[axis]
    if draw(st.booleans()):
        first = draw(st.integers(1, size - 1))
        parts: list[Transform] = [Split(axis, (first, size - first), index) for index in range(2)]
    else:
        parts = [Unstack(axis, index, size) for index in range(size)]
    steps = []
    for index, part in enumerate(parts):
        suffix = draw(chains(part.output((whole,))))
        chain = (*prefix, part, *suffix)
        steps.append(
            Step(
                target=f"part/{number}/{index}",
                spec=output_of(chain, (spec,)),
                sources=(Source(key=f"whole/{number}"),),
                transforms=chain,
            )
        )
    return {f"whole/{number}": spec}, steps


@st.composite
def joins(draw: st.DrawFn, number: int) -> tuple[dict[str, TensorSpec], list[Step]]:
    """Several tensors of the source, each behind a chain, as one, with a chain behind."""
    common = draw(SPECS.filter(lambda spec: len(spec.shape) > 0 and spec.size > 0))
    count = draw(st.integers(2, 3))
    inputs, sources, specs = [], [], {}
    join: Transform
    axis = draw(st.integers(0, len(common.shape) - 1))
    stacked = draw(st.booleans())
    for index in range(count):
        length = common.shape[axis] if stacked else draw(st.integers(1, 3))
        spec = TensorSpec(common.dtype, (*common.shape[:axis], length, *common.shape[axis + 1 :]))
        back = draw(chains(spec))
        key = f"piece/{number}/{index}"
        specs[key] = output_of(back, (spec,))
        forward: list[Transform] = []
        for transform in back:
            inverse = transform.inverse((spec,))
            assert inverse is not None
            forward.insert(0, inverse)
            spec = transform.output((spec,))
        sources.append(Source(key=key, transforms=tuple(forward)))
        inputs.append(output_of(forward, (specs[key],)))
    join = Stack(axis) if stacked else Concat(axis, tuple(spec.shape[axis] for spec in inputs))
    behind = draw(chains(join.output(tuple(inputs))))
    transforms = (join, *behind)
    step = Step(
        target=f"joined/{number}",
        spec=output_of(transforms, tuple(inputs)),
        sources=tuple(sources),
        transforms=transforms,
    )
    return specs, [step]


@st.composite
def invertible_plans(draw: st.DrawFn) -> Plan:
    """A plan whose every step can be undone bit for bit."""
    specs: dict[str, TensorSpec] = {}
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 4))):
        more, made = draw(st.one_of(moves(number), cuts(number), joins(number)))
        specs |= more
        steps += made
    return Plan(to="name", source=SourceSignature(specs=specs), steps=tuple(draw(st.permutations(steps))))


def carried_out(plan: Plan, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """What the plan makes of these tensors."""
    return {
        step.target: apply_step(step, [arrays[source.key] for source in step.sources]) for step in plan.steps
    }
