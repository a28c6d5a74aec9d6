"""TensorFlow 1 graphs of every kind that a Saver saves, as named cases."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tests.roundtrip.oracle import Array

v1 = tf.compat.v1
V1 = v1.train.SaverDef.V1
CPUS = 3
BESIDE = "values that are no variables"


@dataclass(frozen=True, kw_only=True)
class Case:
    """`build` makes the graph's variables and returns the Saver's `var_list`; `saver` are its arguments."""

    build: Callable[[], Any]
    saver: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 0  # how often the operation named "train" runs before the save

    @property
    def is_v1(self) -> bool:
        """Whether the file is of the V1 format."""
        return self.saver.get("write_version") == V1

    def save(self, prefix: str) -> tuple[str, str]:
        """Initialize, train, save; the path of what the Saver wrote, and that of the same as a V2 bundle."""
        with tf.Graph().as_default(), session() as running:
            names = self.build()
            saver, plain = v1.train.Saver(names, **self.saver), v1.train.Saver(names)
            for variable in v1.global_variables():  # in turn: an average starts from another's value
                running.run(variable.initializer)
            for _ in range(self.runs):
                running.run("train")
            path: str = saver.save(running, prefix)
            twin: str = plain.save(running, f"{prefix}-twin", write_meta_graph=False) if self.is_v1 else path
            return path, twin

    def restore(self, prefix: str) -> list[Array]:
        """All values of a new session that restored the V2 bundle at `prefix`, in the variables' order."""
        with tf.Graph().as_default(), session() as running:
            v1.train.Saver(self.build()).restore(running, prefix)
            fetched = [*v1.global_variables(), *v1.get_collection(BESIDE)]
            return [np.asarray(value) for value in running.run(fetched)]


def session() -> Any:
    """A session with three CPU devices."""
    return v1.Session(config=v1.ConfigProto(device_count={"CPU": CPUS}))


def network(resource: bool) -> Callable[[], None]:
    """A small trained network with Adam, Momentum, moving averages and a step."""

    def build() -> None:
        with v1.variable_scope("net", use_resource=resource):
            kernel = v1.get_variable("dense/kernel", [4, 3], initializer=v1.ones_initializer())
            bias = v1.get_variable("dense/bias", [3], initializer=v1.zeros_initializer())
        with v1.variable_scope("", use_resource=resource):
            step = v1.train.get_or_create_global_step()
        inputs = tf.constant(np.arange(8, dtype=np.float32).reshape(2, 4) / 8)
        loss = tf.reduce_sum((inputs @ kernel + bias - 1) ** 2)
        adam = v1.train.AdamOptimizer(0.01).minimize(loss, global_step=step)
        momentum = v1.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        averages = v1.train.ExponentialMovingAverage(0.9, step).apply([kernel, bias])
        with tf.control_dependencies([adam, momentum]):
            tf.group(averages, name="train")

    return build


def classifier() -> None:
    """Two dense layers with Adam and a step; `BESIDE` has what they make of `models.INPUTS`."""
    names, activations = ("dense", "dense_1"), (tf.nn.relu, tf.identity)
    flow = tf.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    for name, rows, columns, activation in zip(names, (4, 5), (5, 3), activations, strict=True):
        with v1.variable_scope(name, use_resource=True):
            normal = v1.random_normal_initializer()
            kernel = v1.get_variable("kernel", [rows, columns], initializer=normal)
            flow = activation(flow @ kernel + v1.get_variable("bias", [columns], initializer=normal))
    v1.add_to_collection(BESIDE, flow)
    step = v1.train.get_or_create_global_step()
    train = v1.train.AdamOptimizer(0.01).minimize(tf.reduce_sum((flow - 1) ** 2), global_step=step)
    tf.group(train, name="train")


def partitioned(resource: bool = True, spread: bool = False) -> Callable[[], None]:
    """Variables in parts along several axes, by every partitioner, with the slots of an optimizer."""

    def build() -> None:
        devices = itertools.cycle(f"/cpu:{number}" for number in range(CPUS))
        kinds = ("VarHandleOp", "VariableV2")
        apart = v1.device(lambda op: next(devices) if op.type in kinds and spread else op.device)
        rows = {
            "rows": ((7, 5), v1.fixed_size_partitioner(3)),
            "columns": ((2, 12), v1.fixed_size_partitioner(5, axis=1)),
            "middle": ((2, 6, 3), v1.fixed_size_partitioner(4, axis=1)),
            "vector": ((10,), v1.fixed_size_partitioner(2)),
            "one_part": ((3, 2), v1.fixed_size_partitioner(1)),
            "by_bytes": ((16, 4), v1.variable_axis_size_partitioner(max_shard_bytes=64)),
            "least_bytes": ((64, 2), v1.min_max_variable_partitioner(max_partitions=4, min_slice_size=64)),
            "whole": ((3,), None),
        }
        with apart, v1.variable_scope("p", use_resource=resource):
            made = [
                v1.get_variable(
                    name, shape, partitioner=partitioner, initializer=v1.random_normal_initializer()
                )
                for name, (shape, partitioner) in rows.items()
            ]
        loss = sum(tf.reduce_sum(tf.convert_to_tensor(each) ** 2) for each in made)
        with v1.variable_scope("", use_resource=resource):
            tf.group(v1.train.AdamOptimizer(0.1).minimize(loss), name="train")

    return build


