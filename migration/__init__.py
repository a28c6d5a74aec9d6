"""Name-based and object-based TensorFlow checkpoints, read, mapped and converted without TensorFlow.

The public names are loaded when they are first used, so that importing the package costs next to nothing.

Everything here may be called from several threads at once: a Checkpoint, a Plan, a Template or Rules may be
shared by them, and none keeps anything of its user's between calls. Two runs that write one target are not
mixed: one of them is told that the other is there (TargetError).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint, Style
    from migration.convert import Receipt, execute
    from migration.doctor import examine
    from migration.errors import (
        CheckpointNotFoundError,
        FormatError,
        InputError,
        MigrationError,
        MissingKeyError,
        PlanError,
        Problem,
        ProblemsError,
        ReplacedError,
        TargetError,
        UnmappedError,
        VerificationError,
    )
    from migration.model_dir import migrate_directory
    from migration.planning.options import Options
    from migration.planning.plan import Confidence, Plan, Source, Step
    from migration.planning.plan_file import read_plan, write_plan
    from migration.planning.planner import make_plan
    from migration.planning.rules import Rules
    from migration.planning.targets import Template
    from migration.tensors import DType, TensorSpec
    from migration.verify import VerificationReport

_WHERE = {
    "checkpoint": ("Checkpoint", "Style"),
    "convert": ("Receipt", "execute"),
    "doctor": ("examine",),
    "errors": (
        "CheckpointNotFoundError",
        "FormatError",
        "InputError",
        "MigrationError",
        "MissingKeyError",
        "PlanError",
        "Problem",
        "ProblemsError",
        "ReplacedError",
        "TargetError",
        "UnmappedError",
        "VerificationError",
    ),
    "model_dir": ("migrate_directory",),
    "planning.options": ("Options",),
    "planning.plan": ("Confidence", "Plan", "Source", "Step"),
    "planning.plan_file": ("read_plan", "write_plan"),
    "planning.planner": ("make_plan",),
    "planning.rules": ("Rules",),
    "planning.targets": ("Template",),
    "tensors": ("DType", "TensorSpec"),
    "verify": ("VerificationReport",),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Checkpoint",
    "CheckpointNotFoundError",
    "Confidence",
    "DType",
    "FormatError",
    "InputError",
    "MigrationError",
    "MissingKeyError",
    "Options",
    "Plan",
    "PlanError",
    "Problem",
    "ProblemsError",
    "Receipt",
    "ReplacedError",
    "Rules",
    "Source",
    "Step",
    "Style",
    "TargetError",
    "Template",
    "TensorSpec",
    "UnmappedError",
    "VerificationError",
    "VerificationReport",
    "examine",
    "execute",
    "make_plan",
    "migrate_directory",
    "read_plan",
    "write_plan",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'migration' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"migration.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
