"""Every kind of bad input, through the tools: one clear error, status 1, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from migration.formats.bundle_entries import BundleEntry
from migration.formats.coding import encode_varint, masked_crc32c
from migration.formats.sstable import build_table
from migration.formats.tensor_bundle import BundleHeader, BundleIndex
from migration.tensors import DType, TensorSpec
from tests.bundles import write_bundle
from tests.tools.running import Tools

pytestmark = pytest.mark.quick

Break = Callable[[Path], None]


def index_of(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + ".index")


def shard_of(prefix: Path, shard: int = 0) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-00002")


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x10
    path.write_bytes(raw)


def table(*items: tuple[bytes, bytes]) -> Break:
    """An index of just these items."""
    return lambda prefix: index_of(prefix).write_bytes(build_table(items)) and None


HEADER = BundleHeader(1).to_bytes()
BIG_ENDIAN = b"\x08\x01\x10\x01\x1a\x02\x08\x01"
GOOD = BundleEntry(TensorSpec(DType.FLOAT32, (2,)), 0, 0, 8, 0).to_bytes()
FAR = BundleEntry(TensorSpec(DType.FLOAT32, (2,)), 0, 1 << 40, 8, 0).to_bytes()
HUGE = BundleEntry(TensorSpec(DType.FLOAT32, (1 << 40,)), 0, 0, 1 << 42, 0).to_bytes()
MISFIT = BundleEntry(TensorSpec(DType.FLOAT32, (3,)), 0, 0, 8, 0).to_bytes()
SHARD_9 = BundleEntry(TensorSpec(DType.FLOAT32, (2,)), 9, 0, 8, 0).to_bytes()

BROKEN: dict[str, tuple[Break, str]] = {
    "an empty index": (lambda prefix: index_of(prefix).write_bytes(b"") and None, "truncated"),
    "an index cut in half": (lambda prefix: os.truncate(index_of(prefix), 200), "truncated"),
    "an index without its last byte": (
        lambda prefix: os.truncate(index_of(prefix), index_of(prefix).stat().st_size - 1),
        "truncated",
    ),
    "a flipped bit in the index": (lambda prefix: flip(index_of(prefix), 40), "checksum"),
    "a flipped bit in a shard": (lambda prefix: flip(shard_of(prefix), 3), "checksum"),
    "a missing shard": (lambda prefix: shard_of(prefix, 1).unlink(), "copy"),
    "a short shard": (lambda prefix: os.truncate(shard_of(prefix), 10), "short"),
    "an index that is a Git LFS pointer": (
        lambda prefix: index_of(prefix).write_text("version https://git-lfs.github.com/spec/v1\n") and None,
        "git lfs pull",
    ),
    "a big-endian header": (table((b"", BIG_ENDIAN), (b"x", GOOD)), "big-endian"),
    "no header": (table((b"x", GOOD)), "header"),
    "an entry outside its shard": (table((b"", HEADER), (b"x", FAR)), "copy"),
    "an entry of a shard that cannot be": (table((b"", HEADER), (b"x", SHARD_9)), "shard 9 of 1"),
    "a shape that does not fit its size": (table((b"", HEADER), (b"x", MISFIT)), "takes 12"),
    "more memory than there is": (table((b"", HEADER), (b"x", HUGE)), "copy"),
    "no protobuf": (table((b"", HEADER), (b"x", b"\xff\xff")), "not readable"),
}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A checkpoint of two shards, to be broken."""
    (tmp_path / "old").mkdir()
    arrays = {f"layer_{number}/kernel": np.full((4, 4), number, np.float32) for number in range(8)}
    return Path(write_bundle(tmp_path / "old" / "model.ckpt-1", arrays, num_shards=2))


