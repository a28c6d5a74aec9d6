"""The committed protobuf modules say what the `.proto` files say."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

import migration

PACKAGE = Path(migration.__file__).parent
ROOT = PACKAGE.parent
PROTOS = sorted((PACKAGE / "formats" / "proto").glob("*.proto"))


def compiled(target: Path) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """The descriptors that the installed compiler makes of all the `.proto` files, by path."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--descriptor_set_out={target}"]
    done = subprocess.run([*command, *map(str, PROTOS)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    return {file.name: file for file in found.file}


def without_json_names(file: descriptor_pb2.FileDescriptorProto) -> bytes:
    """The descriptor without what some compiler versions add and others leave out."""
    plain = descriptor_pb2.FileDescriptorProto()
    plain.CopyFrom(file)

    def strip(message: descriptor_pb2.DescriptorProto) -> None:
        for one in message.field:
            one.ClearField("json_name")
        for nested in message.nested_type:
            strip(nested)

    for message in plain.message_type:
        strip(message)
    return plain.SerializeToString(deterministic=True)


@pytest.mark.quick
def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools, of the extra [test], compiles the .proto files")
    fresh = compiled(tmp_path / "all.pb")
    for path in PROTOS:
        module = importlib.import_module(f"migration.formats.proto.{path.stem}_pb2")
        committed = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(committed)
        name = path.relative_to(ROOT).as_posix()
        assert without_json_names(committed) == without_json_names(fresh[name]), f"compile {name} again"


@pytest.mark.quick
@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_the_code_is_of_a_compiler_that_every_protobuf_admits(path: Path) -> None:
    """Since protoc 26 the code asks at import whether the installed protobuf is at least as new as it is."""
    assert "runtime_version" not in path.with_name(f"{path.stem}_pb2.py").read_text()


WITHOUT_C = """
import sys
from google.protobuf.internal import api_implementation
from migration import Checkpoint, InputError, execute, make_plan
from migration.formats.checkpoint_state import CheckpointState

source = Checkpoint.open(sys.argv[1])
execute(make_plan(source), source, sys.argv[2])
assert len(Checkpoint.open(sys.argv[2]).specs) >= len(source.specs)
try:
    CheckpointState(model_checkpoint_path="m" + chr(0xDCFF)).to_text()
except InputError:
    print(api_implementation.Type())
"""


@pytest.mark.quick
def test_it_runs_where_protobuf_has_no_c_part(tmp_path: Path) -> None:
    prefix = ROOT / "tests" / "sample" / "model.ckpt-100"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_C, str(prefix), str(tmp_path / "there-1")],
        env=os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["python"], done.stderr


@pytest.mark.quick
def test_every_module_has_its_proto() -> None:
    modules = {path.stem.removesuffix("_pb2") for path in (PACKAGE / "formats" / "proto").glob("*_pb2.py")}
    assert modules == {path.stem for path in PROTOS}


def test_the_schemas_live_beside_tensorflows() -> None:
    """Same fields, other names: a message of one is read by the other, in one process."""
    from tensorflow.core.protobuf import tensor_bundle_pb2

    from migration.formats.proto import bundle_pb2

    theirs = tensor_bundle_pb2.BundleEntryProto(dtype=1, shard_id=2, offset=3, size=4, crc32c=5)
    theirs.shape.dim.add(size=6)
    theirs.slices.add().extent.add(start=7, length=8)
    ours = bundle_pb2.BundleEntry.FromString(theirs.SerializeToString())
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    assert str(ours) == str(theirs).replace("dtype: DT_FLOAT", "dtype: 1")
