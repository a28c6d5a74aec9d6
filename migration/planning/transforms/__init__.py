"""The closed vocabulary of what may happen to tensors on their way: values that know their output.

Arrangements move or select elements, parts join and take apart, values compute. A plan file writes
each as a table of one key, its name: `{transpose = [1, 0]}`, `{split = {axis = 1, sizes = [4, 4],
index = 0}}` (see `table.py`).
"""

from __future__ import annotations

from migration.planning.transforms.arrangement import PermuteBlocks, Reshape, Transpose
from migration.planning.transforms.base import REGISTRY, Transform, TransformError, registered
from migration.planning.transforms.chain import apply_step, as_reference, output_of, step_output
from migration.planning.transforms.constant import Constant
from migration.planning.transforms.mean import Mean
from migration.planning.transforms.parts import Concat, Slice, Split, Stack, Unstack
from migration.planning.transforms.product import Product
from migration.planning.transforms.table import from_table, to_table
from migration.planning.transforms.values import Add, Cast, Power, Scale, Steps

__all__ = [
    "REGISTRY",
    "Add",
    "Cast",
    "Concat",
    "Constant",
    "Mean",
    "PermuteBlocks",
    "Power",
    "Product",
    "Reshape",
    "Scale",
    "Slice",
    "Split",
    "Stack",
    "Steps",
    "Transform",
    "TransformError",
    "Transpose",
    "Unstack",
    "apply_step",
    "as_reference",
    "from_table",
    "output_of",
    "registered",
    "step_output",
    "to_table",
]
