"""V1 files put together by hand: one file or several, whole and in parts, right and wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from migration.errors import FormatError, MissingKeyError
from migration.formats.proto import bundle_pb2
from migration.formats.saved_slices import SavedSlices
from migration.formats.sstable import BytesSource, build_table
from migration.formats.tensor_slices import TensorSlice, slice_key
from migration.tensors import DType, TensorSpec

pytestmark = pytest.mark.quick

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
TOP, BOTTOM = TensorSlice((0, 0), (1, None)), TensorSlice((1, 0), (3, None))
Change = Callable[[bundle_pb2.SavedTensorSlices], object]


def meta_of(
    name: str, shape: tuple[int, ...], number: int, parts: Sequence[TensorSlice]
) -> bundle_pb2.SavedSliceMeta:
    meta = bundle_pb2.SavedSliceMeta(name=name, type=number)
    meta.shape.SetInParent()
    for size in shape:
        meta.shape.dim.add(size=size)
    for part in parts:
        part.fill(meta.slice.add())
    return meta


def slice_of(name: str, part: TensorSlice, **values: object) -> tuple[bytes, bundle_pb2.SavedTensorSlices]:
    message = bundle_pb2.SavedTensorSlices()
    message.data.name = name
    part.fill(message.data.slice)
    message.data.slice.SetInParent()
    message.data.data.MergeFrom(bundle_pb2.Tensor(**values))  # type: ignore[arg-type]
    return slice_key(name.encode(), part), message


def table_of(
    metas: Sequence[bundle_pb2.SavedSliceMeta],
    slices: Sequence[tuple[bytes, bundle_pb2.SavedTensorSlices]],
    change: Change | None = None,
) -> bytes:
    head = bundle_pb2.SavedTensorSlices()
    head.meta.tensor.extend(metas)
    head.meta.versions.producer = 1
    if change is not None:
        change(head)
    items = [(b"", head), *slices]
    return build_table(sorted((key, message.SerializeToString()) for key, message in items), block_size=64)


def open_files(*files: bytes) -> SavedSlices:
    names = [f"export-{number}" for number in range(len(files))]
    return SavedSlices.open([BytesSource(raw) for raw in files], names)


def one_part(part: TensorSlice) -> bytes:
    values = ROWS[part.index((4, 3))].ravel().tolist()
    return table_of([meta_of("emb", (4, 3), 1, [part])], [slice_of("emb", part, float_val=values)])


WHOLE = table_of(
    [meta_of("emb", (4, 3), 1, [TensorSlice.whole(2)]), meta_of("step", (), 9, [TensorSlice.whole(0)])],
    [
        slice_of("emb", TensorSlice.whole(2), float_val=ROWS.ravel().tolist()),
        slice_of("step", TensorSlice.whole(0), int64_val=[7]),
    ],
)


def test_a_file_is_read() -> None:
    found = open_files(WHOLE)
    assert found.specs == {"emb": TensorSpec(DType.FLOAT32, (4, 3)), "step": TensorSpec(DType.INT64, ())}
    assert found.slices["emb"] == (TensorSlice.whole(2),)
    assert found.read("emb").tolist() == ROWS.tolist()
    assert found.read("step") == 7
    assert found.read("step").shape == ()
    with pytest.raises(MissingKeyError, match="'absent' is not in the checkpoint"):
        found.read("absent")


def test_content_in_place_of_values_is_read() -> None:
    raw = slice_of("emb", TensorSlice.whole(2), tensor_content=ROWS.tobytes(), dtype=1)
    assert open_files(table_of([meta_of("emb", (4, 3), 1, [TensorSlice.whole(2)])], [raw])).read(
        "emb"
    ).tolist() == (ROWS.tolist())


@pytest.mark.parametrize("order", [(TOP, BOTTOM), (BOTTOM, TOP)], ids=str)
def test_slices_in_several_files_are_put_together(order: tuple[TensorSlice, TensorSlice]) -> None:
    found = open_files(*map(one_part, order))
    assert found.slices == {"emb": order}
    assert found.read("emb").tolist() == ROWS.tolist()


def test_string_slices_are_put_together() -> None:
    parts = [TensorSlice((0,), (1,)), TensorSlice((1,), (2,))]
    raw = table_of(
        [meta_of("s", (3,), 7, parts)],
        [slice_of("s", parts[0], string_val=[b"a\0"]), slice_of("s", parts[1], string_val=[b"", b"c"])],
    )
    assert open_files(raw).read("s").tolist() == [b"a\0", b"", b"c"]


class CountingSource(BytesSource):
    """Counts the bytes that are read."""

    taken = 0

    def read(self, offset: int, size: int) -> bytes:
        self.taken += size
        return super().read(offset, size)


def test_only_what_is_asked_for_is_read() -> None:
    big = [float(number) for number in range(50_000)]
    names = [f"w{number}" for number in range(8)]
    whole = TensorSlice.whole(1)
    raw = table_of(
        [meta_of(name, (50_000,), 1, [whole]) for name in names],
        [slice_of(name, whole, float_val=big) for name in names],
    )
    source = CountingSource(raw)
    found = SavedSlices.open([source], ["v1"])
    assert source.taken < 2000
    found.read("w3")
    assert source.taken < 203_000


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([one_part(TOP)], "'emb': its slices hold 3 of the 12"),
        ([one_part(TOP), one_part(TensorSlice((0, 0), (3, None)))], "'emb': its slices"),
        ([WHOLE, table_of([meta_of("emb", (3, 4), 1, [TOP])], [])], r"export-1: .*float32\[3, 4\] here"),
        ([WHOLE, table_of([meta_of("emb", (4, 3), 3, [TOP])], [])], r"export-1: .*int32\[4, 3\] here"),
        ([table_of([meta_of("emb", (-4, 3), 1, [TOP])], [])], "export-0: .*not fully known"),
        ([table_of([meta_of("emb", (4, 3), 77, [TOP])], [])], "export-0: .*dtype number 77"),
        (
            [table_of([meta_of("emb", (2**40,), 1, [TensorSlice.whole(1)])], [])],
            "more than its files can hold",
        ),
        ([table_of([meta_of("emb", (4, 3), 1, [TensorSlice((0,), (1,))])], [])], "rank"),
        ([table_of([], [], lambda head: head.ClearField("meta"))], "export-0: it has no metadata"),
        (
            [
                table_of(
                    [], [], lambda head: head.meta.versions.MergeFrom(bundle_pb2.Versions(min_consumer=2))
                )
            ],
            "newer",
        ),
        (
            [build_table([(b"", b"\x08\x01\x1a\x02\x08\x01")])],
            "export-0: .*index of a V2|export-0: .*not readable",
        ),
        ([build_table([(b"", b"\xff")])], "export-0: .*not readable"),
        ([build_table([])], "export-0: it has no metadata"),
        ([b""], "export-0: .*truncated"),
    ],
)
def test_files_that_do_not_go_together_are_told(files: list[bytes], told: str) -> None:
    with pytest.raises(FormatError, match=told):
        open_files(*files)


def broken(**values: object) -> bytes:
    return table_of(
        [meta_of("w", (2,), 1, [TensorSlice.whole(1)])], [slice_of("w", TensorSlice.whole(1), **values)]
    )


def misplaced(change: Change) -> bytes:
    key, message = slice_of("w", TensorSlice.whole(1), float_val=[1, 2])
    change(message)
    return table_of([meta_of("w", (2,), 1, [TensorSlice.whole(1)])], [(key, message)])


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (table_of([meta_of("w", (2,), 1, [TensorSlice.whole(1)])], []), r"slice \[-\] is absent"),
        (broken(float_val=[1]), "has 1 values, and .* needs 2"),
        (broken(float_val=[1, 2, 3]), "has 3 values"),
        (broken(double_val=[1, 2]), "has 0 values"),
        (broken(float_val=[1, 2], dtype=2), "another dtype"),
        (broken(float_val=[1, 2], tensor_shape={"dim": [{"size": 1}]}), "not of shape"),
        (broken(tensor_content=b"123456789"), "9 bytes of content"),
        (misplaced(lambda message: setattr(message.data, "name", "v")), "lies 'v'"),
        (misplaced(lambda message: message.data.slice.ClearField("extent")), "lies 'w'"),
    ],
)
def test_a_slice_that_is_not_what_the_metadata_says_is_told(raw: bytes, told: str) -> None:
    with pytest.raises(FormatError, match=rf"^export-0: tensor 'w': .*{told}"):
        open_files(raw).read("w")


def read_all(raw: bytes) -> None:
    found = open_files(raw)
    for name in found.specs:
        found.read(name)


def test_truncation_at_any_byte_is_told() -> None:
    for cut in range(len(WHOLE)):
        with pytest.raises(FormatError, match=r"^export-0: "):
            read_all(WHOLE[:cut])


def test_a_flipped_bit_never_changes_a_value() -> None:
    """Bits of the empty metaindex block are not read by anyone; any other is told."""
    silent = 0
    for position in range(len(WHOLE)):
        for bit in range(8):
            changed = bytearray(WHOLE)
            changed[position] ^= 1 << bit
            try:
                found = open_files(bytes(changed))
                values = {name: found.read(name).tolist() for name in found.specs}
            except FormatError:
                continue
            silent += 1
            assert values == {"emb": ROWS.tolist(), "step": 7}
    assert silent <= 8 * (8 + 5)  # one restart offset, the count and the trailer of that block
