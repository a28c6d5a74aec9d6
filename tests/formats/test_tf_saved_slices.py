"""TensorFlow as the oracle of V1 files: what it writes is read as it reads it itself."""

from __future__ import annotations

import glob
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from migration.errors import FormatError
from migration.formats.saved_slices import SavedSlices
from migration.formats.sstable import BytesSource
from tests.formats.test_saved_slices import broken
from tests.formats.test_tf_partitions import partitioned_graph

v1 = tf.compat.v1


def open_glob(pattern: str) -> SavedSlices:
    paths = sorted(glob.glob(pattern))
    return SavedSlices.open([BytesSource(Path(path).read_bytes()) for path in paths], paths)


# The types that TensorFlow's V1 writer has.
SAVABLE = {
    tf.bool: [True, False],
    tf.float32: [1.5, -2.25, np.inf],
    tf.float64: [1e300, -0.0],
    tf.float16: [1.5, -65504],
    tf.int8: [-128, 127],
    tf.uint8: [0, 255],
    tf.int16: [-32768, 32767],
    tf.int32: [-(2**31), 2**31 - 1],
    tf.int64: [-(2**63), 2**63 - 1],
    tf.complex64: [1 + 2j, -3j],
    tf.complex128: [1 + 2j, -3j],
    tf.qint8: [-128, 127],
    tf.quint8: [0, 255],
    tf.qint32: [-(2**31), 2**31 - 1],
    tf.string: [b"", b"a\0b", b"x" * 300],
}


@pytest.mark.parametrize("dtype", SAVABLE, ids=lambda dtype: dtype.name)
def test_every_dtype_of_the_v1_writer(dtype: tf.DType, tmp_path: Path) -> None:
    numpy_type = object if dtype == tf.string else dtype.as_numpy_dtype
    values = np.array(SAVABLE[dtype], object).astype(numpy_type)
    tensors = [tf.constant(values, dtype), tf.constant(values[0], dtype), tf.constant(values[:0], dtype)]
    path = str(tmp_path / "v1")
    tf.raw_ops.Save(filename=path, tensor_names=["vector", "scalar", "empty"], data=tensors)
    found = open_glob(path)
    assert {name: str(spec) for name, spec in found.specs.items()} == {
        "vector": f"{dtype.name}[{len(values)}]",
        "scalar": f"{dtype.name}[]",
        "empty": f"{dtype.name}[0]",
    }
    for name, expected in (("vector", values), ("scalar", values[:1]), ("empty", values[:0])):
        array = found.read(name)
        assert array.ravel().tolist() == [
            one[0] if isinstance(one, tuple) else one for one in expected.tolist()
        ]


@pytest.mark.parametrize("sharded", [False, True], ids=["one file", "sharded"])
@pytest.mark.parametrize("ref_variables", [False, True], ids=["resource", "ref"])
def test_partitioned_and_sharded(ref_variables: bool, sharded: bool, tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": 3})) as session:
        wholes = partitioned_graph(ref_variables)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=sharded, write_version=v1.train.SaverDef.V1)
        prefix = saver.save(session, str(tmp_path / "model.ckpt"), write_meta_graph=False)
    found = open_glob(prefix)
    assert len(found.slices["scope/rows"]) == 3
    assert sorted(found.specs) == sorted(wholes)
    for name, whole in wholes.items():
        theirs = tf.raw_ops.Restore(file_pattern=prefix, tensor_name=name, dt=whole.dtype)
        np.testing.assert_array_equal(found.read(name), whole, strict=True)
        np.testing.assert_array_equal(theirs, whole)
    if sharded:
        alone = sorted(glob.glob(prefix))[0]
        with pytest.raises(FormatError, match=r"a file is missing|its slices hold"):
            open_glob(alone)


def test_tensorflow_too_refuses_a_list_that_goes_on_with_its_last_value(tmp_path: Path) -> None:
    path = tmp_path / "v1"
    path.write_bytes(broken(float_val=[1]))
    with pytest.raises(FormatError, match="has 1 values"):
        open_glob(str(path)).read("w")
    with pytest.raises(tf.errors.OpError, match="copying slice data"):
        tf.raw_ops.Restore(file_pattern=str(path), tensor_name="w", dt=tf.float32)


def test_tensorflow_reads_the_tables_that_the_tests_build(tmp_path: Path) -> None:
    path = tmp_path / "v1"
    path.write_bytes(broken(float_val=[1, 2]))
    restored = tf.raw_ops.Restore(file_pattern=str(path), tensor_name="w", dt=tf.float32)
    assert restored.numpy().tolist() == open_glob(str(path)).read("w").tolist() == [1, 2]
