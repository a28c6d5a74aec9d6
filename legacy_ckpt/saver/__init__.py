"""Saver, a drop-in for `tf.compat.v1.train.Saver`, and the meta graph functions that go with it."""

from legacy_ckpt.fitting.report import RestoreReport
from legacy_ckpt.saver.core import Saver
from legacy_ckpt.saver.meta_graphs import export_meta_graph, import_meta_graph
from legacy_ckpt.saver.partitioned import TrackablePartitions

__all__ = ["RestoreReport", "Saver", "TrackablePartitions", "export_meta_graph", "import_meta_graph"]