def strings() -> None:
    """Strings of all kinds, as values of variables."""
    rows = {
        "scalar": np.array(b"one", object),
        "bytes": np.array([[b"", b"a\0"], [b"\xff", b"b" * 127]], object),
        "long": np.array([b"c" * 128, b"d" * 20_000], object),
        "none": np.empty(0, object),
    }
    for (name, value), resource in itertools.product(rows.items(), (True, False)):
        initial = tf.constant(value.tolist(), tf.string, shape=value.shape)
        v1.Variable(initial, name=f"{name}/{resource}", use_resource=resource)


V1_DTYPES = (
    "half float double int8 uint8 int16 uint16 int32 int64 bool complex64 complex128 qint8 quint8 qint32"
)
PARTITIONED_DTYPES = "half float double bfloat16 int8 uint8 int16 int32 int64 bool complex64 complex128"
V2_DTYPES = f"{V1_DTYPES} bfloat16 uint32 uint64"


def dtypes(names: str) -> Callable[[], None]:
    """A scalar, a matrix and an empty tensor of each dtype."""

    def build() -> None:
        for name, shape in itertools.product(names.split(), ((), (2, 3), (0, 2))):
            dtype = tf.dtypes.as_dtype(name)
            value = np.resize(np.array([0, 1, 1, 0, 1]), int(np.prod(shape))).reshape(shape)
            initial = tf.constant(value.astype(dtype.as_numpy_dtype), dtype)
            for resource in (True, False):
                v1.Variable(initial, name=f"{name}/rank{len(shape)}_{resource}", use_resource=resource)

    return build


def partitioned_dtypes() -> None:
    """Variables in parts, of each dtype that TensorFlow cuts."""
    for name in PARTITIONED_DTYPES.split():
        dtype = tf.dtypes.as_dtype(name)

        def initial(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Any:
            start = partition_info.single_offset(shape) if partition_info else 0
            value = (np.arange(start, start + int(np.prod(shape))) % 2).reshape(shape)
            return tf.constant(value.astype(dtype.as_numpy_dtype), dtype)

        parts = v1.fixed_size_partitioner(2)
        v1.get_variable(f"parts/{name}", (5, 3), dtype, initializer=initial, partitioner=parts)


ODD_NAMES = (
    "plain",
    "plain/scope",  # a name that is both a variable and a scope
    "plain/scope/value",
    "plain/value",
    "a.b/c..d",
    "a.Sb",
    "a/.ATTRIBUTES/VARIABLE_VALUE",  # an object's key that is a name
    "a/.OPTIMIZER_SLOT/b/m/.ATTRIBUTES/VARIABLE_VALUE",
    "/leading",
    "trailing/",
    "doubled//slash",
    "save_counter",
    "save_counter/of/a/game",
    "averages/w",
    "optimizer/w",
    "with space",
    "caf\u00e9/\u6f22\u5b57",
    "quote\"d\\and\nlines\t'",
    "UPPER",
    "upper",
    "1",
    "-_>",
    "class/def",
    "__init__/self",
    "long/" + "x" * 5000,
    "deep/" + "/".join("abcdefghij" * 20),
)


def odd_names() -> dict[str, Any]:
    """Keys that a Saver's dict gave, of every odd shape."""
    return {
        name: v1.Variable(float(number), name=f"v{number}", use_resource=number % 2 == 0)
        for number, name in enumerate(ODD_NAMES)
    }


def tables() -> None:
    """A lookup table, which is no variable and is saved as two tensors, beside a variable."""
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="words")
    tf.group(table.insert(tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64)), name="train")
    for tensor in table.export():
        v1.add_to_collection(BESIDE, tensor)
    v1.Variable([1.0, 2.0], name="beside")


CASES: dict[str, Case] = {
    "resource variables": Case(build=network(True), runs=3),
    "ref variables": Case(build=network(False), runs=3),
    "partitioned": Case(build=partitioned(), runs=1),
    "partitioned ref variables": Case(build=partitioned(resource=False), runs=1),
    "sharded": Case(build=partitioned(spread=True), saver={"sharded": True}, runs=1),
    "V1": Case(build=network(True), saver={"write_version": V1}, runs=3),
    "V1 partitioned": Case(build=partitioned(resource=False), saver={"write_version": V1}, runs=1),
    "V1 sharded": Case(build=partitioned(spread=True), saver={"write_version": V1, "sharded": True}),
    "V1 dtypes": Case(build=dtypes(V1_DTYPES), saver={"write_version": V1}),
    "V1 strings": Case(build=strings, saver={"write_version": V1}),
    "strings": Case(build=strings),
    "dtypes": Case(build=dtypes(V2_DTYPES)),
    "dtypes in parts": Case(build=partitioned_dtypes),
    "odd names": Case(build=odd_names),
    "classifier": Case(build=classifier, runs=5),
    "a table": Case(build=tables, runs=1),
}
