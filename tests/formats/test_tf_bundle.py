"""TensorFlow as the oracle of V2 bundles: it reads what we write, and we read what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from migration.errors import FormatError
from migration.formats.sstable import BytesSource, Table, build_table
from migration.formats.tensor_bundle import (
    BundleIndex,
    check_tensor,
    decode_tensor,
)
from migration.tensors import DType, TensorSpec
from tests.formats.bundle_files import Array, read_bundle, read_index, read_raw, write_bundle
from tests.installed import of_tensorflow

v1 = tf.compat.v1
FIXED = [dtype for dtype in DType if dtype.itemsize is not None]


def sample(dtype: DType, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    return np.resize(np.array([0, 1, 1, 0, 1]), count).astype(dtype.numpy).reshape(shape)


def as_tensor(array: Array, dtype: DType) -> tf.Tensor:
    """A TensorFlow tensor of exactly that type, quantized kinds too."""
    kind = tf.dtypes.as_dtype(dtype.value)
    return tf.constant(array.astype(kind.as_numpy_dtype), kind)


def raw_bytes(tensor: tf.Tensor) -> bytes:
    return np.ascontiguousarray(tensor.numpy()).tobytes()


SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 1, 2), (0,), (2, 0)]


@pytest.mark.parametrize("dtype", of_tensorflow(FIXED), ids=str)
def test_every_dtype_both_ways(dtype: DType, tmp_path: Path) -> None:
    arrays = {f"t{number}": sample(dtype, shape) for number, shape in enumerate(SHAPES)}
    kind = tf.dtypes.as_dtype(dtype.value)

    theirs = tmp_path / "theirs"
    tensors = [as_tensor(array, dtype) for array in arrays.values()]
    tf.raw_ops.SaveV2(
        prefix=str(theirs), tensor_names=list(arrays), shape_and_slices=[""] * 5, tensors=tensors
    )
    found = read_bundle(theirs)
    assert {key: (array.shape, array.tobytes()) for key, array in found.items()} == {
        key: (array.shape, array.tobytes()) for key, array in arrays.items()
    }

    ours = tmp_path / "ours"
    index = write_bundle(ours, {key: (array, dtype) for key, array in found.items()})
    assert index.entries == read_index(theirs).entries
    restored = tf.raw_ops.RestoreV2(
        prefix=str(ours), tensor_names=list(arrays), shape_and_slices=[""] * 5, dtypes=[kind] * 5
    )
    assert [(tuple(t.shape), raw_bytes(t)) for t in restored] == [
        (a.shape, a.tobytes()) for a in arrays.values()
    ]


STRINGS = {
    "scalar": np.array(b"one", object),
    "empty": np.empty(0, object),
    "short": np.array([[b"", b"a\0"], [b"\xff", b"b" * 127]], object),
    "long": np.array([b"c" * 128, b"d" * 20_000], object),
    "many": np.array([b"%d" % number for number in range(5000)], object),
}


def test_strings_both_ways(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    names = list(STRINGS)
    tf.raw_ops.SaveV2(
        prefix=str(theirs),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(array.tolist(), tf.string, shape=array.shape) for array in STRINGS.values()],
    )
    found = read_bundle(theirs)
    assert {key: array.tolist() for key, array in found.items()} == {
        k: a.tolist() for k, a in STRINGS.items()
    }
    index = write_bundle(ours, {key: (found[key], DType.STRING) for key in sorted(names)})
    assert {key: (e.size, e.crc32c) for key, e in index.entries.items()} == {
        key: (e.size, e.crc32c) for key, e in read_index(theirs).entries.items()
    }
    reader = tf.train.load_checkpoint(str(ours))
    for key, array in STRINGS.items():
        assert np.asarray(reader.get_tensor(key), object).tolist() == array.tolist()


def test_variants_are_carried(tmp_path: Path) -> None:
    prefix = tmp_path / "m"
    handle = tf.raw_ops.TensorListFromTensor(tensor=tf.range(6.0), element_shape=tf.constant([], tf.int32))
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=["v"], shape_and_slices=[""], tensors=[handle])
    index = read_index(prefix)
    entry = index.entries["v"]
    assert entry.spec == TensorSpec(DType.VARIANT, ())
    check_tensor(entry, read_raw(prefix, index, entry), "v")
    with pytest.raises(FormatError, match="no array form"):
        decode_tensor(entry, read_raw(prefix, index, entry), "v")
    (tmp_path / "m.index").write_bytes(index.to_bytes())
    (restored,) = tf.raw_ops.RestoreV2(
        prefix=str(prefix), tensor_names=["v"], shape_and_slices=[""], dtypes=[tf.variant]
    )
    values = tf.raw_ops.TensorListStack(
        input_handle=restored, element_shape=tf.constant([], tf.int32), element_dtype=tf.float32
    )
    assert values.numpy().tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("block_size", [1, 100, 4096, 262_144])
@pytest.mark.parametrize("compress", [False, True])
def test_tensorflow_reads_twelve_thousand_keys(block_size: int, compress: bool, tmp_path: Path) -> None:
    count = 12_000 if block_size > 1000 else 1_500
    keys = [f"model/layer_{number % 97}/block_{number:05d}/kernel" for number in range(count)]
    prefix = tmp_path / "m"
    index = write_bundle(prefix, {key: (np.int64(number), DType.INT64) for number, key in enumerate(keys)})
    items = list(Table.open(BytesSource(index.to_bytes())).items())
    assert len(items) == count + 1
    raw = build_table(items, block_size=block_size, compress=compress)
    Path(f"{prefix}.index").write_bytes(raw)
    reader = tf.train.load_checkpoint(str(prefix))
    assert sorted(reader.get_variable_to_shape_map()) == sorted(keys)
    for number in [0, 1, *range(0, count, 131), count - 1]:
        assert reader.get_tensor(keys[number]) == number


def test_we_read_twelve_thousand_keys_of_tensorflow(tmp_path: Path) -> None:
    prefix = tmp_path / "m"
    keys = [f"model/layer_{number % 97}/block_{number:05d}/kernel" for number in range(12_000)]
    tensors = [tf.constant(number) for number in range(len(keys))]
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=keys, shape_and_slices=[""] * len(keys), tensors=tensors
    )
    found = read_bundle(prefix)
    assert len(found) == 12_000
    assert all(found[key] == number for number, key in enumerate(keys))
    again = list(Table.open(BytesSource(read_index(prefix).to_bytes())).items())
    assert again == list(Table.open(BytesSource(Path(f"{prefix}.index").read_bytes())).items())


def test_a_key_that_is_no_unicode_comes_through(tmp_path: Path) -> None:
    prefix = tmp_path / "m"
    names = [b"caf\xe9/w", "caf\u00e9/w".encode(), b"a\xff"]
    tensors = [tf.constant(number) for number in range(3)]
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * 3, tensors=tensors)
    index = read_index(prefix)
    assert [key.encode("utf-8", "surrogateescape") for key in index.entries] == sorted(names)
    (tmp_path / "m.index").write_bytes(index.to_bytes())
    restored = tf.raw_ops.RestoreV2(
        prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * 3, dtypes=[tf.int32] * 3
    )
    assert [int(tensor) for tensor in restored] == [0, 1, 2]


def test_an_index_of_tensorflow_with_any_flipped_bit_is_told(tmp_path: Path) -> None:
    prefix = tmp_path / "m"
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=["a", "b/c"],
        shape_and_slices=["", "4 3 0,4:0,3"],
        tensors=[tf.constant([1.0, 2.0]), tf.ones([4, 3])],
    )
    raw = (tmp_path / "m.index").read_bytes()
    for position in range(len(raw)):
        with pytest.raises(FormatError):
            BundleIndex.from_bytes(raw[:position], "m.index")
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            with pytest.raises(FormatError):
                BundleIndex.from_bytes(bytes(changed), "m.index")


def test_the_state_file_is_tensorflows(tmp_path: Path) -> None:
    from migration.formats.checkpoint_state import CheckpointState

    prefixes = [str(tmp_path / name) for name in ("m-1", 'm "quoted" \u00e9-2')]
    v1.train.update_checkpoint_state(
        str(tmp_path),
        prefixes[1],
        prefixes,
        all_model_checkpoint_timestamps=[1700000000.123456, 1.5],
        last_preserved_timestamp=1600000000.25,
    )
    text = (tmp_path / "checkpoint").read_text()
    state = CheckpointState.from_text(text)
    assert state.to_text() == text
    assert state.all_model_checkpoint_timestamps == (1700000000.123456, 1.5)
    (tmp_path / "checkpoint").write_text(state.to_text())
    theirs = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(theirs.all_model_checkpoint_paths) == prefixes
