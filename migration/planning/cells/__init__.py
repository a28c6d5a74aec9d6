"""Recurrent cells, cuDNN and batch normalisation: a source's tensors as a template's layers know them."""

from migration.planning.cells.canonical import Buffer, hidden_buffers, through_buffers
from migration.planning.cells.layers import Layer, layers
from migration.planning.cells.sources import SourceCell
from migration.planning.cells.view import CellView, virtual

__all__ = [
    "Buffer",
    "CellView",
    "Layer",
    "SourceCell",
    "hidden_buffers",
    "layers",
    "through_buffers",
    "virtual",
]