@pytest.mark.parametrize("data", ["copy", "link"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_source(tool: Tools, prefix: Path, case: str, data: str) -> None:
    breaks, told = BROKEN[case]
    breaks(prefix)
    out = prefix.parent.parent / "new" / "ckpt-1"
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={out}", f"--data={data}")
    if data == "link" and case == "a flipped bit in a shard":  # no data is read; ckpt-verify reads it
        assert ran.status == 0
        ran = tool("ckpt-verify", f"--checkpoint={prefix}", f"--migrated={out}")
    else:
        assert not list(out.parent.glob("*")) + list(out.parent.glob(".*"))
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err
    assert str(prefix.parent) in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("case", [case for case in BROKEN if "shard" not in case and "memory" not in case])
def test_a_broken_index_is_not_inspected(tool: Tools, prefix: Path, case: str) -> None:
    BROKEN[case][0](prefix)
    ran = tool("ckpt-inspect", f"--checkpoint={prefix}", "--format=json")
    assert (ran.status, ran.out) == (1, "")


@pytest.mark.parametrize("name", ["ckpt-migrate", "ckpt-inspect", "ckpt-plan", "ckpt-doctor"])
def test_an_absent_checkpoint_names_the_nearest(tool: Tools, prefix: Path, name: str) -> None:
    absent = str(prefix).removesuffix("-1")
    arguments = {
        "ckpt-migrate": (f"--checkpoint={absent}", f"--output={prefix.parent}/new"),
        "ckpt-doctor": (absent,),
    }.get(name, (f"--checkpoint={absent}",))
    ran = tool(name, *arguments)
    assert (ran.status, ran.out) == (1, "")
    assert f"the nearest that exist: {prefix}" in ran.err


def test_a_directory_without_a_checkpoint(tool: Tools, tmp_path: Path) -> None:
    ran = tool("ckpt-inspect", f"--checkpoint={tmp_path}")
    assert (ran.status, ran.out) == (1, "")
    assert f"{tmp_path}: a directory without a checkpoint" in ran.err


def test_an_unreadable_index(tool: Tools, prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """os.open refuses, as it does for everybody but root where the permissions say so."""
    real = os.open

    def refuse(path: str, *arguments: int, **more: int) -> int:
        if path == str(index_of(prefix)):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", refuse)
    ran = tool("ckpt-inspect", f"--checkpoint={prefix}")
    assert (ran.status, ran.out) == (1, "")
    assert f"{prefix}.index: cannot be read (Permission denied): check its permissions" in ran.err


def test_a_target_that_cannot_be_made(tool: Tools, prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={tmp_path}/file/ckpt-1")
    assert (ran.status, ran.out) == (1, "")
    assert "cannot be written" in ran.err


def test_a_target_that_is_a_directory(tool: Tools, prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={tmp_path}/new")
    assert (ran.status, ran.out) == (1, "")
    assert f"{tmp_path}/new/ckpt" in ran.err


BAD_FILES = {
    "a mapping that is absent": ("--mapping", None, "cannot be read"),
    "a mapping that is no TOML": ("--mapping", "a = [", "is not valid TOML"),
    "a mapping to numbers": ("--mapping", "a = 1", "a string is wanted"),
    "a mapping that is a list": ("--mapping", "[[mapping]]\na = 'b'", "a string is wanted"),
    "a mapping with a name twice": ("--mapping", '{"a": "b", "a": "c"}', "stands there twice"),
    "a template that is no checkpoint": ("--template", "what", "neither"),
    "a plan that is no TOML": ("--plan", "= 3", "given:1: Invalid statement"),
    "a plan of nothing": ("--plan", "", "given:1: to is missing"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_say_what_goes_where(tool: Tools, prefix: Path, tmp_path: Path, case: str) -> None:
    flag, text, told = BAD_FILES[case]
    file = tmp_path / "given"
    if text is not None:
        file.write_text(text)
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={tmp_path}/new", f"{flag}={file}")
    assert (ran.status, ran.out) == (1, "")
    assert told in ran.err
    assert not (tmp_path / "new.index").exists()


def test_a_template_without_an_object_graph(tool: Tools, prefix: Path, tmp_path: Path) -> None:
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={tmp_path}/new", f"--template={prefix}")
    assert ran.status == 1
    assert "name-based" in ran.err


def test_the_link_of_another_file_system_is_refused(
    tool: Tools, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    ran = tool("ckpt-migrate", f"--checkpoint={prefix}", f"--output={tmp_path}/new/ckpt-1", "--data=link")
    assert (ran.status, ran.out) == (1, "")
    assert "(--data=copy)" in ran.err
    assert not (tmp_path / "new").exists()


def unchecked_table(items: list[tuple[bytes, bytes]]) -> bytes:
    """A table of one block with its items in any order, byte by byte as the format says."""

    def block(entries: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(
            b"\0" + encode_varint(len(key)) + encode_varint(len(value)) + key + value
            for key, value in entries
        )
        body += (0).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0"  # one restart; not compressed
        return body + masked_crc32c(body).to_bytes(4, "little")

    def handle(offset: int, raw: bytes) -> bytes:
        return encode_varint(offset) + encode_varint(len(raw) - 5)

    data, meta = block(items), block([])
    index = block([(b"\xff", handle(0, data))])
    footer = handle(len(data), meta) + handle(len(data) + len(meta), index)
    return data + meta + index + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


@pytest.mark.parametrize("order", ["duplicate", "unsorted"])
def test_an_index_of_unsorted_keys(tool: Tools, prefix: Path, order: str) -> None:
    index = BundleIndex.from_bytes(index_of(prefix).read_bytes())
    items = [(b"", index.header.to_bytes())]
    items += [(key.encode(), entry.to_bytes()) for key, entry in index.entries.items()]
    if order == "duplicate":
        items.insert(3, items[3])
    else:
        items[3], items[4] = items[4], items[3]
    index_of(prefix).write_bytes(unchecked_table(items))
    ran = tool("ckpt-inspect", f"--checkpoint={prefix}")
    assert (ran.status, ran.out) == (1, "")
    assert "duplicate or not sorted" in ran.err
