"""Graphs mutated as graphs: edges bent into cycles, ops with inputs that cannot be, hostile libraries."""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.message import DecodeError

from migration.formats.proto import meta_graph_pb2 as graph_pb
from migration.formats.proto import object_graph_pb2 as object_pb
from tests.hardening.fuzzing.numbers import EXTREMES
from tests.hardening.fuzzing.wire import HOSTILE, mutated_message

OPS = (
    *("Const", "VariableV2", "VarHandleOp", "Identity", "ReadVariableOp", "Cast", "Enter", "Switch"),
    *("Add", "AddV2", "Sub", "Mul", "RealDiv", "Neg", "Sqrt", "Rsqrt", "Square", "Exp", "Pow", "Maximum"),
    *("Assign", "AssignSub", "AssignAdd", "AssignVariableOp", "AssignSubVariableOp", "AssignAddVariableOp"),
    *("ScatterSub", "ScatterAdd", "ResourceScatterSub", "ScatterUpdate", "Gather", "ResourceGather"),
    *("MatMul", "BiasAdd", "Split", "SplitV", "SaveV2", "Save", "SaveSlices", "ApplyAdam", "SparseApplyFtrl"),
    *("ResourceApplyMomentum", "ResourceSparseApplyAdagrad", "ApplyCenteredRMSProp", "ApplyGradientDescent"),
    *("While", "StatelessIf", "If", "PartitionedCall", "StatefulPartitionedCall", "NoOp"),
)
_MOST = 40
_COUNTS = (1, 2, 2, 2, 3, 3, 5, 9, 0)


def mutated_object_graph(rng: Random, raw: bytes) -> bytes:
    """An object graph with an edge, an attribute or a slot changed, or one made of nothing."""
    choice = rng.randrange(10)
    if choice < 4:
        return mutated_message(rng, raw)
    graph = object_pb.ObjectGraph()
    try:
        graph.ParseFromString(raw)
    except DecodeError:
        return mutated_message(rng, raw)
    if choice == 4:
        graph = _any_objects(rng)
    elif graph.nodes:
        for _ in range(rng.choice((1, 1, 3, 10))):
            _bend(rng, graph)
    return graph.SerializeToString()


def _bend(rng: Random, graph: object_pb.ObjectGraph) -> None:
    node = rng.choice(graph.nodes)
    ends = (0, len(graph.nodes) - 1, len(graph.nodes), -1, 2**31 - 1, rng.randrange(len(graph.nodes)))
    if node.children and rng.random() < 0.5:
        rng.choice(node.children).node_id = rng.choice(ends)
    elif node.slot_variables and rng.random() < 0.5:
        slot = rng.choice(node.slot_variables)
        slot.slot_variable_node_id = rng.choice(ends)
        node.slot_variables.add().CopyFrom(slot)
    elif node.attributes and rng.random() < 0.5:
        node.attributes.add().CopyFrom(rng.choice(node.attributes))
    else:
        node.children.add(node_id=rng.choice(ends[:2] + ends[5:]), local_name=rng.choice(("a", "", ".", "/")))


def _any_objects(rng: Random) -> object_pb.ObjectGraph:
    """Dense, long, wide or claimed: the shapes that cost the most."""
    graph = object_pb.ObjectGraph()
    shape = rng.choice(("dense", "long", "wide", *("any",) * 12))
    count = {"dense": 60, "long": 5000, "wide": 3000, "any": rng.randint(1, 12)}[shape]
    for number in range(count):
        node = graph.nodes.add()
        if shape == "long" and number + 1 < count:
            node.children.add(node_id=number + 1, local_name="n")
        elif shape == "dense":
            for other in range(count):
                node.children.add(node_id=other, local_name=f"n{other}")
        elif shape == "any":
            for _ in range(rng.randint(0, 4)):
                node.children.add(node_id=rng.randrange(count), local_name=rng.choice("abc"))
    if shape == "wide":
        for number in range(1, count):
            graph.nodes[0].children.add(node_id=number, local_name=f"n{number}")
    graph.nodes[-1].attributes.add(name="VARIABLE_VALUE", full_name="w", checkpoint_key="n/.ATTRIBUTES/w")
    return graph


def mutated_meta_graph(rng: Random, raw: bytes) -> bytes:
    """A MetaGraphDef with nodes or inputs changed, or one made of random ops."""
    choice = rng.randrange(10)
    if choice < 4:
        return mutated_message(rng, raw)
    if choice < 7:
        return _any_graph(rng).SerializeToString()
    graph = graph_pb.MetaGraph()
    try:
        graph.ParseFromString(raw)
    except DecodeError:
        return mutated_message(rng, raw)
    for _ in range(rng.choice((1, 1, 3, 10))):
        _rewire(rng, graph.graph_def.node)
    return graph.SerializeToString()


