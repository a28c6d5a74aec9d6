"""What a result remembers of its source: enough for the way back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar

from migration.checkpoint import MANIFEST_KEY
from migration.errors import FormatError
from migration.planning.plan import Plan

if TYPE_CHECKING:
    from migration.checkpoint import Checkpoint
VERSION = 1


def tool_version() -> str:
    """This tool's name and version."""
    try:
        return f"ckpt-migration {version('ckpt-migration')}"
    except PackageNotFoundError:
        return "ckpt-migration (not installed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A string tensor under a key of its own: the source's digest, the plan, and the tool's version."""

    KEY: ClassVar[str] = MANIFEST_KEY

    tool: str
    source_digest: str
    plan: Plan

    @classmethod
    def of(cls, plan: Plan, source: Checkpoint) -> Manifest:
        """The manifest of the result that `plan` makes of `source`."""
        return cls(tool=tool_version(), source_digest=source.digest, plan=plan)
