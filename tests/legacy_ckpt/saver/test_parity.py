"""Call for call, as the stock Saver does: files, return values, error types, ops, collections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.ops import io_ops
from tensorflow.python.training import saver as saver_module

from .side_by_side import OURS, STOCK, Api, compare, graph_facts

tf1 = tf.compat.v1
V1, V2 = tf1.train.SaverDef.V1, tf1.train.SaverDef.V2


def model(resource: bool = True, partitioned: bool = True) -> None:
    """A few variables of both kinds."""
    tf1.get_variable("w", initializer=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], use_resource=resource)
    tf1.get_variable("b", initializer=np.arange(3), use_resource=not resource)
    if partitioned:
        tf1.get_variable(
            "p",
            shape=[4, 2],
            initializer=tf1.ones_initializer(),
            partitioner=tf1.fixed_size_partitioner(2),
            use_resource=resource,
        )


def in_graph(api: Api, folder: Path, constructor: dict[str, Any], **save: Any) -> Any:
    """Build, save twice, restore; everything there is to see."""
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        model()
        saver = api.Saver(**constructor)
        sess.run(tf1.global_variables_initializer())
        saved = [saver.save(sess, str(folder / "m"), global_step=step, **save) for step in (1, 2)]
        sess.run(tf1.get_collection(tf1.GraphKeys.GLOBAL_VARIABLES)[0].assign(np.zeros((2, 3))))
        restored = saver.restore(sess, saved[-1])
        values = sess.run(tf1.global_variables())
        return {
            "saved": saved,
            "restored": restored,
            "values": [value.tolist() for value in values],
            "last": saver.last_checkpoints,
            "def": str(saver.saver_def),
            "as_def": str(saver.as_saver_def()),
            "proto": str(saver.to_proto()),
            "scoped": str(saver.to_proto("save")),
            "unscoped": str(saver.to_proto("elsewhere")),
            **graph_facts(graph),
        }


CONSTRUCTORS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "reshape": {"reshape": True},
    "sharded": {"sharded": True},
    "keep one": {"max_to_keep": 1},
    "keep all": {"max_to_keep": None},
    "keep zero": {"max_to_keep": 0},
    "every hours": {"max_to_keep": 1, "keep_checkpoint_every_n_hours": 1e-9},
    "name": {"name": "my_saver"},
    "sequential": {"restore_sequentially": True},
    "base builder": {"builder": saver_module.BaseSaverBuilder()},
    "bulk builder V1": {"builder": saver_module.BulkSaverBuilder(V1)},
    "V1": {"write_version": V1},
    "V1 sharded": {"write_version": V1, "sharded": True},
    "V1 keep one": {"write_version": V1, "max_to_keep": 1},
    "padded": {"pad_step_number": True},
    "relative": {"save_relative_paths": True},
    "filename": {"filename": "elsewhere"},
    "allow empty": {"allow_empty": True},
}


@pytest.mark.parametrize("constructor", CONSTRUCTORS.values(), ids=CONSTRUCTORS)
def test_constructor_arguments(constructor: dict[str, Any], tmp_path: Path) -> None:
    compare(lambda api, folder: in_graph(api, folder, constructor), tmp_path)


SAVES: dict[str, dict[str, Any]] = {
    "latest_filename": {"latest_filename": "newest"},
    "latest_filename with a path": {"latest_filename": "sub/newest"},
    "suffix": {"meta_graph_suffix": "graph"},
    "no meta": {"write_meta_graph": False},
    "no state": {"write_state": False},
    "strip": {"strip_default_attrs": True},
    "debug": {"save_debug_info": True},
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
def test_save_arguments(save: dict[str, Any], tmp_path: Path) -> None:
    compare(lambda api, folder: in_graph(api, folder, {"max_to_keep": 1}, **save), tmp_path)


def _var_list(kind: str) -> Any:
    w, b = tf1.global_variables()[:2]
    parts = tf1.global_variables()[2:]
    saveable = saver_module.BaseSaverBuilder.VariableSaveable(b, "", "custom")
    return {
        "list": [w, b],
        "dict": {"x": w, "y": b},
        "set": {w, b},
        "nested": [[w], [b]],
        "slices": {"whole": parts, "w": w},
        "slices in a list": [*parts, w],
        "partitioned": [tf1.get_collection("partitioned")[0]],
        "saveable": [saveable],
        "saveable in a dict": {"z": saveable},
        "one variable": w,
        "empty": [],
        "empty dict": {},
        "duplicates": [w, w],
        "two names": {"x": w, "y": w},
        "tensor": [tf.constant(1.0)],
        "bad name": {1: w},
        "number": [1],
    }[kind]


VAR_LISTS = [
    "list",
    "dict",
    "set",
    "nested",
    "slices",
    "slices in a list",
    "partitioned",
    "saveable",
    "saveable in a dict",
    "one variable",
    "empty",
    "empty dict",
    "duplicates",
    "two names",
    "tensor",
    "bad name",
    "number",
]


@pytest.mark.parametrize("kind", VAR_LISTS)
def test_var_list(kind: str, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default() as graph, tf1.Session() as sess:
            model(partitioned=False)
            partitioned = tf1.get_variable("p", [4, 2], partitioner=tf1.fixed_size_partitioner(2))
            tf1.add_to_collection("partitioned", partitioned)
            sess.run([v.initializer for v in tf1.global_variables()[:2]])
            sess.run([v.assign(tf.ones([2, 2])) for v in tf1.global_variables()[2:]])
            saver = api.Saver(_var_list(kind))
            saved = saver.save(sess, str(folder / "m"))
            saver.restore(sess, saved)
            return saved, graph_facts(graph)

    compare(scenario, tmp_path)


def _calls(api: Api, folder: Path, call: str) -> Any:
    with tf.Graph().as_default() as graph, tf1.Session() as sess:
        model()
        saver = api.Saver()
        sess.run(tf1.global_variables_initializer())
        path = str(folder / "m")
        saved = saver.save(sess, path)
        closed = tf1.Session()
        closed.close()
        empty = api.Saver([], allow_empty=True)
        late = api.Saver(defer_build=True)
        return {
            "collide": lambda: saver.save(sess, str(folder / "checkpoint")),
            "collide with latest_filename": lambda: saver.save(sess, path, latest_filename="m"),
            "collide unless numbered": lambda: saver.save(sess, str(folder / "checkpoint"), global_step=1),
            "sharded never collides": lambda: api.Saver(sharded=True).save(sess, str(folder / "checkpoint")),
            "wrong session": lambda: saver.save("session", path),
            "no session": lambda: saver.save(None, path),
            "restore without session": lambda: saver.restore(None, saved),
            "restore wrong session": lambda: saver.restore("session", saved),
            "closed": lambda: saver.save(closed, path),
            "restore closed": lambda: saver.restore(closed, saved),
            "no parent": lambda: saver.save(sess, str(folder / "absent" / "m")),
            "restore None": lambda: saver.restore(sess, None),
            "restore nothing": lambda: saver.restore(sess, str(folder / "nothing")),
            "bytes": lambda: saver.restore(sess, saved.encode()),
            "empty saves": lambda: empty.save(sess, path),
            "empty restores": lambda: (empty.restore(sess, None), empty.restore(sess, "nowhere")),
            "empty def": lambda: (empty.saver_def, empty.last_checkpoints, empty.to_proto()),
            "not built": lambda: late.save(sess, path),
            "built later": lambda: (late.build(), late.build(), late.save(sess, path), graph_facts(graph)),
            "defer with variables": lambda: api.Saver(tf1.global_variables(), defer_build=True),
            "other graph": lambda: _other_graph(api, tf1.global_variables()),
            "step name": lambda: saver.save(sess, path, global_step=graph.get_tensor_by_name("b:0")),
            "float step": lambda: saver.save(sess, path, global_step=1.5),
            "bool step": lambda: saver.save(sess, path, global_step=True),
            "numpy step": lambda: saver.save(sess, path, global_step=np.int32(7)),
            "tensor step": lambda: saver.save(sess, path, global_step=tf.constant(9)),
            "unknown step name": lambda: saver.save(sess, path, global_step="nothing:0"),
            "list of last": lambda: saver.set_last_checkpoints("m"),
            "list of last with time": lambda: saver.set_last_checkpoints_with_time("m"),
            "bad saver_def": lambda: api.Saver(saver_def="def"),
            "saver_def without save": lambda: api.Saver(saver_def=tf1.train.SaverDef(restore_op_name="x")),
            "saver_def without restore": lambda: api.Saver(
                saver_def=tf1.train.SaverDef(save_tensor_name="x")
            ),
            "version of the saver_def": lambda: api.Saver(
                saver_def=api.Saver(write_version=V1).saver_def
            ).save(sess, path),
            "scoped saver_def": lambda: str(api.Saver(saver_def=_renamed(saver), name="scope").saver_def),
            "from_proto": lambda: api.Saver.from_proto(saver.to_proto()).save(sess, path),
            "V1, not built": lambda: api.Saver(defer_build=True, write_version=V1).save(sess, path),
            "V1, session of another graph": lambda: api.Saver(write_version=V1).save(
                tf1.Session(graph=_some_graph()), path
            ),
            "session of another graph": lambda: saver.restore(tf1.Session(graph=_some_graph()), saved),
            "save in a session of another graph": lambda: saver.save(tf1.Session(graph=_some_graph()), path),
            "restore twice": lambda: (
                saver.restore(sess, saved),
                saver.restore(sess, saved),
                graph_facts(graph),
            ),
        }[call]()


def _other_graph(api: Api, variables: list[Any]) -> Any:
    with tf.Graph().as_default():
        return api.Saver([tf1.get_variable("mine", [1]), *variables])


def _some_graph() -> Any:
    with tf.Graph().as_default() as graph:
        tf1.get_variable("mine", [1])
    return graph


def _renamed(saver: Any) -> Any:
    definition = tf1.train.SaverDef()
    definition.CopyFrom(saver.saver_def)
    return definition


CALLS = [
    "collide",
    "collide with latest_filename",
    "collide unless numbered",
    "sharded never collides",
    "wrong session",
    "no session",
    "restore without session",
    "restore wrong session",
    "closed",
    "restore closed",
    "no parent",
    "restore None",
    "restore nothing",
    "bytes",
    "empty saves",
    "empty restores",
    "empty def",
    "not built",
    "built later",
    "defer with variables",
    "other graph",
    "step name",
    "float step",
    "bool step",
    "numpy step",
    "tensor step",
    "unknown step name",
    "list of last",
    "list of last with time",
    "bad saver_def",
    "saver_def without save",
    "saver_def without restore",
    "version of the saver_def",
    "scoped saver_def",
    "from_proto",
    "restore twice",
    "session of another graph",
    "V1, not built",
    "V1, session of another graph",
    "save in a session of another graph",
]


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str, tmp_path: Path) -> None:
    compare(lambda api, folder: _calls(api, folder, call), tmp_path)


META_GRAPHS: dict[str, dict[str, Any]] = {
    "plain": {},
    "text": {"as_text": True},
    "cleared devices": {"clear_devices": True},
    "some collections": {"collection_list": ["trainable_variables"]},
    "scoped": {"export_scope": "net"},
    "stripped": {"strip_default_attrs": True},
    "no other savers": {"clear_extraneous_savers": True},
    "debug": {"save_debug_info": True},
}


@pytest.mark.parametrize("arguments", META_GRAPHS.values(), ids=META_GRAPHS)
def test_meta_graphs(arguments: dict[str, Any], tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.device("/job:localhost/device:CPU:0"):
            with tf1.variable_scope("net"):
                model()
            with tf1.name_scope("net/"):
                saver = api.Saver()
            tf1.add_to_collection(tf1.GraphKeys.SAVERS, saver)
            by_method = saver.export_meta_graph(str(folder / "a.meta"), **arguments)
            by_function = api.export_meta_graph(
                str(folder / "b.meta"), saver_def=saver.saver_def, **arguments
            )
        written = (folder / "a.meta").read_bytes()
        read = tf1.MetaGraphDef()
        if arguments.get("as_text"):
            from google.protobuf import text_format

            text_format.Parse(written.decode(), read)
        else:
            read.ParseFromString(written)
        with tf.Graph().as_default() as graph:
            imported = api.import_meta_graph(str(folder / "a.meta"), import_scope="again")
            facts = graph_facts(graph), str(imported.saver_def)
        return str(by_method), str(by_function), read == by_method, facts

    compare(scenario, tmp_path)


def test_import_without_variables_and_without_a_saver(tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default():
            tf.constant(1.0)
            nothing = api.export_meta_graph()
        with tf.Graph().as_default():
            model()
            unsaved = api.export_meta_graph()
        with tf.Graph().as_default():
            none = api.import_meta_graph(nothing)
        with tf.Graph().as_default() as graph:
            default = api.import_meta_graph(unsaved, clear_devices=True)
            return none, str(default.saver_def), graph_facts(graph)

    compare(scenario, tmp_path)


@pytest.mark.parametrize("call", ["import", "export", "method", "build"])
def test_eager_mode_has_no_graphs(call: str, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        if call == "import":
            return api.import_meta_graph(str(folder / "m.meta"))
        if call == "export":
            return api.export_meta_graph(str(folder / "m.meta"))
        saver = api.Saver([tf.Variable(1.0, name="v")])
        return saver.build() if call == "build" else saver.export_meta_graph(str(folder / "m.meta"))

    compare(scenario, tmp_path)


@pytest.mark.parametrize("version", [V1, V2])
def test_timestamps_and_retention(version: int, tmp_path: Path) -> None:
    """recover_last_checkpoints takes the files' times; set_last_checkpoints makes them never go."""

    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            model()
            sess.run(tf1.global_variables_initializer())
            saver = api.Saver(max_to_keep=2, write_version=version)
            paths = [saver.save(sess, str(folder / "m"), global_step=step) for step in range(3)]
            for index, path in enumerate(sorted(folder.iterdir())):
                os.utime(path, (1000 + index, 1000 + index))
            other = api.Saver(max_to_keep=2, write_version=version)
            other.recover_last_checkpoints([*paths, str(folder / "nothing")])
            recovered = list(other._last_checkpoints)
            other.save(sess, str(folder / "m"), global_step=3)
            third = api.Saver(max_to_keep=2, write_version=version)
            third.set_last_checkpoints(paths[1:])
            held = list(third._last_checkpoints)
            third.save(sess, str(folder / "m"), global_step=4)
            third.set_last_checkpoints_with_time([(paths[2], 5.0)])
            return recovered, held, third.last_checkpoints, other.last_checkpoints

    compare(scenario, tmp_path)


