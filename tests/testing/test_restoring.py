"""What fills an object, and what does not, both sides told; TensorFlow's objects are real."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from migration import Checkpoint, CheckpointNotFoundError, InputError, execute, make_plan
from migration.testing import assert_restores
from tests.bundles import write_bundle
from tests.testing.scene import failure

NAMES = ("kernel", "bias")


class Net(tf.Module):
    """Two variables, under names that a TensorFlow 1 graph may have had."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([2, width]), name="net/kernel")
        self.bias = tf.Variable(tf.zeros([width]), name="net/bias")


ARRAYS = {
    "net/kernel": np.ones((2, 3), np.float32),
    "net/bias": np.full(3, 2, np.float32),
    **{f"other/v{number}": np.array(float(number), np.float32) for number in range(10)},
}


def named(prefix: pathlib.Path, *names: str) -> Checkpoint:
    return Checkpoint.open(write_bundle(prefix, {name: ARRAYS[name] for name in names or ARRAYS}))


def migrated(folder: pathlib.Path, *names: str, **how: Any) -> Checkpoint:
    source = named(folder / "named", *names)
    execute(make_plan(source), source, folder / "migrated", **how)
    return Checkpoint.open(folder / "migrated")


def both(net: Net | None = None, **more: Any) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(net=net or Net(), **more)


@pytest.mark.parametrize("keep_names", [False, True])
def test_all_of_it(tmp_path: pathlib.Path, keep_names: bool) -> None:
    checkpoint = both()
    assert_restores(checkpoint, migrated(tmp_path, "net/kernel", "net/bias", keep_names=keep_names))
    assert checkpoint.net.kernel.numpy().tolist() == ARRAYS["net/kernel"].tolist()
    assert int(checkpoint.save_counter) == 1


def test_what_tensorflow_saved(tmp_path: pathlib.Path) -> None:
    prefix = both().save(str(tmp_path / "ckpt"))
    assert_restores(both(), prefix)
    assert_restores(both(), tmp_path / "ckpt-1.index")


def test_what_a_keras_model_saved(tmp_path: pathlib.Path) -> None:
    import keras

    def made() -> tf.train.Checkpoint:
        model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3)])
        model.compile(keras.optimizers.Adam(), "mse")
        model.optimizer.build(model.trainable_variables)
        return tf.train.Checkpoint(model=model)

    assert_restores(made(), made().save(str(tmp_path / "ckpt")))


def test_slots_are_looked_at(tmp_path: pathlib.Path) -> None:
    def trained() -> tf.train.Checkpoint:
        net, optimizer = Net(), tf.compat.v1.train.MomentumOptimizer(0.1, 0.9)
        optimizer.apply_gradients([(tf.ones_like(each), each) for each in net.trainable_variables])
        return both(net, optimizer=optimizer)

    prefix = trained().save(str(tmp_path / "ckpt"))
    assert_restores(trained(), prefix)
    lines = failure(assert_restores, both(), prefix)
    assert "2 of its 5 tensors unread, 0 of the object's 3" in lines[0]
    assert all("/.OPTIMIZER_SLOT/optimizer/momentum" in line for line in lines[2:4])
    assert "build" in lines[-1]


def test_a_name_based_file_with_most_unread(tmp_path: pathlib.Path) -> None:
    """TensorFlow's own assert_consumed passes here, with 11 of 12 tensors unread."""
    source = named(tmp_path / "named")
    lone = tf.train.Checkpoint(bias=tf.Variable(tf.zeros([3]), name="net/bias"))
    lone.restore(source.prefix).assert_consumed()
    lines = failure(assert_restores, lone, source)
    assert "11 of its 12 tensors unread" in lines[0]
    assert lines[1] == "  in the file, read by no object:"
    assert "net/kernel  float32[2, 3]" in lines[2]
    assert "name-based" in lines[-2]


def test_a_name_based_file_that_is_all_read(tmp_path: pathlib.Path) -> None:
    """Nothing is lost then but the counter, which no name-based file has."""
    lines = failure(assert_restores, both(), named(tmp_path / "named", "net/kernel", "net/bias"))
    assert "0 of its 2 tensors unread, 1 of the object's 3 tensors not in it" in lines[0]
    assert "save_counter" in lines[2]


def test_both_sides_are_told(tmp_path: pathlib.Path) -> None:
    file = migrated(tmp_path, "net/kernel", "other/v3")
    lines = failure(assert_restores, both(extra=tf.Variable(1.0)), file)
    assert "1 of its 3 tensors unread, 2 of the object's 4 tensors not in it" in lines[0]
    assert lines[1:3] == [
        "  in the file, read by no object:",
        "    other/v3/.ATTRIBUTES/VARIABLE_VALUE  float32[]",
    ]
    assert lines[3] == "  in the object, not in the file:"
    assert [line.split()[0] for line in sorted(lines[4:6])] == ["extra", "net/bias"]
    assert "  TensorFlow says:" in lines


def test_a_shape_that_does_not_fit(tmp_path: pathlib.Path) -> None:
    text = "\n".join(failure(assert_restores, both(Net(4)), migrated(tmp_path, "net/kernel", "net/bias")))
    assert (
        "net/kernel/.ATTRIBUTES/VARIABLE_VALUE: float32[2, 3] in the file, float32[2, 4] in the object"
        in text
    )


def test_a_model_that_is_not_built(tmp_path: pathlib.Path) -> None:
    lines = failure(assert_restores, tf.train.Checkpoint(), migrated(tmp_path, "net/kernel", "net/bias"))
    assert "2 of its 3 tensors unread, 0 of the object's 1" in lines[0]
    assert "build it, then restore" in lines[-1]


def test_what_write_wrote_has_no_counter(tmp_path: pathlib.Path) -> None:
    lines = failure(assert_restores, both(), both().write(str(tmp_path / "written")))
    assert "call read()" in lines[-1]


def test_an_object_that_does_not_take_the_values(tmp_path: pathlib.Path) -> None:
    """A restore that says it is done, and is not."""

    class Lazy:
        def __init__(self) -> None:
            self.inner = both()

        def restore(self, save_path: str) -> Any:
            status = self.inner.restore(save_path)
            self.inner.net.bias.assign([9.0, 9.0, 9.0])
            return status

        def write(self, file_prefix: str) -> Any:
            return self.inner.write(file_prefix)

    lines = failure(assert_restores, Lazy(), migrated(tmp_path, "net/kernel", "net/bias"))
    assert lines[1] == "  read, and not what the file holds:"
    assert lines[2].startswith(
        "    net/bias/.ATTRIBUTES/VARIABLE_VALUE  float32[3]: the object holds other values"
    )


def test_graph_mode(tmp_path: pathlib.Path) -> None:
    file = migrated(tmp_path, "net/kernel", "net/bias")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        checkpoint = both()
        session.run(tf.compat.v1.global_variables_initializer())
        assert_restores(checkpoint, file)
        assert session.run(checkpoint.net.bias).tolist() == [2, 2, 2]


def test_what_cannot_restore(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"tf\.train\.Checkpoint\(model="):
        assert_restores(Net(), migrated(tmp_path, "net/kernel"))  # type: ignore[arg-type]
    with pytest.raises(CheckpointNotFoundError):
        assert_restores(both(), tmp_path / "absent")
