"""Graphs that no TensorFlow wrote, found by fuzzing: refused, or answered soon and in little memory."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from migration.errors import FormatError
from migration.formats.meta_graph import MetaGraph
from migration.formats.meta_graph.nodes import decode_constant, split_tensor
from migration.formats.object_graph import ALWAYS_NAMES, Child, Node, ObjectGraph
from migration.formats.proto import bundle_pb2, meta_graph_pb2

pytestmark = pytest.mark.quick


def graph_of(nodes: Iterable[tuple[str, str, list[str]]]) -> MetaGraph:
    message = meta_graph_pb2.MetaGraph()
    for name, op, inputs in nodes:
        node = message.graph_def.node.add(name=name, op=op, input=inputs)
        if op == "Const":
            node.attr["value"].tensor.dtype = 1
            node.attr["value"].tensor.float_val.append(1.0)
    return MetaGraph.from_bytes(message.SerializeToString(), "g.meta")


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("SaveV2", ["a", "a"]),
        ("Save", ["a"]),
        ("RealDiv", ["a"]),
        ("Mul", ["a", "a", "a"]),
        ("Sqrt", []),
        ("Sub", ["a", "^a"]),
        ("AssignSub", ["a"]),
        ("ScatterSub", ["a", "a"]),
        ("ResourceGather", []),
        ("MatMul", []),
    ],
)
def test_an_op_with_inputs_that_it_cannot_have_is_refused(op: str, inputs: list[str]) -> None:
    graph = graph_of([("a", "VariableV2", []), ("odd", op, inputs)])
    with pytest.raises(FormatError, match=rf"g\.meta: node 'odd' is a {op} with"):
        _ = graph.nodes


def test_an_optimizer_op_that_lacks_inputs_is_no_step() -> None:
    assert (
        graph_of([("w", "VariableV2", []), ("a", "ApplyAdam", ["w"]), ("b", "ApplyAdam", [])]).updates == ()
    )


@pytest.mark.parametrize("tensor", ["a:²", "a:٣", "a:" + "9" * 5000, "a:-1", "a:"])
def test_only_short_ascii_numbers_are_outputs(tensor: str) -> None:
    assert split_tensor(tensor) == (tensor, 0)
    assert split_tensor("a:12") == ("a", 12)


def test_constants_that_share_operands_are_folded_once() -> None:
    chain = [("c0", "Const", []), *((f"c{at}", "Add", [f"c{at - 1}"] * 2) for at in range(1, 61))]
    started = time.process_time()
    assert graph_of(chain).constant("c60") == 2.0**60
    assert time.process_time() - started < 1.0


def test_a_constant_of_itself_is_none() -> None:
    graph = graph_of([("one", "Const", []), ("a", "Add", ["b", "one"]), ("b", "Mul", ["a", "one"])])
    assert graph.constant("a") is None
    assert graph.constant("one") == 1.0


def test_rows_gathered_of_themselves_end() -> None:
    ring = [(f"g{at}", "Gather", [f"g{(at + 1) % 3}", "w"]) for at in range(3)]
    step = [
        *(("root", "Sqrt", ["g0"]), ("eps", "Const", []), ("sum", "Add", ["root", "eps"])),
        *(("ratio", "RealDiv", ["g0", "sum"]), ("write", "AssignSub", ["w", "ratio"])),
    ]
    assert graph_of([("w", "VariableV2", []), *ring, *step]).updates == ()


def test_a_library_that_calls_itself_is_followed_a_while() -> None:
    message = meta_graph_pb2.MetaGraph()
    function = message.graph_def.library.function.add()
    function.signature.name = "f"
    for nodes in (message.graph_def.node, function.node_def):
        for at in range(30):
            node = nodes.add(name=f"n{at}" * 10, op="PartitionedCall")
            node.attr["f"].func.name = "f"
    started = time.process_time()
    assert 30 < len(MetaGraph.from_bytes(message.SerializeToString()).nodes) <= 60_000
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": 1, "float_val": [1.0], "dims": [1] * 65},
        {"dtype": 14, "half_val": [65536], "dims": []},
        {"dtype": 6, "int_val": [300], "dims": []},
        {"dtype": 1, "float_val": [1.0], "dims": [1 << 33]},
        {"dtype": 1, "float_val": [1.0], "dims": [-1]},
        {"dtype": 1, "tensor_content": b"123", "dims": []},
    ],
)
def test_values_that_do_not_fit_are_no_constant(values: dict[str, object]) -> None:
    dims = values.pop("dims")
    message = bundle_pb2.Tensor(**values)  # type: ignore[arg-type]
    for size in dims:  # type: ignore[attr-defined]
        message.tensor_shape.dim.add(size=size)
    assert decode_constant(message) is None


def test_a_chain_of_objects_does_not_fill_the_memory() -> None:
    links = [Node(children=(Child("next", at + 1),)) for at in range(20_000)]
    graph = ObjectGraph.from_bytes(ObjectGraph((*links, Node())).to_bytes())
    with pytest.raises(FormatError, match="nested too deeply"):
        _ = graph.paths
    short = ObjectGraph((*links[: int(ALWAYS_NAMES**0.5)], Node()))
    assert len(short.paths[-1] or ()) == int(ALWAYS_NAMES**0.5)


def test_paths_to_a_node_that_all_hold_are_few_and_found_soon() -> None:
    everybody = tuple(Child(f"n{at}", at) for at in range(300))
    graph = ObjectGraph((Node(children=everybody),) * 300)
    started = time.process_time()
    paths = graph.all_paths(299, 50)
    assert paths[0] == ("n299",)
    assert len(paths) > 10
    assert time.process_time() - started < 1.0


def test_a_step_that_the_graph_does_not_hold_is_none() -> None:
    message = meta_graph_pb2.MetaGraph()
    message.graph_def.node.add(name="w", op="VariableV2")
    lost = meta_graph_pb2.Variable(variable_name="global_step:0").SerializeToString()
    message.collection_def["global_step"].bytes_list.value.append(lost)
    assert MetaGraph.from_bytes(message.SerializeToString()).global_step is None