def test_hours_are_kept_by_the_clock_of_the_stock_module(tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess, mock.patch.object(saver_module, "time") as clock:
            clock.time.return_value = 0.0
            model()
            sess.run(tf1.global_variables_initializer())
            saver = api.Saver(max_to_keep=2, keep_checkpoint_every_n_hours=1)
            for hour in (0.5, 0.9, 1.2, 1.3, 2.5, 2.6, 2.7):
                clock.time.return_value = hour * 3600
                saver.save(sess, str(folder / "m"), global_step=int(hour * 10))
            return saver.last_checkpoints

    compare(scenario, tmp_path)


def test_an_error_while_deleting_fails_no_save(tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        with tf.Graph().as_default(), tf1.Session() as sess:
            model()
            sess.run(tf1.global_variables_initializer())
            saver = api.Saver(max_to_keep=1)
            saver.save(sess, str(folder / "m"), global_step=1)
            with mock.patch.object(
                saver_module.checkpoint_management, "remove_checkpoint", side_effect=OSError("no")
            ):
                saver.save(sess, str(folder / "m"), global_step=2)
            return saver.last_checkpoints

    compare(scenario, tmp_path)


@pytest.mark.parametrize("kind", ["list", "dict", "none", "empty", "empty allowed", "no file", "V1", "twice"])
def test_eager_mode(kind: str, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        a, b = tf.Variable([1.0, 2.0], name="a"), tf.Variable(3, name="b")
        variables: Any = {"dict": {"x": a, "y": b}, "none": None, "empty": [], "empty allowed": []}.get(
            kind, [a, b]
        )
        version = V1 if kind == "V1" else V2
        saver = api.Saver(
            variables, allow_empty=kind == "empty allowed", write_version=version, max_to_keep=1
        )
        if kind == "no file":
            return saver.restore(None, str(folder / "nothing"))
        saved = [saver.save(None, str(folder / "m"), global_step=step) for step in (1, tf.constant(2))]
        a.assign([0.0, 0.0])
        saver.restore(None, saved[-1])
        return saved, a.numpy().tolist(), saver.last_checkpoints, str(saver.saver_def)

    compare(scenario, tmp_path)


def test_eager_variables_with_a_session_at_hand_stay_eager(tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        variable = tf.Variable([1.0], name="a")
        saver = api.Saver([variable])
        sess = tf1.Session(graph=tf.Graph())
        saved = saver.save(sess, str(folder / "m"))
        saver.restore(sess, saved)
        return saved

    compare(scenario, tmp_path)


@pytest.mark.parametrize("act", ["save", "restore", "build"])
def test_inside_tf_function(act: str, tmp_path: Path) -> None:
    """The same refusals, and a Saver that is built inside adds the same ops."""

    def scenario(api: Api, folder: Path) -> Any:
        variable = tf.Variable([1.0], name="a")
        outside = api.Saver([variable])
        outside.save(None, str(folder / "m"))
        seen = []

        @tf.function
        def function() -> None:
            if act == "build":
                api.Saver([variable])
                seen.append([op.type for op in tf1.get_default_graph().get_operations()])
            else:
                getattr(outside, act)(None, str(folder / "m"))

        function() if act != "build" else function.get_concrete_function()
        return seen

    compare(scenario, tmp_path)


def test_wrapped_function_saves_and_restores(tmp_path: Path) -> None:
    """A Saver's ops inside a function graph run by their names, as loaders of old SavedModels do."""

    def scenario(api: Api, folder: Path) -> Any:
        holder = {}

        def build() -> None:
            tf1.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
            holder["def"] = api.Saver(tf1.global_variables()).saver_def

        function = tf1.wrap_function(build, [])
        definition = holder["def"]
        graph = function.graph
        save = function.prune(definition.filename_tensor_name, definition.save_tensor_name)
        restore = function.prune(
            definition.filename_tensor_name, graph.get_operation_by_name(definition.restore_op_name)
        )
        saved = save(tf.constant(str(folder / "m"))).numpy().decode()
        variable = function.variables[0] if hasattr(function, "variables") else graph.variables[0]
        variable.assign([0.0, 0.0])
        restore(tf.constant(saved))
        return saved, variable.numpy().tolist(), [node.name for node in graph.as_graph_def().node]

    compare(scenario, tmp_path)


def test_the_classes_are_the_same_kind() -> None:
    assert issubclass(OURS.Saver, STOCK.Saver)


class SlicesBuilder(saver_module.BaseSaverBuilder):  # type: ignore[misc]
    """Restores by the ops of the oldest Savers."""

    def restore_op(self, filename_tensor: Any, saveable: Any, preferred_shard: int) -> list[Any]:
        return [
            io_ops._restore_slice(
                filename_tensor, spec.name, spec.slice_spec, spec.dtype, "slice", preferred_shard
            )
            for spec in saveable.specs
        ]


@pytest.mark.parametrize("source", ["V1", "object-based", "other names"])
def test_a_builder_of_other_ops(source: str, tmp_path: Path) -> None:
    def scenario(api: Api, folder: Path) -> Any:
        variables = {"w": tf.Variable([1.0, 2.0], name="w"), "v": tf.Variable([3.0], name="v")}
        if source == "object-based":
            path = tf.train.Checkpoint(**variables).save(str(folder / "m"))
        else:
            if source == "other names":
                variables = {"x": variables["w"]}
            path = api.Saver(variables, write_version=V1).save(None, str(folder / "m"))
        with tf.Graph().as_default(), tf1.Session() as sess:
            w = tf1.get_variable("w", [2])
            saver = api.Saver(builder=SlicesBuilder(V1))
            saver.restore(sess, path)
            return sess.run(w).tolist()

    compare(scenario, tmp_path)


VARIABLES = st.lists(
    st.tuples(
        st.sampled_from(["resource", "ref"]),
        st.sampled_from([None, 2, 3]),  # partitions
        st.sampled_from(["", "/cpu:0", "/job:ps/task:1", "/gpu:0"]),
        st.sampled_from([tf.float32, tf.int64, tf.bfloat16]),
        st.sampled_from(["", "scope/"]),
    ),
    min_size=1,
    max_size=6,
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "reshape": st.booleans(),
        "sharded": st.booleans(),
        "restore_sequentially": st.booleans(),
        "write_version": st.sampled_from([V1, V2]),
        "max_to_keep": st.sampled_from([None, 0, 1, 7]),
        "name": st.sampled_from([None, "mine", "a/b"]),
        "filename": st.sampled_from([None, "file"]),
        "builder": st.sampled_from([None, "base"]),
        "pad_step_number": st.booleans(),
    },
)


@settings(max_examples=25)
@given(VARIABLES, ARGUMENTS)
def test_a_graph_gets_exactly_the_stock_ops(variables: list[Any], arguments: dict[str, Any]) -> None:
    """Whatever the variables and the arguments; and again when a second Saver is built."""

    def build(api: Api) -> Any:
        with tf.Graph().as_default() as graph:
            for number, (kind, parts, device, dtype, scope) in enumerate(variables):
                with tf1.device(device):
                    tf1.get_variable(
                        f"{scope}v{number}",
                        [6, 2],
                        dtype,
                        initializer=tf1.zeros_initializer(),
                        partitioner=tf1.fixed_size_partitioner(parts) if parts else None,
                        use_resource=kind == "resource",
                    )
            taken = dict(arguments)
            if taken.get("builder"):
                taken["builder"] = saver_module.BaseSaverBuilder(taken.get("write_version", V2))
            saver = api.Saver(**taken)
            tf1.add_to_collection(tf1.GraphKeys.SAVERS, saver)
            second = api.Saver(tf1.global_variables()[:1])
            return graph_facts(graph), str(saver.saver_def), str(second.to_proto())

    assert build(OURS) == build(STOCK)
