"""Files that are read by range: whose bytes a reader gets, and how many files a process keeps open."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import resource
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from migration import stored_file
from migration.checkpoint import Checkpoint
from migration.errors import CheckpointNotFoundError, FormatError, ReplacedError
from migration.formats.sstable import BytesSource, Table, build_table
from migration.formats.tensor_slices import TensorSlice
from migration.stored_file import FileStamp, StoredFile, most_open
from tests.bundles import write_bundle
from tests.formats.test_saved_slices import ROWS, one_part

pytestmark = pytest.mark.quick

OPEN_FILES = "/proc/self/fd"
needs_proc = pytest.mark.skipif(not os.path.isdir(OPEN_FILES), reason="this system does not list open files")


def written(path: pathlib.Path, payload: bytes) -> StoredFile:
    path.write_bytes(payload)
    return StoredFile(str(path))


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """A process that may open 64 files beside those that are open now."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(os.listdir(OPEN_FILES)) + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    yield few
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


@pytest.mark.parametrize("into", [False, True], ids=["read", "read_into"])
def test_closing_while_another_thread_reads(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, into: bool
) -> None:
    """The descriptor's number must not go to another file between two reads of one range."""
    file = written(tmp_path / "mine", b"mine" * 2)
    others = []
    name = "preadv" if into else "pread"
    real = getattr(os, name)

    def interrupted(descriptor: int, what: object, offset: int) -> object:
        if not others:
            file.close()
            others.extend(written(tmp_path / f"other-{number}", b"else" * 2) for number in range(3))
        return real(descriptor, what, offset)

    monkeypatch.setattr(os, name, interrupted)
    found = bytearray(8)
    if into:
        file.read_into(0, memoryview(found))
    else:
        found[:] = file.read(0, 8)
    assert others
    assert bytes(found) == b"minemine"


@needs_proc
def test_a_closed_file_is_closed_and_opened_again(tmp_path: pathlib.Path) -> None:
    before = len(os.listdir(OPEN_FILES))
    file = written(tmp_path / "mine", b"mine")
    assert len(os.listdir(OPEN_FILES)) == before + 1
    file.close()
    assert len(os.listdir(OPEN_FILES)) == before
    assert file.read(1, 2) == b"in"


def _removed(path: pathlib.Path) -> None:
    path.unlink()


def _replaced(path: pathlib.Path) -> None:
    (path.parent / "new").write_bytes(b"new!")
    os.replace(path.parent / "new", path)


def _changed(path: pathlib.Path) -> None:
    path.write_bytes(b"new!")
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize("change", [_removed, _replaced, _changed])
def test_a_closed_file_that_is_another_by_now(tmp_path: pathlib.Path, change: object) -> None:
    file = written(tmp_path / "mine", b"mine")
    file.close()
    change(tmp_path / "mine")  # type: ignore[operator]
    with pytest.raises(ReplacedError, match=r"mine was .* while it was read: open the checkpoint again"):
        file.read(0, 4)


@pytest.mark.parametrize("change", [_removed, _replaced])
def test_an_open_file_stays_what_it_was(tmp_path: pathlib.Path, change: object) -> None:
    file = written(tmp_path / "mine", b"mine")
    change(tmp_path / "mine")  # type: ignore[operator]
    assert file.read(0, 4) == b"mine"


def test_what_cannot_be_opened(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CheckpointNotFoundError, match="no such file"):
        StoredFile(str(tmp_path / "none"))
    with pytest.raises(FormatError, match="is no regular file"):
        StoredFile(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")  # would wait for a writer for ever
    with pytest.raises(FormatError, match="is no regular file"):
        StoredFile(str(tmp_path / "fifo"))
    assert FileStamp.at(str(tmp_path / "none")) is None
    with pytest.raises(FormatError, match="cannot be read"):
        FileStamp.at(str(tmp_path / ("n" * 300)))


@needs_proc
def test_more_files_than_a_process_may_open(tmp_path: pathlib.Path, few_descriptors: int) -> None:
    files = [written(tmp_path / str(number), b"%06d" % number) for number in range(300)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = list(pool.map(lambda file: file.read(0, 6), files))
            assert found == [b"%06d" % number for number in range(300)]
    assert most_open() == few_descriptors // 4
    assert len(os.listdir(OPEN_FILES)) <= few_descriptors - 64 + most_open()


@needs_proc
def test_others_took_all_descriptors(tmp_path: pathlib.Path, few_descriptors: int) -> None:
    (tmp_path / "other").write_bytes(b"else")
    kept = written(tmp_path / "mine", b"mine")
    taken: list[int] = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open(tmp_path / "mine", os.O_RDONLY))
    assert taken
    other = StoredFile(str(tmp_path / "other"))
    assert (other.read(0, 4), kept.read(0, 4), other.read(0, 4)) == (b"else", b"mine", b"else")
    for descriptor in taken:
        os.close(descriptor)


@needs_proc
def test_very_many_shards(tmp_path: pathlib.Path, few_descriptors: int) -> None:
    arrays = {f"w{number:03d}": np.full(2, number, np.float32) for number in range(300)}
    shared = Checkpoint.open(write_bundle(tmp_path / "m", arrays, num_shards=300))
    shared.check_shards()
    with ThreadPoolExecutor(8) as pool:
        for key, found in zip(arrays, pool.map(shared.read, arrays), strict=True):
            np.testing.assert_array_equal(found, arrays[key])
    shared.check_unchanged()


def test_very_many_v1_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_file, "MOST_OPEN", 4)
    extents = [TensorSlice((row, 0), (1, 3)) for row in range(4)]
    for row, extent in enumerate(extents):
        (tmp_path / f"m-{row:05d}-of-00004").write_bytes(one_part(extent))
    (tmp_path / "other").mkdir()
    for number in range(8):
        write_bundle(tmp_path / "other" / str(number), {"w": np.full(2, number, np.float32)})
    shared = Checkpoint.open(tmp_path / "m")
    others = [Checkpoint.open(tmp_path / "other" / str(number)) for number in range(8)]
    for number, other in enumerate(others):  # each takes one of the four places, and stays
        assert other.read("w").tolist() == [number] * 2
    np.testing.assert_array_equal(shared.read("emb"), ROWS)


