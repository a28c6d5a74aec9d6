"""The steps of one restore: what is wanted, what is there, which fits which, and the ops that bring it in."""

from __future__ import annotations

import time
import weakref
from typing import Any

import tensorflow as tf
from tensorflow.python.platform import tf_logging as logging
from tensorflow.python.saved_model.pywrap_saved_model import metrics
from tensorflow.python.training import saver as saver_module
from tensorflow.python.training.saving import saveable_object_util

from legacy_ckpt import explain
from legacy_ckpt.fitting.inventory import Inventory
from legacy_ckpt.fitting.matching import Rename, match
from legacy_ckpt.fitting.report import RestoreReport
from legacy_ckpt.fitting.wanted import RestoreOps, Wanted, restore_ops, wanted_by_saveables
from legacy_ckpt.saver import loading
from legacy_ckpt.saver.stock import StockSaver


def restore_from(
    saver: Any, sess: Any, prefix: str, partial: bool, rename: Rename | None
) -> RestoreReport | None:
    """Restores the variables of `saver` from the checkpoint at `prefix`, in the mode of the context.

    Everything is checked by the index before anything is assigned. Raises as `Saver.restore` does.
    """
    started = time.time()
    _check_session(saver, sess)
    ops, saveables, wishes = _wishes(saver, sess)
    if ops is None and (not tf.executing_eagerly() or _reads_otherwise(saver._builder)):
        _check_plain(partial, rename)
        with explain.readable(prefix):
            StockSaver.restore(saver, sess, prefix)
        return None
    logging.info("Restoring parameters from %s", prefix)
    report = _restore_checked(saver, sess, prefix, (ops, saveables, wishes), partial, rename)
    metrics.AddCheckpointReadDuration(
        api_label=saver_module._SAVER_LABEL,
        microseconds=saver_module._get_duration_microseconds(started, time.time()),
    )
    return report


def _restore_checked(
    saver: Any,
    sess: Any,
    prefix: str,
    asked: tuple[RestoreOps | None, list[Any], tuple[Wanted, ...]],
    partial: bool,
    rename: Rename | None,
) -> RestoreReport | None:
    ops, saveables, wishes = asked
    try:
        inventory = Inventory.of(prefix)
    except tf.errors.OpError:  # the reader's types are vague: the restore op raises what callers know
        with explain.readable(prefix):
            _run_as_built(saver, sess, prefix)
        return None
    fit = match(wishes, inventory, rename)
    if not fit.is_complete and not partial:
        raise explain.restore_error(fit, inventory, tf.executing_eagerly(), ops)
    with explain.readable(prefix):
        if fit.is_plain:
            _run_as_built(saver, sess, prefix)
        elif ops is None:
            loading.run_eager(saveables, fit, inventory, saver._reshape)
        else:
            loading.run_graph(sess, ops, fit, inventory, saver.saver_def)
    return RestoreReport.of(prefix, fit) if partial else None


def _reads_otherwise(builder: Any) -> bool:
    """Whether a builder has restore ops of its own: what they read is not known before they run."""
    base, bulk = saver_module.BaseSaverBuilder, saver_module.BulkSaverBuilder
    return builder is not None and (
        type(builder).restore_op is not base.restore_op
        or type(builder).bulk_restore not in (base.bulk_restore, bulk.bulk_restore)
    )


def _check_plain(partial: bool, rename: Rename | None) -> None:
    if partial or rename is not None:
        raise ValueError(
            "partial=True and rename= need TensorFlow's own restore ops in this session's graph: "
            "this Saver was built by another builder, or in another graph"
        )


def _check_session(saver: Any, sess: Any) -> None:
    if tf.executing_eagerly():
        return
    if not hasattr(sess, "run"):
        raise AttributeError(
            f"{type(sess).__name__!r} object has no attribute 'run': pass a tf.compat.v1.Session as sess"
        )
    if getattr(sess, "_closed", False):
        raise RuntimeError("Attempted to use a closed Session.")
    if not saver.saver_def:
        raise RuntimeError("`build()` should be called before restore if defer_build==True")


def _run_as_built(saver: Any, sess: Any, prefix: str) -> None:
    if tf.executing_eagerly():
        saver._build_eager(prefix, build_save=False, build_restore=True)
    else:
        sess.run(saver.saver_def.restore_op_name, {saver.saver_def.filename_tensor_name: prefix})


def _wishes(saver: Any, sess: Any) -> tuple[RestoreOps | None, list[Any], tuple[Wanted, ...]]:
    """What the Saver reads: by its ops in a graph, by its variables in eager mode."""
    if not tf.executing_eagerly():
        ops = _restore_ops(saver, getattr(sess, "graph", None) or tf.compat.v1.get_default_graph())
        return ops, [], ops.wanted if ops else ()
    named = saver._var_list
    if not named:
        return None, [], ()
    if not isinstance(named, dict):
        named = saveable_object_util.op_list_to_dict(named)
    saveables = saveable_object_util.validate_and_slice_inputs(named)
    return None, saveables, wanted_by_saveables(saveables, saver._reshape)


def _restore_ops(saver: Any, graph: tf.Graph) -> RestoreOps | None:
    """Read once a graph: the ops of a built Saver do not change."""
    cached = saver._restore_ops_cache
    if cached is None or cached[0]() is not graph:
        cached = (weakref.ref(graph), restore_ops(graph, saver.saver_def.restore_op_name))
        saver._restore_ops_cache = cached
    ops: RestoreOps | None = cached[1]
    return ops
