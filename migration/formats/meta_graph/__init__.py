"""What the graph beside a checkpoint tells: variables, their keys, optimizer ops and constants."""

from migration.formats.meta_graph.graph import Feed
from migration.formats.meta_graph.meta_graph import MetaGraph
from migration.formats.meta_graph.nodes import GraphNode
from migration.formats.meta_graph.saver import SavedVariable
from migration.formats.meta_graph.update import Update
from migration.formats.meta_graph.variables import GraphVariable

__all__ = ["Feed", "GraphNode", "GraphVariable", "MetaGraph", "SavedVariable", "Update"]