@needs_proc
def test_very_many_checkpoints(tmp_path: pathlib.Path, few_descriptors: int) -> None:
    prefix = write_bundle(tmp_path / "m", {"w": np.ones(3), "v": np.zeros(3)}, num_shards=2)
    gc.collect()
    before = len(os.listdir(OPEN_FILES))
    opened = [Checkpoint.open(prefix) for _ in range(2000)]
    assert len(os.listdir(OPEN_FILES)) == before
    assert all(each.read("w").all() for each in opened)
    assert len(os.listdir(OPEN_FILES)) <= before + most_open()
    for each in opened[::2]:
        each.close()
    del opened, each
    gc.collect()
    assert len(os.listdir(OPEN_FILES)) == before


@pytest.mark.parametrize("allowed", [0, 10, 256, 1024, resource.RLIM_INFINITY])
def test_how_many_files_are_kept(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert most_open() == {0: 1, 10: 2, 256: 64}.get(allowed, 256)


def test_a_fork_while_another_thread_opens_a_file(tmp_path: pathlib.Path) -> None:
    """In the child nobody would let go of the lock that the thread held."""
    program = """
        import os, sys, threading
        from migration import stored_file
        file = stored_file.StoredFile(sys.argv[1])
        held, done = threading.Event(), threading.Event()
        def hold():
            with stored_file._KEPT._lock:
                held.set()
                done.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if not child:
            found = file.read(0, 4) + stored_file.StoredFile(sys.argv[1]).read(0, 4)
            os._exit(found != b"minemine")
        _, status = os.waitpid(child, 0)
        done.set()
        thread.join()
        sys.exit(status)
    """
    written(tmp_path / "mine", b"mine")
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "mine")]
    subprocess.run(command, check=True, timeout=30)


def test_a_file_let_go_while_files_are_opened(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files come and go in all threads at once; the list of those that are open must stand that."""
    monkeypatch.setattr(stored_file, "MOST_OPEN", 4)
    for number in range(16):
        (tmp_path / str(number)).write_bytes(b"%02d" % number)
    started = threading.Barrier(6)

    def come_and_go(first: int) -> list[bytes]:
        started.wait()
        return [StoredFile(str(tmp_path / str((first + step) % 16))).read(0, 2) for step in range(200)]

    with ThreadPoolExecutor(6) as pool:
        for first, found in enumerate(pool.map(come_and_go, range(6))):
            assert found == [b"%02d" % ((first + step) % 16) for step in range(200)]


class _Interrupted(tuple[int, list[tuple[bytes, bytes]]]):
    """What a table has kept; another thread puts another block there between two looks at it."""

    table: Table
    other: tuple[int, list[tuple[bytes, bytes]]]

    def __getitem__(self, index: object) -> object:  # type: ignore[override]
        self.table._cached = self.other
        return super().__getitem__(index)  # type: ignore[index]


def test_a_block_that_another_thread_takes_the_place_of() -> None:
    items = [(b"key-%02d" % number, b"value-%02d" % number * 4) for number in range(20)]
    table = Table.open(BytesSource(build_table(items, block_size=64)))
    assert table.get(b"key-19") == b"value-19" * 4
    last = table._cached
    assert table.get(b"key-00") == b"value-00" * 4
    assert table._cached[0] != last[0]
    kept = _Interrupted(table._cached)
    kept.table, kept.other = table, last
    table._cached = kept
    assert table.get(b"key-00") == b"value-00" * 4
