"""Optimizer state: recognised in a source and in a template, and laid out from one for the other.

Each part is loaded when it is first asked for: a mirror needs few of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migration.planning.optimizers.back import names_of
    from migration.planning.optimizers.fill import fill_back
    from migration.planning.optimizers.layout import lay_out
    from migration.planning.optimizers.mirror import MirrorOptimizer
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
    "names_of",
    "recognise",
    "recognise_template",
]

_WHERE = {
    "back": ("names_of",),
    "fill": ("fill_back",),
    "layout": ("lay_out",),
    "mirror": ("MirrorOptimizer",),
    "source": ("recognise",),
    "state": ("Layout", "Number", "SourceOptimizer", "SourceState", "TargetOptimizer", "Undecided"),
    "template": ("claimed_targets", "recognise_template"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