def mutated_saved_model(rng: Random, raw: bytes) -> bytes:
    """A SavedModel around such a graph."""
    model = graph_pb.SavedModel()
    try:
        model.ParseFromString(raw)
        inner = mutated_meta_graph(rng, model.meta_graphs[0].SerializeToString())
        model.meta_graphs[0].ParseFromString(inner)
    except (DecodeError, IndexError):
        return mutated_message(rng, raw)
    return mutated_message(rng, raw) if rng.random() < 0.2 else model.SerializeToString()


def _rewire(rng: Random, nodes: Any) -> None:
    """One node with another op, another input, fewer or many more inputs."""
    if not nodes:
        return
    node, other = rng.choice(nodes), rng.choice(nodes)
    choice = rng.randrange(6)
    if choice == 0:
        node.op = rng.choice((*OPS, other.op))
    elif choice == 1 and node.input:
        node.input[rng.randrange(len(node.input))] = _tensor(rng, other.name)
    elif choice == 2 and node.input:
        del node.input[rng.randrange(len(node.input)) :]
    elif choice == 3:
        node.input.extend([_tensor(rng, other.name)] * rng.choice((1, 2, 500)))
    elif choice == 4:
        node.CopyFrom(other)
    else:
        _set_attributes(rng, node)


def _tensor(rng: Random, name: str) -> str:
    return rng.choice((name, name, name, f"{name}:0", f"{name}:1", f"{name}:2", f"^{name}", f"{name}:²", ""))


def _any_graph(rng: Random) -> graph_pb.MetaGraph:
    """A handful of random ops wired at random, some in a library of functions that call each other."""
    graph = graph_pb.MetaGraph()
    _fill(rng, graph.graph_def.node, rng.choice((4, 8, 16, _MOST)))
    if rng.random() < 0.3:
        for number in range(rng.randint(1, 3)):
            function = graph.graph_def.library.function.add()
            function.signature.name = f"f{number}"
            for argument in range(rng.randint(0, 2)):
                function.signature.input_arg.add(name=f"n{argument}")
            _fill(rng, function.node_def, rng.choice((2, 6, _MOST)))
    if rng.random() < 0.3:
        graph.collection_def["global_step"].node_list.value.append(f"n{rng.randrange(4)}:0")
    if rng.random() < 0.3:
        variable = graph_pb.Variable(variable_name=f"n{rng.randrange(4)}:0")
        variable.save_slice_info_def.full_name = "n"
        graph.collection_def["variables"].bytes_list.value.append(variable.SerializeToString())
    graph.saver_def.filename_tensor_name = "save/Const:0"
    return graph


def _fill(rng: Random, nodes: Any, count: int) -> None:
    few = rng.sample(OPS, rng.randint(1, 6))
    chain = rng.random() < 0.2
    for number in range(count):
        node = nodes.add(name=f"n{number}", op=rng.choice(few if rng.random() < 0.6 else OPS))
        for _ in range(rng.choice(_COUNTS)):
            other = max(number - 1, 0) if chain else rng.randrange(count)
            node.input.append(_tensor(rng, f"n{other}") if rng.random() < 0.3 else f"n{other}")
        if rng.random() < 0.5:
            _set_attributes(rng, node)


def _set_attributes(rng: Random, node: Any) -> None:
    attributes = node.attr
    for name in ("then_branch", "else_branch", "body", "f"):
        attributes[name].func.name = f"f{rng.randrange(3)}"
    attributes["num_split"].i = rng.choice((4, 4, 0, -1))
    attributes["dtype"].type = rng.choice((1, 1, 3, 7, 9, 101, 14, 200, -1))
    tensor = attributes["value"].tensor
    tensor.Clear()
    tensor.dtype = rng.choice((1, 1, 1, 3, 7, 10, 14, 19, 8, 0, 77))
    for dims in (tensor.tensor_shape.dim, attributes["shape"].shape.dim):
        del dims[:]
        for _ in range(rng.choice((0, 0, 0, 1, 2, 70))):
            dims.add(size=rng.choice((0, 1, 1, 2, -1, 2**20, *(size for size in EXTREMES if size < 2**63))))
    choice = rng.randrange(7)
    if choice == 0:
        tensor.tensor_content = rng.randbytes(rng.choice((1, 2, 4, 8)))
    elif choice == 1:
        tensor.int_val.append(rng.choice((0, 1, -1, 2**31 - 1)))
    elif choice == 2:
        tensor.half_val.append(rng.choice((1, 65536, -1)))
    elif choice == 3:
        tensor.string_val.append(rng.choice(HOSTILE))
    else:
        tensor.float_val.append(rng.choice((1.0, 0.0, -1.0, 1e38, float("inf"), float("nan"))))
