"""Where mutation starts: sound inputs of every kind, of the sample, made here, and of the corpus."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from migration import Checkpoint, Rules, execute, make_plan
from migration.checkpoint import MANIFEST_KEY
from migration.formats.object_graph import GRAPH_KEY
from migration.formats.proto import bundle_pb2, meta_graph_pb2
from migration.formats.sstable import build_table
from migration.formats.tensor_slices import TensorSlice, slice_key
from migration.planning.plan_file import to_toml
from migration.tensors import DType
from tests.bundles import write_bundle
from tests.hardening.fuzzing.container import joined
from tests.hardening.fuzzing.readers import tensor_bytes

_SAMPLE = Path(__file__).parents[2] / "sample"
_REPOSITORY = Path(__file__).parents[3]
MOST_BYTES = 48_000  # a seed; larger ones cost more than they find

STATES = (
    'model_checkpoint_path: "ckpt-2"\nall_model_checkpoint_paths: "ckpt-1"\n'
    'all_model_checkpoint_paths: "ckpt-2"\n'
    "all_model_checkpoint_timestamps: 1.5e9\nlast_preserved_timestamp: 1.0\n",
    'model_checkpoint_path: "\\303\\251\\x00\\n"\nother { a: 1 b { c: [1, 2] } }\n[x.y] < z: "1" >\n',
)
RULES = (
    'fold = true\nstrip = ["bert/", "x"]\nadd = "net/"\n\n[[rule]]\n'
    'match = "encoder/layer_{n:int}/attention/{proj}"\nto = "l.{n+1}.{proj}"\n'
    "transforms = [{transpose = [1, 0]}, {reshape = [16]}]\n\n"
    "[[rule]]\nregex = '(.*)/Adam(_1)?'\ndrop = true\noptional = true\n",
    '[[rule]]\nmatch = ["cell_{n}/w_ih", "cell_{n}/w_hh"]\nto = "cells.{n}"\n'
    "transforms = [{concat = {axis = 0, sizes = [2, 2]}}]\n\n[[rule]]\nconstant = [[0, 1.5], [2, 3]]\n"
    'to = "new"\nspec = "float64[2, 2]"\n\n[[rule]]\nmatch = "**/{x:path}/b*"\nto = "{x}"\nalso = true\n',
)
MAPPINGS = (
    '"a/b" = "c.d"\nx.y = "z"\n[t]\n"u" = "v"\n',
    '{"a/b": "c", "d": "e"}',
    "!a/{n} -> b.{n}\nre:(.*)/x -> {1}\nc/** ->\n",
)
CONFIGS = (
    '[paths]\nmodel_dir = "~/old"\noutput_dir = "new"\ncheckpoint = "a"\n\n'
    '[migrate]\ndata = "link"\nthreads = 3\nverify = true\n[diff]\ntolerance = 1e-6\n',
)


@lru_cache(maxsize=1)
def _made() -> dict[str, bytes]:
    """Files that the product itself writes: bundles of many kinds, an object-based result and its plan."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = {
            "w": np.arange(12, dtype=np.float32).reshape(4, 3),
            "rows": np.arange(30, dtype=np.int64).reshape(10, 3),
            "words": np.array([b"a", b"", "é".encode() * 80], object),
            "half": np.zeros((2, 0), np.float16),
            "flag": np.array(True),
            "z": np.array([1j], np.complex64),
        }
        plain = write_bundle(f"{folder}/plain", arrays, parts={"rows": 3})
        source = Checkpoint.open(str(_SAMPLE))
        plan = make_plan(source)
        execute(plan, source, f"{folder}/objects")
        renamed = make_plan(source, to="rename", rules=Rules.parse("hidden/{x} -> h/{x}"))
        found = {f"plan {number}": to_toml(one).encode() for number, one in enumerate((plan, renamed))}
        objects = Checkpoint.open(f"{folder}/objects")
        found["manifest"] = objects.manifest_bytes or b""
        found["graph"] = bytes(objects.read(GRAPH_KEY).item())
        for prefix in (plain, f"{folder}/objects"):
            for suffix in (".index", ".data-00000-of-00001"):
                found[os.path.basename(prefix) + suffix] = Path(prefix + suffix).read_bytes()
        found["words"] = objects.read_bytes(MANIFEST_KEY)[0][1]
        return found


def _files(suffix: str) -> list[bytes]:
    """The files of that ending: the sample's, and those of the corpus."""
    beside = _REPOSITORY.parent / "shared" / "corpus"
    corpus = Path(os.environ.get("CKPT_CORPUS", beside))
    paths = [*sorted(_SAMPLE.glob(f"*{suffix}")), *sorted(corpus.glob(f"**/*{suffix}"))]
    return [path.read_bytes() for path in paths if path.is_file() and path.stat().st_size <= MOST_BYTES]


def indices() -> list[bytes]:
    """Indices of V2 bundles."""
    made = _made()
    return [*_files(".index"), made["plain.index"], made["objects.index"]]


