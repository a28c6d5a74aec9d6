"""Live TensorFlow 2 objects and name-based checkpoints: restored into, saved from, and seen as a graph."""

from __future__ import annotations

from legacy_ckpt.objects.building import NotBuiltError
from legacy_ckpt.objects.live import template
from legacy_ckpt.objects.naming import save_names
from legacy_ckpt.objects.report import ObjectReport
from legacy_ckpt.objects.restoring import restore
from legacy_ckpt.objects.tree import load_variables

__all__ = ["NotBuiltError", "ObjectReport", "load_variables", "restore", "save_names", "template"]
