"""Saver, a drop-in for `tf.compat.v1.train.Saver`, and the meta graph functions that go with it."""

from legacy_ckpt.saver.core import Saver
from legacy_ckpt.saver.meta_graphs import export_meta_graph, import_meta_graph
from legacy_ckpt.fitting.report import RestoreReport

__all__ = ["RestoreReport", "Saver", "export_meta_graph", "import_meta_graph"]