def bundles() -> list[bytes]:
    """Index and shard of V2 bundles, one with a graph beside it."""
    made = _made()
    sample = [(_SAMPLE / f"model.ckpt-100{end}").read_bytes() for end in (".index", ".data-00000-of-00001")]
    both = [[made[f"{name}.index"], made[f"{name}.data-00000-of-00001"]] for name in ("plain", "objects")]
    return [joined(parts) for parts in (*both, sample, [*sample, small_graph()])]


def v1_checkpoints() -> list[bytes]:
    """V1 checkpoints of one and two files."""
    whole, top, rest = TensorSlice.whole(2), TensorSlice((0, 0), (1, None)), TensorSlice((1, 0), (3, None))
    one = _v1({"emb": (whole,), "s": (TensorSlice.whole(0),)}, {"emb": 12, "s": 1})
    two = [_v1({"emb": (part,)}, {"emb": size}) for part, size in ((top, 3), (rest, 9))]
    return [joined([one]), joined(two)]


def _v1(slices: dict[str, tuple[TensorSlice, ...]], sizes: dict[str, int]) -> bytes:
    head = bundle_pb2.SavedTensorSlices()
    head.meta.versions.producer = 1
    items = []
    for name, parts in slices.items():
        meta = head.meta.tensor.add(name=name, type=DType.FLOAT32.value)
        for size in (4, 3)[: len(parts[0].starts)]:
            meta.shape.dim.add(size=size)
        for part in parts:
            part.fill(meta.slice.add())
            message = bundle_pb2.SavedTensorSlices()
            message.data.name = name
            part.fill(message.data.slice)
            message.data.data.float_val.extend(range(sizes[name]))
            items.append((slice_key(name.encode(), part), message.SerializeToString()))
    return build_table(sorted([(b"", head.SerializeToString()), *items]), block_size=64)


def tensors() -> list[bytes]:
    """TensorProtos of each way to hold values."""
    values: list[dict[str, object]] = [
        {"dtype": 1, "float_val": [1.0, 2.0]},
        {"dtype": 1, "tensor_content": b"\0\0\x80?" * 2},
        {"dtype": 3, "int_val": [1]},
        {"dtype": 7, "string_val": [b"a", b""]},
        {"dtype": 14, "half_val": [16256, 1]},
        {"dtype": 8, "scomplex_val": [1.0, 0.0, 2.0, 0.0]},
        {"dtype": 24, "float8_val": b"\1\2"},
        {"dtype": 10, "bool_val": [True]},
        {"dtype": 23, "uint64_val": [2**63]},
    ]
    messages = [bundle_pb2.Tensor(**one) for one in values]  # type: ignore[arg-type]
    for message in messages:
        message.tensor_shape.dim.add(size=2)
    return [message.SerializeToString() for message in messages]


def strings() -> list[bytes]:
    """Bytes of string and variant tensors."""
    words = [b"a", b"", b"x" * 300]
    return [
        tensor_bytes(DType.STRING, words),
        tensor_bytes(DType.STRING, []),
        tensor_bytes(DType.VARIANT, [b"\1x"]),
    ]


def object_graphs() -> list[bytes]:
    """Object graphs."""
    return [_made()["graph"]]


def small_graph(first: int = 0) -> bytes:
    """A MetaGraphDef of a few of the sample's nodes and the head of each collection."""
    graph = meta_graph_pb2.MetaGraph.FromString((_SAMPLE / "model.ckpt-100.meta").read_bytes())
    del graph.graph_def.node[first + 40 :]
    del graph.graph_def.node[:first]
    for node in graph.graph_def.node:
        node.attr.pop("_output_shapes", None)
    for collection in graph.collection_def.values():
        del collection.bytes_list.value[2:]
        del collection.node_list.value[2:]
    return graph.SerializeToString()


def meta_graphs() -> list[bytes]:
    """MetaGraphDefs: variables, steps of an optimizer, what saves; the whole is one of many."""
    parts = [small_graph(first) for first in (0, 60, 145, 170)]
    return [*parts * 3, (_SAMPLE / "model.ckpt-100.meta").read_bytes()]


def saved_models() -> list[bytes]:
    """SavedModels around them."""
    found = []
    for raw in meta_graphs():
        model = meta_graph_pb2.SavedModel(saved_model_schema_version=1)
        model.meta_graphs.add().MergeFromString(raw)
        found.append(model.SerializeToString())
    return found


def plans() -> list[bytes]:
    """Plan files of the sample."""
    made = _made()
    return [made["plan 0"], made["plan 1"]]


def manifests() -> list[bytes]:
    """The manifest of a result."""
    return [_made()["manifest"]]


def states() -> list[bytes]:
    """State files."""
    return [*_files("/checkpoint"), *(text.encode() for text in STATES)]


def encoded(texts: tuple[str, ...]) -> Iterator[bytes]:
    """Texts of this module as bytes."""
    return (text.encode() for text in texts)
