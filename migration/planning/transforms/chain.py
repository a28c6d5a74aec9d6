"""A step's transforms as one: its output spec, its computation, and whether it is a mere reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from migration.planning.transforms.base import Array, Transform, TransformError
from migration.planning.transforms.constant import Constant
from migration.tensors import TensorSpec

if TYPE_CHECKING:
    pass


class SourceLike(Protocol):
    """What `plan.Source` is, seen from below."""

    @property
    def key(self) -> str: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...
    @property
    def template(self) -> bool: ...


class StepLike(Protocol):
    """What `plan.Step` is, seen from below."""

    @property
    def target(self) -> str: ...
    @property
    def spec(self) -> TensorSpec: ...
    @property
    def sources(self) -> tuple[Any, ...]: ...
    @property
    def transforms(self) -> tuple[Transform, ...]: ...


def output_of(transforms: Sequence[Transform], inputs: tuple[TensorSpec, ...]) -> TensorSpec:
    """What comes out of a chain: all inputs go into the first transform, its output into the next.

    Raises TransformError for the first that does not fit, or where several inputs meet no transform.
    """
    for transform in transforms:
        inputs = (transform.output(inputs),)
    if len(inputs) != 1:
        raise TransformError(f"{len(inputs)} tensors make one only through a transform that joins them")
    return inputs[0]


def step_output(
    step: StepLike,
    specs: Mapping[str, TensorSpec],
    template_specs: Mapping[str, TensorSpec] | None = None,
) -> TensorSpec:
    """The spec that a step makes of sources of these specs, no byte read.

    A source of the template's is looked up in `template_specs`; without those it is taken to be what
    the step promises. Raises TransformError that tells every source that is absent or does not fit.
    """
    if not step.sources:
        return _without_sources(step)
    inputs: list[TensorSpec] = []
    faults: list[str] = []
    for source in step.sources:
        try:
            inputs.append(output_of(source.transforms, (_spec_of(source, step, specs, template_specs),)))
        except TransformError as error:
            faults.append(f"source {source.key!r}: {error}")
    if faults:
        raise TransformError("; ".join(faults))
    return output_of(step.transforms, tuple(inputs))


def _spec_of(
    source: SourceLike,
    step: StepLike,
    specs: Mapping[str, TensorSpec],
    template_specs: Mapping[str, TensorSpec] | None,
) -> TensorSpec:
    if source.template and template_specs is None:
        return step.spec
    where = template_specs if source.template and template_specs is not None else specs
    if source.key not in where:
        raise TransformError(f"is not in the {'template' if source.template else 'source checkpoint'}")
    return where[source.key]


def _without_sources(step: StepLike) -> TensorSpec:
    if len(step.transforms) != 1 or not isinstance(step.transforms[0], Constant):
        raise TransformError("a step without sources has one transform, a constant")
    return step.transforms[0].filled(step.spec)


def apply_step(step: StepLike, arrays: Sequence[Array]) -> Array:
    """The step's tensor, C-contiguous. `arrays` are its sources, in their order, as they are stored."""
    import numpy as np

    inputs = list(arrays)
    for at, source in enumerate(step.sources):
        for transform in source.transforms:
            inputs[at] = transform.apply([inputs[at]])
    for transform in step.transforms:
        spec = step.spec if isinstance(transform, Constant) else None
        inputs = [transform.apply(inputs, spec)]
    (result,) = inputs
    return np.asarray(result, order="C")


def as_reference(
    step: StepLike, source_specs: Mapping[str, TensorSpec]
) -> tuple[str, int, int | None] | None:
    """Where the step's bytes lie ready-made: (source key, first byte, end) within that tensor's bytes.

    The end is None for a whole tensor whose elements vary in size (strings, variants). Returns None
    where the tensor has to be computed. `source_specs` are the specs of the side that the source is on
    (the template's, for a source of the template's).
    """
    if len(step.sources) != 1 or step.sources[0].key not in source_specs:
        return None
    source = step.sources[0]
    spec = source_specs[source.key]
    start, stop = 0, spec.size
    current = spec
    for transform in (*source.transforms, *step.transforms):
        output = transform.output((current,))
        run = transform.span((current,))
        if run is None:
            return None
        start, stop = start + run[0], start + run[1]
        current = output
    itemsize = spec.dtype.itemsize
    if itemsize is None:
        return (source.key, 0, None) if (start, stop) == (0, spec.size) else None
    return source.key, start * itemsize, stop * itemsize
