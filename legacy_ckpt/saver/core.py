"""Saver: tf.compat.v1.train.Saver with its faults mended and its failures explained."""

from __future__ import annotations

import contextlib
import numbers
import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saver_pb2

from legacy_ckpt.fitting.report import RestoreReport
from legacy_ckpt.fitting.wanted import RestoreOps
from legacy_ckpt.saver import stock
from legacy_ckpt.saver.advice import advised
from legacy_ckpt.saver.arguments import (
    is_session,
    plain_path,
    plain_paths,
    plain_variables,
    raw_session,
    refuse_unfilled,
    step_number,
)
from legacy_ckpt.saver.finding import find_prefix
from legacy_ckpt.saver.renaming import renamer
from legacy_ckpt.saver.restoring import restore_from
from legacy_ckpt.saver.settings import settings_as_meta_info
from legacy_ckpt.saver.v1_bfloat16 import V2Session, eager_needs_v2, graph_needs_v2, remove_v2


class Saver(stock.StockSaver):  # type: ignore[misc]  # TensorFlow ships no types
    """A drop-in for `tf.compat.v1.train.Saver`: same arguments, files, ops, collections, and error types.

    Beyond the stock class: `object_view=` (each `save` leaves one checkpoint for both APIs),
    `restore(..., partial=True)` (returns a RestoreReport), `restore(..., rename=rules)`; and `restore`
    opens whatever `migration.Checkpoint.open` opens.

    What differs on purpose from TensorFlow 2.21, and what was kept:

    | stock | here |
    |---|---|
    | resource variables take a value of any shape | InvalidArgumentError before anything is assigned |
    | object-based file: new ops, one slice of a partitioned variable | no ops, every slice |
    | Keras 3 variables under one key, or under `nameVARIABLE_VALUE` | under their names; old keys are read |
    | `max_to_keep=-1` deletes everything | nothing is deleted, with a warning |
    | `global_step`: shape [1], 0-d arrays, `"gs:0"` of a resource variable fail | their number |
    | a valid `sess` outside `graph.as_default()` | graph mode, decided by `sess` |
    | `pathlib.Path` and MonitoredSession are refused | taken |
    | write_version V1 cannot hold bfloat16 | such a checkpoint is written as V2, with a warning |
    | two variables of one name in an object graph: the last wins | kept, with a warning; one that fits wins |
    | a prefix such as "dir/" writes hidden files into dir | kept, with a warning |
    """

    _write_version: int
    _object_view: Any = None
    _born_in_graph = True
    _restore_ops_cache: tuple[Any, RestoreOps | None] | None = None
    _written_as_v2: frozenset[str] = frozenset()

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = saver_pb2.SaverDef.V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: Any = None,
        *,
        object_view: Any = None,
    ) -> None:
        """As `tf.compat.v1.train.Saver`, and:

        object_view: a `tf.train.Checkpoint` over the same variables, a mapping from object path to
            variable name, or a `migration` Plan. Each `save` then leaves a checkpoint that
            `tf.train.Checkpoint.restore` reads as well. Needs V2 files on a local disk.

        Raises TypeError, ValueError and RuntimeError as the stock class does.
        """
        self._born_in_graph = not tf.executing_eagerly()
        if isinstance(max_to_keep, numbers.Real) and max_to_keep < 0:
            warnings.warn(
                f"max_to_keep={max_to_keep}: nothing is deleted; write None or 0 to say so", stacklevel=2
            )
        with advised():
            super().__init__(
                var_list=plain_variables(var_list),
                reshape=reshape,
                sharded=sharded,
                max_to_keep=max_to_keep,
                keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
                name=name,
                restore_sequentially=restore_sequentially,
                saver_def=saver_def,
                builder=builder,
                defer_build=defer_build,
                allow_empty=allow_empty,
                write_version=write_version,
                pad_step_number=pad_step_number,
                save_relative_paths=save_relative_paths,
                filename=plain_path(filename),
            )
        if object_view is not None:
            from legacy_ckpt.saver.object_view import ObjectView

            self._object_view = ObjectView.of(object_view, self._write_version)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles as the stock class does: what was read off a graph is read again."""
        return {name: value for name, value in self.__dict__.items() if name != "_restore_ops_cache"}

    def build(self) -> None:
        """As the stock class: adds the ops that `defer_build=True` put off."""
        with advised():
            super().build()

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """A Saver over the ops that `saver_def` names, under `import_scope`."""
        return Saver(saver_def=saver_def, name=import_scope)

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: Any = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """As the stock class; returns the prefix written, or None for an empty Saver.

        `global_step` may also be an array or a tensor of one element, or the name of a resource
        variable; `save_path` a `pathlib.Path`; `sess` a MonitoredSession.
        """
        sess, save_path = raw_session(sess), plain_path(save_path)
        refuse_unfilled(save_path)
        if isinstance(save_path, str) and save_path.endswith("/"):
            warnings.warn(f"{save_path!r} is a directory: the files in it get no name", stacklevel=2)
        with self._mode_of(sess), advised():
            if self._is_built or tf.executing_eagerly():
                global_step = step_number(sess, global_step)
                if self._object_view is not None:
                    self._object_view.check(self)
            saved: str | None = super().save(
                self._session_that_can_write(sess),
                save_path,
                global_step=global_step,
                latest_filename=plain_path(latest_filename),
                meta_graph_suffix=meta_graph_suffix,
                write_meta_graph=write_meta_graph,
                write_state=write_state,
                strip_default_attrs=strip_default_attrs,
                save_debug_info=save_debug_info,
            )
            if saved is not None and not write_state:
                self._add_object_view(saved)
        return saved

    def restore(
        self, sess: Any, save_path: Any, *, partial: bool = False, rename: Any = None
    ) -> RestoreReport | None:
        """Restores every variable, or none and raises; with `partial=True` what fits, and reports the rest.

        save_path: whatever `migration.Checkpoint.open` opens: a prefix, one of its files, a directory.
        rename: rules of `migration.planning.rules` (values, a rule file, its text, or short forms such
            as "net/{rest:path} -> model/{rest}"), a mapping from names in the checkpoint to names in
            this Saver, or a function of a name.

        Returns None, or with `partial=True` a RestoreReport.

        Raises ValueError for None, for no checkpoint, and in eager mode for a mismatched shape;
        tf.errors.NotFoundError for missing variables or files; tf.errors.InvalidArgumentError for
        mismatched dtypes and shapes; tf.errors.DataLossError for damaged files.
        """
        sess = raw_session(sess)
        with self._mode_of(sess), advised():
            if self._is_empty:
                return RestoreReport.empty(str(save_path)) if partial else None
            if save_path is None:
                raise ValueError(
                    "Can't load save_path when it is None: tf.train.latest_checkpoint returns None "
                    "where it finds no checkpoint; check the directory."
                )
            prefix = find_prefix(plain_path(save_path))
            return restore_from(self, sess, prefix, partial, renamer(rename))

    @contextlib.contextmanager
    def _mode_of(self, sess: Any) -> Iterator[None]:
        """The session's graph, and so graph mode, for a Saver of a graph, whatever the context is."""
        if self._born_in_graph and is_session(sess):
            with sess.graph.as_default():
                yield
        else:
            yield

    def _session_that_can_write(self, sess: Any) -> Any:
        """`sess`, or one that writes V2 where V1 cannot hold a dtype."""
        if self._is_empty or self._write_version != saver_pb2.SaverDef.V1:
            return sess
        if tf.executing_eagerly():
            if eager_needs_v2(self._var_list):
                self._write_version = saver_pb2.SaverDef.V2
                if self._builder is not None:
                    self._builder._write_version = saver_pb2.SaverDef.V2
        elif self.saver_def and is_session(sess) and graph_needs_v2(sess.graph, self.saver_def):
            return V2Session(sess, self.saver_def, self._note_v2)
        return sess

    def _note_v2(self, prefix: str) -> None:
        self._written_as_v2 |= {prefix}

    def export_meta_graph(
        self,
        filename: Any = None,
        collection_list: Any = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """As the stock class. Settings that a SaverDef cannot carry stand in the MetaInfoDef's `any_info`."""
        arguments = {
            "filename": plain_path(filename),
            "collection_list": collection_list,
            "as_text": as_text,
            "export_scope": export_scope,
            "clear_devices": clear_devices,
            "clear_extraneous_savers": clear_extraneous_savers,
            "strip_default_attrs": strip_default_attrs,
            "save_debug_info": save_debug_info,
        }
        settings = settings_as_meta_info(self._pad_step_number, self._save_relative_paths)
        if settings is None:
            return super().export_meta_graph(**arguments)
        return stock.export_meta_graph(
            meta_info_def=settings,
            graph_def=tf.compat.v1.get_default_graph().as_graph_def(add_shapes=True),
            saver_def=self.saver_def,
            **arguments,
        )

    def set_last_checkpoints(self, last_checkpoints: Any) -> None:
        """As the stock class: these are listed as the last ones, and never deleted."""
        super().set_last_checkpoints(plain_paths(last_checkpoints))

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Any) -> None:
        """As the stock class: (path, timestamp) pairs, oldest first."""
        super().set_last_checkpoints_with_time(plain_paths(last_checkpoints_with_time))

    def recover_last_checkpoints(self, checkpoint_paths: Any) -> None:
        """As the stock class, of the checkpoints that exist; their files' times become their timestamps."""
        super().recover_last_checkpoints(plain_paths(checkpoint_paths))

    def _RecordLastCheckpoint(self, latest_save_path: str) -> None:  # noqa: N802  # the stock class's name
        """Runs after the files and before the state file, so that no state names a half-made checkpoint."""
        self._add_object_view(latest_save_path)
        if self.saver_def.max_to_keep > 0:
            super()._RecordLastCheckpoint(latest_save_path)

    def _MaybeDeleteOldCheckpoints(self, meta_graph_suffix: str = "meta") -> None:  # noqa: N802
        doomed = self._checkpoints_to_be_deleted[:1]
        kept = any(when > self._next_checkpoint_time for _, when in doomed)
        super()._MaybeDeleteOldCheckpoints(meta_graph_suffix)
        for path, _ in doomed:
            if path in self._written_as_v2 and not kept:
                remove_v2(path, meta_graph_suffix)
                self._written_as_v2 -= {path}

    def _add_object_view(self, prefix: str) -> None:
        if self._object_view is not None:
            self._object_view.add_to(self, prefix)


def adopt(saver: Any) -> Saver:
    """A stock Saver as this class, its built ops and its settings kept."""
    if isinstance(saver, Saver):
        return saver
    adopted = Saver.__new__(Saver)
    adopted.__dict__.update(saver.__dict__)
    return adopted
