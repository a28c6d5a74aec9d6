"""Which partitioned tensors an object-based result can leave in slices.

An object has its variable whole, so TensorFlow puts slices together as it restores one, and for most
dtypes it can; for the others a read of more than one stored slice fails ("Dtype half not supported").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from migration.planning.plan import Plan, Step
from migration.tensors import DType

if TYPE_CHECKING:
    from migration.formats.tensor_slices import TensorSlice

# Tried with RestoreV2 of TensorFlow 2.21: BundleReader::GetSliceValue of
# tensorflow/core/util/tensor_bundle/tensor_bundle.cc copies between slices of these.
ASSEMBLED = frozenset(
    DType[name]
    for name in (
        *("FLOAT32", "FLOAT64", "BFLOAT16", "COMPLEX64", "COMPLEX128", "BOOL"),
        *("INT8", "INT16", "INT32", "INT64", "UINT8", "INT4", "UINT4", "QINT8", "QUINT8", "QINT32"),
    )
)


def restorable(plan: Plan, partitions: Mapping[str, tuple[TensorSlice, ...]]) -> Plan:
    """The plan with those tensors stored whole that an object-based restore could not assemble.

    `partitions` are the slices that the source's tensors are stored in. What stays in slices is the
    same bytes under another key; what is put together is written anew.
    """
    odd = {key for key in partitions if plan.source.specs[key].dtype not in ASSEMBLED}
    if plan.to != "object" or not odd:
        return plan
    return replace(
        plan, steps=tuple(_whole(step) if _keeps_slices(step, odd) else step for step in plan.steps)
    )


def _keeps_slices(step: Step, odd: set[str]) -> bool:
    return (
        step.partitions is None
        and step.is_plain
        and not step.sources[0].template
        and step.sources[0].key in odd
    )


def _whole(step: Step) -> Step:
    told = f"in one piece: TensorFlow restores no {step.spec.dtype} variable from slices"
    return replace(step, partitions=(), reason="; ".join(filter(None, (step.reason, told))))
