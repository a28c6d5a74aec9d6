"""What every transform is: a value with a name that knows its output before any byte is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from migration.errors import InputError
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, Any]"


class TransformError(InputError):
    """A transform that does not fit what it is given; the text names the transform and the misfit."""


@dataclass(frozen=True, slots=True)
class Transform(ABC):
    """One named operation on tensors: `output` says what comes out, `apply` computes it.

    All raise TransformError for what does not fit. `inputs` are the specs of what goes in: one for
    most, several for concat and stack, none for a constant.
    """

    name: ClassVar[str]

    @abstractmethod
    def output(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        """The spec of what comes out of inputs of these specs."""

    @abstractmethod
    def apply(self, arrays: Sequence[Array], spec: TensorSpec | None = None) -> Array:
        """The output array, perhaps a view. `spec` is the output's spec: only a constant needs it."""

    def inverse(self, inputs: tuple[TensorSpec, ...]) -> Transform | None:
        """The transform that takes the output back to the one input; None where values were lost."""
        return None

    def undo(self, inputs: tuple[TensorSpec, ...]) -> tuple[Transform, ...] | None:
        """For each input the transform that takes it out of the output; None where one cannot be."""
        back = self.inverse(inputs) if len(inputs) == 1 else None
        return None if back is None else (back,)

    def span(self, inputs: tuple[TensorSpec, ...]) -> tuple[int, int] | None:
        """The elements (start, stop) of the one input that the output is, in row-major order.

        None where the output's elements are not one run of the input's own.
        """
        return None

    @property
    def exact(self) -> bool:
        """Whether the inverse, where there is one, gives back the very bytes.

        False means that floating-point rounding may leave a value one unit in the last place away
        from the original: of the value for a scale, of the sum for an addition.
        """
        return True

    def fault(self, message: str) -> TransformError:
        """An error of this transform's: its name, and what does not fit."""
        return TransformError(f"{self.name}: {message}")

    def only(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        """The one input of a transform that takes one."""
        if len(inputs) != 1:
            raise self.fault(
                f"takes one tensor, but {len(inputs)} come in: join them first (concat or stack)"
            )
        return inputs[0]

    def decoded(self, inputs: tuple[TensorSpec, ...]) -> TensorSpec:
        """The one input, whose elements can be told apart."""
        spec = self.only(inputs)
        self.check_decodable(spec)
        return spec

    def check_decodable(self, spec: TensorSpec) -> None:
        """Refuses elements that are carried as they are and never decoded."""
        if spec.dtype in (DType.VARIANT, DType.RESOURCE):
            raise self.fault(f"{spec.dtype} tensors can only be carried over as they are")

    def axis_of(self, axis: int, rank: int) -> int:
        """`axis`, counted from the front; a negative one counts from the back."""
        if not -rank <= axis < rank:
            raise self.fault(f"axis {axis} of a tensor with {rank} dimensions")
        return axis % rank


REGISTRY: dict[str, type[Transform]] = {}
_Kind = TypeVar("_Kind", bound=type[Transform])


def registered(kind: _Kind) -> _Kind:
    """Adds a transform to the closed vocabulary of plan and rule files, under its name."""
    if kind.name in REGISTRY:
        raise ValueError(f"two transforms are named {kind.name}")
    REGISTRY[kind.name] = kind
    return kind
