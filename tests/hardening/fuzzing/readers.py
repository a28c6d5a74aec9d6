"""What reads bytes of the formats: each function reads all that there is and checks what was promised."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

from google.protobuf.message import DecodeError

from migration.errors import FormatError, MigrationError
from migration.formats.bundle_entries import check_size
from migration.formats.checkpoint_state import CheckpointState
from migration.formats.meta_graph import MetaGraph
from migration.formats.meta_graph.nodes import decode_constant
from migration.formats.object_graph import ObjectGraph
from migration.formats.proto import bundle_pb2
from migration.formats.saved_slices import SavedSlices
from migration.formats.sstable import BytesSource, Table, build_table
from migration.formats.string_tensors import decode_strings, encode_strings
from migration.formats.tensor_bundle import BundleIndex
from migration.formats.tensor_checksum import TensorChecksum
from migration.formats.tensor_proto import decode_tensor_proto, spec_of
from migration.tensors import DType
from tests.hardening.fuzzing.container import parted
from tests.hardening.fuzzing.promises import check_slices, check_spec, promised

_SOME = 12  # of many, that are asked one by one


def read_table(raw: bytes) -> None:
    """A sorted string table: all of it, and key by key."""
    table = Table.open(BytesSource(raw), "t")
    items = list(table.items())
    promised(all(one[0] < other[0] for one, other in pairwise(items)), "keys do not rise")
    for key, value in items[:_SOME]:
        promised(table.get(key) == value, "a key is not found where it stands")
        promised(next(table.items_from(key)) == (key, value), "reading on from a key starts elsewhere")
    again = list(Table.open(BytesSource(build_table(items))).items())
    promised(again == items, "written and read again, the items differ")


def read_index(raw: bytes) -> None:
    """The index of a bundle."""
    index = BundleIndex.from_bytes(raw, "i")
    for _, entry in index.placed():
        check_spec(entry.spec)
        promised(entry.offset >= 0 and entry.size >= 0, "an entry lies nowhere")
        promised(0 <= entry.shard < index.header.num_shards, "an entry lies in no shard")
        if entry.spec.nbytes is not None:
            promised(entry.size == entry.spec.nbytes, "an entry's size is not its shape's")
    for entry in index.entries.values():
        check_spec(entry.spec)
        check_slices(entry.spec, entry.slices)
    promised(BundleIndex.from_bytes(index.to_bytes()) == index, "written and read again, the index differs")
    with contextlib.suppress(FormatError):
        index.check_shards(dict.fromkeys(index.shards(), 1000))


def read_strings(raw: bytes) -> None:
    """The elements of a string tensor."""
    count, body = int.from_bytes(raw[1:5], "little"), raw[5:]
    checksum = TensorChecksum(DType.STRING, count)
    checksum.update(body)
    elements = decode_strings(body, count, checksum.masked())
    promised(len(elements) == count, "there are more or fewer elements than were asked for")
    written, crc = encode_strings(elements)
    promised(decode_strings(written, count, crc) == elements, "written and read again, elements differ")


def read_checksum(raw: bytes) -> None:
    """The checksum of a tensor's bytes, which must not depend on how they are cut into chunks."""
    kinds = (DType.STRING, DType.VARIANT, DType.FLOAT32)
    dtype, count, body = kinds[(raw or b"\0")[0] % 3], int.from_bytes(raw[1:5], "little"), raw[5:]
    told = [_checksum(dtype, count, body, size) for size in (len(body) or 1, max(len(body) // 300, 1), 7)]
    promised(len(set(told)) == 1, "the checksum depends on how the bytes are cut")
    if told[0] is None:
        raise FormatError("refused")


def _checksum(dtype: DType, count: int, body: bytes, size: int) -> int | None:
    checksum = TensorChecksum(dtype, count)
    try:
        for start in range(0, len(body), size):
            checksum.update(body[start : start + size])
        return checksum.masked()
    except FormatError:
        return None


def read_saved_slices(raw: bytes) -> None:
    """A V1 checkpoint of up to three files: every tensor."""
    files = [BytesSource(part) for part in parted(raw, 3)]
    saved = SavedSlices.open(files, [f"file {number}" for number in range(len(files))])
    told: MigrationError | None = None
    for name, spec in saved.specs.items():
        check_spec(spec)
        check_slices(spec, saved.slices[name])
        try:
            array = saved.read(name)
            promised(array.shape == spec.shape, "an array is of another shape than its spec")
            promised(array.dtype == spec.dtype.numpy, "an array is of another type than its spec")
        except FormatError as error:
            told = error
    if told is not None:
        raise told


def read_tensor_proto(raw: bytes) -> None:
    """A TensorProto, as V1 files and as graphs hold it."""
    try:
        message = bundle_pb2.Tensor.FromString(raw)
    except DecodeError:
        raise FormatError("no message") from None
    constant = decode_constant(message)
    if constant is not None:
        promised(constant.shape == tuple(dim.size for dim in message.tensor_shape.dim), "a constant's shape")
    spec = spec_of(message)
    check_size(spec)
    array = decode_tensor_proto(message, spec)
    promised(array.shape == spec.shape, "an array is of another shape than its spec")
    promised(array.dtype == spec.dtype.numpy, "an array is of another type than its spec")


def read_object_graph(raw: bytes) -> None:
    """An object graph: its paths, and the way back to bytes."""
    graph = ObjectGraph.from_bytes(raw)
    promised(ObjectGraph.from_bytes(graph.to_bytes()) == graph, "written and read again, the graph differs")
    for number, path in enumerate(graph.paths):
        ends = _ends(graph, (path or ())[:_SOME])
        promised(path is None or len(path) > _SOME or number in ends, "a path leads elsewhere")
        if number < _SOME:
            graph.all_paths(number, 4)
    promised(len(graph.parents) == len(graph.nodes), "not every node has a list of parents")
    for number, attribute in graph.attributes():
        promised(attribute in graph.nodes[number].attributes, "an attribute of no node")


def _ends(graph: ObjectGraph, path: tuple[str, ...]) -> set[int]:
    """The nodes that a path leads to: more than one where a damaged node uses a name twice."""
    ends = {0}
    for name in path:
        ends = {child.node for end in ends for child in graph.nodes[end].children if child.local_name == name}
    return ends


def read_meta_graph(raw: bytes) -> None:
    """A MetaGraphDef, asked everything."""
    _ask(MetaGraph.from_bytes(raw))


def read_saved_model(raw: bytes) -> None:
    """The graph of a SavedModel, asked everything."""
    _ask(MetaGraph.from_saved_model(raw))


def _ask(graph: MetaGraph) -> None:
    known = graph.variables
    promised(isinstance(graph.tensorflow_version, str), "a version that is no text")
    for variable in known.values():
        promised(all(size >= 0 for size in variable.shape or ()), "a variable's shape is negative")
    promised(set(graph.keys) <= set(known), "a key for a variable that is not there")
    for update in graph.updates:
        promised({update.variable, *update.slots.values()} <= known.keys(), "an update of no variable")
    promised({*graph.averages, *graph.averages.values()} <= set(known), "an average of no variable")
    promised(all(isinstance(one, float) for one in graph.forget_biases.values()), "a bias that is no number")
    promised(graph.global_step is None or graph.global_step in known, "a step that is no variable")


def read_state(raw: bytes) -> None:
    """A state file's text."""
    state = CheckpointState.from_text(raw.decode("utf-8", "surrogateescape"))
    again = CheckpointState.from_text(state.to_text())
    promised(again.to_text() == state.to_text(), "written and read again, the state differs")
    promised(again.all_model_checkpoint_paths == state.all_model_checkpoint_paths, "the paths differ")


def tensor_bytes(kind: DType, elements: list[bytes]) -> bytes:
    """A seed for `read_strings` and `read_checksum`: the kind, the number of elements, and the bytes."""
    kinds = (DType.STRING, DType.VARIANT, DType.FLOAT32)
    body = encode_strings(elements)[0] if kind is DType.STRING else b"".join(elements)
    return bytes((kinds.index(kind),)) + struct.pack("<I", len(elements)) + body
