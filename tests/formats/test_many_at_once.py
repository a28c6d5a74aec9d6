"""What is written in parts or remembered, for the sake of speed, is what protobuf writes at once."""

from __future__ import annotations

import pytest

from migration.formats.bundle_entries import BundleEntry
from migration.formats.object_graph import AT_ONCE, Attribute, Child, Node, ObjectGraph, checkpoint_key
from migration.formats.proto import bundle_pb2, object_graph_pb2
from migration.formats.tensor_slices import TensorSlice
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

LEAVES = AT_ONCE + 3


def a_graph_of_many_nodes() -> ObjectGraph:
    root = Node(children=tuple(Child(f"v{number}", number + 1) for number in range(LEAVES)))
    leaves = (
        Node(
            attributes=(Attribute("VARIABLE_VALUE", f"v{number}", f"v{number}/key"),), unknown=b"\x98\x06\x01"
        )
        for number in range(LEAVES)
    )
    return ObjectGraph((root, *leaves), b"\x98\x06\x07")  # field 99, which no schema has


def test_a_graph_in_several_messages_is_the_one_of_a_single_message() -> None:
    graph = a_graph_of_many_nodes()
    raw = graph.to_bytes()
    message = object_graph_pb2.ObjectGraph.FromString(raw)
    assert len(message.nodes) == LEAVES + 1
    assert message.SerializeToString(deterministic=True) == raw
    assert ObjectGraph.from_bytes(raw) == graph


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), ".ATTRIBUTES/VARIABLE_VALUE"),
        (("a", "b"), "a/b/.ATTRIBUTES/VARIABLE_VALUE"),
        (("a/b", "c"), "a.Sb/c/.ATTRIBUTES/VARIABLE_VALUE"),
        (("a.b",), "a..b/.ATTRIBUTES/VARIABLE_VALUE"),
        (("", ""), "//.ATTRIBUTES/VARIABLE_VALUE"),
        (("",), "/.ATTRIBUTES/VARIABLE_VALUE"),
    ],
)
def test_keys(path: tuple[str, ...], key: str) -> None:
    assert checkpoint_key(path) == key


ENTRIES = [
    BundleEntry(TensorSpec(DType.FLOAT32, ()), 0, 0, 4, 0),
    BundleEntry(TensorSpec(DType.FLOAT32, (2, 3)), 7, 1 << 40, 24, 0xFFFFFFFF),
    BundleEntry(TensorSpec(DType.STRING, (0,)), 0, 5, 4, 9),
    BundleEntry(TensorSpec(DType.INT8, (4,)), 0, 0, 0, 0, (TensorSlice((0,), (2,)), TensorSlice((2,), (2,)))),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_entry_is_what_protobuf_makes_of_it(entry: BundleEntry) -> None:
    raw = entry.to_bytes()
    message = bundle_pb2.BundleEntry.FromString(raw)
    assert message.SerializeToString(deterministic=True) == raw
    assert BundleEntry.from_bytes(raw) == entry


def test_two_specs_are_not_taken_for_one() -> None:
    told = {str(TensorSpec(dtype, shape)) for dtype in DType for shape in [(), (1,), (1, 1), (11,)]}
    assert len(told) == 4 * len(DType)
    assert len({hash(dtype) for dtype in DType}) == len(DType)
