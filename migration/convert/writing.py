"""Filling the new shard: bytes streamed and verified on the way, computed tensors made one by one.

Memory is bounded: a worker holds one block of a copied tensor, and computed tensors are in memory
together only up to `COMPUTED_AT_ONCE`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from migration.convert.layout import Layout
from migration.convert.outputs import SideOf, computed_array, step_arrays
from migration.convert.pieces import Computed, Identity, Piece, Ready, Stored
from migration.formats.located import located
from migration.formats.tensor_bundle import encode_tensor
from migration.formats.tensor_checksum import TensorChecksum
from migration.storage import StagedFile

BLOCK = (
    512 << 10
)  # bytes a worker reads at a time: what stays in a core's cache is copied three times as fast
FLUSH_EVERY = 128 << 20  # bytes written before the disk is told to take them, while the workers go on
COMPUTED_AT_ONCE = 512 << 20
WORKERS = min(4, os.cpu_count() or 1)
Progress = Callable[[int, int], None]
Job = Callable[[], tuple[int, dict[Identity, int]]]


def fill(file: StagedFile, layout: Layout, side_of: SideOf, progress: Progress | None) -> dict[Identity, int]:
    """Write all pieces of the new shard; returns the masked checksums of the computed ones.

    Raises FormatError where a byte of the source is not what its checksum says.
    """
    crcs: dict[Identity, int] = {}
    done = flushed = 0
    jobs = list(_jobs(file, layout, side_of))
    with ThreadPoolExecutor(WORKERS) as pool:
        futures: list[Future[tuple[int, dict[Identity, int]]]] = [pool.submit(job) for job in jobs]
        try:
            for future in as_completed(futures):
                size, found = future.result()
                crcs.update(found)
                done += size
                if progress is not None:
                    progress(done, layout.new_size)
                if done - flushed >= FLUSH_EVERY:
                    file.flush()
                    flushed = done
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return crcs


def _jobs(file: StagedFile, layout: Layout, side_of: SideOf) -> Iterator[Job]:
    budget = _Budget(COMPUTED_AT_ONCE)
    batch: list[Piece] = []
    size = 0
    for piece in layout.new:
        if isinstance(piece, Stored | Ready) and piece.size <= BLOCK:
            if size + piece.size > BLOCK:
                yield _batch_job(file, layout, batch)
                batch, size = [], 0
            batch.append(piece)
            size += piece.size
    if batch:
        yield _batch_job(file, layout, batch)
    for piece in layout.new:
        if isinstance(piece, Ready) and piece.size > BLOCK:
            yield _ready_job(file, layout.places[piece.identity], piece)
        if isinstance(piece, Stored) and piece.size > BLOCK:
            yield _stream_job(file, layout.places[piece.identity], piece)
    for pieces in _by_step(layout):
        yield _compute_job(file, layout, pieces, side_of, budget)


def _batch_job(file: StagedFile, layout: Layout, pieces: Sequence[Piece]) -> Job:
    """Small pieces together: what lies side by side is read, and written, at once."""

    def job() -> tuple[int, dict[Identity, int]]:
        for run in _runs(layout, pieces):
            buffer = bytearray(sum(piece.size for piece in run))
            view = memoryview(buffer)
            _read_run(run, view)
            start = 0
            for piece in run:
                if isinstance(piece, Stored):
                    _check(piece, view[start : start + piece.size])
                start += piece.size
            file.write(layout.places[run[0].identity], view)
        return sum(piece.size for piece in pieces), {}

    return job


def _ready_job(file: StagedFile, place: int, piece: Ready) -> Job:
    """What is large and in memory is written from there: the manifest of very many tensors."""

    def job() -> tuple[int, dict[Identity, int]]:
        file.write(place, piece.payload)
        return piece.size, {}

    return job


def _runs(layout: Layout, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    end = -1
    for piece in pieces:
        place = layout.places[piece.identity]
        if run and place != end:
            yield run
            run = []
        run.append(piece)
        end = place + piece.size
    if run:
        yield run


def _read_run(run: Sequence[Piece], view: memoryview) -> None:
    start = 0
    while run:
        first, count, size = run[0], 1, run[0].size
        if isinstance(first, Ready):
            view[start : start + size] = first.payload
        elif isinstance(first, Stored):
            while count < len(run) and _follows(first, size, run[count]):
                size += run[count].size
                count += 1
            first.side.shard_file(first.shard).read_into(first.offset, view[start : start + size])
        run, start = run[count:], start + size


def _follows(first: Stored, size: int, piece: Piece) -> bool:
    return (
        isinstance(piece, Stored)
        and piece.side is first.side
        and piece.shard == first.shard
        and piece.offset == first.offset + size
    )


def _check(piece: Stored, raw: memoryview) -> None:
    checksum = _checksum(piece)
    with located(_where(piece)):
        checksum.update(raw)
        checksum.check(piece.crc32c)


def _checksum(piece: Stored) -> TensorChecksum:
    """Of a whole tensor, or of the part of one, whose elements are numbers then."""
    spec = piece.entry.spec
    return TensorChecksum(spec.dtype, spec.size)


def _where(piece: Stored) -> str:
    return f"tensor {piece.key!r} of {piece.side.prefix}"


def _stream_job(file: StagedFile, place: int, piece: Stored) -> Job:
    def job() -> tuple[int, dict[Identity, int]]:
        source = piece.side.shard_file(piece.shard)
        source.reach(piece.offset, piece.size)
        block = memoryview(bytearray(BLOCK))
        checksum = _checksum(piece)
        with located(_where(piece)):
            for start in range(0, piece.size, BLOCK):
                part = block[: min(BLOCK, piece.size - start)]
                source.read_into(piece.offset + start, part)
                checksum.update(part)
                file.write(place + start, part)
            checksum.check(piece.crc32c)
        return piece.size, {}

    return job


def _by_step(layout: Layout) -> list[list[Computed]]:
    found: dict[str, list[Computed]] = {}
    for piece in layout.new:
        if isinstance(piece, Computed):
            found.setdefault(piece.step.target, []).append(piece)
    return list(found.values())


def _compute_job(
    file: StagedFile, layout: Layout, pieces: Sequence[Computed], side_of: SideOf, budget: _Budget
) -> Job:
    step = pieces[0].step
    inputs = sum(side_of(source).spec(source.key).nbytes or 0 for source in step.sources)

    def job() -> tuple[int, dict[Identity, int]]:
        crcs: dict[Identity, int] = {}
        with budget.of(inputs + 2 * (step.spec.nbytes or 0)):
            array = computed_array(step, step_arrays(step, side_of))
            for piece in pieces:
                part = array if piece.extent is None else array[piece.extent.index(step.spec.shape)]
                payload, crcs[piece.identity] = encode_tensor(part, step.spec.dtype)
                file.write(layout.places[piece.identity], payload)
        return sum(piece.size for piece in pieces), crcs

    return job


class _Budget:
    """How many bytes computed tensors may take at a time; one that is larger than all of it goes alone."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def of(self, size: int) -> Iterator[None]:
        size = min(size, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()
