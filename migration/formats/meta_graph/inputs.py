"""How many inputs the ops have whose inputs are asked for by their places.

The numbers are those of TensorFlow's public op definitions. TensorFlow loads no graph that has others, so
one that has is damaged.
"""

from __future__ import annotations

from collections.abc import Mapping

from migration.errors import FormatError

_ANY = 1 << 62
_EXACTLY = {
    1: "Neg Sqrt Rsqrt Square Exp",
    2: "MatMul Add AddV2 Sub Mul RealDiv Div Pow Maximum Minimum BiasAdd Assign AssignAdd AssignSub"
    " AssignVariableOp AssignAddVariableOp AssignSubVariableOp Gather ResourceGather",
    3: "GatherV2 ScatterAdd ScatterSub ScatterUpdate ResourceScatterAdd ResourceScatterSub"
    " ResourceScatterUpdate",
}
INPUTS: Mapping[str, tuple[int, int]] = {
    **{op: (count, count) for count, ops in _EXACTLY.items() for op in ops.split()},
    "Save": (2, _ANY),
    "SaveV2": (3, _ANY),
    "SaveSlices": (3, _ANY),
}


def check_inputs(op: str, count: int, name: str) -> None:
    """Raises FormatError where an op of `INPUTS` has another number of inputs."""
    least, most = INPUTS[op]
    if not least <= count <= most:
        raise FormatError(
            f"node {name!r} is a {op} with {count} inputs: the graph is corrupt; copy it again, or remove it"
        )
