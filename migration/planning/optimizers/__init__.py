"""Optimizer state: recognised in a source and in a template, and laid out from one for the other."""

from migration.planning.optimizers.back import names_of
from migration.planning.optimizers.fill import fill_back
from migration.planning.optimizers.layout import lay_out
from migration.planning.optimizers.mirror import MirrorOptimizer, mirror
from migration.planning.optimizers.source import recognise
from migration.planning.optimizers.state import (
    Layout,
    Number,
    SourceOptimizer,
    SourceState,
    TargetOptimizer,
    Undecided,
)
from migration.planning.optimizers.template import claimed_targets, recognise_template

__all__ = [
    "Layout",
    "MirrorOptimizer",
    "Number",
    "SourceOptimizer",
    "SourceState",
    "TargetOptimizer",
    "Undecided",
    "claimed_targets",
    "fill_back",
    "lay_out",
    "mirror",
    "names_of",
    "recognise",
    "recognise_template",
]
