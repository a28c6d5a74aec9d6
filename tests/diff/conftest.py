"""The fixture that runs tools."""

from __future__ import annotations

from tests.tools.conftest import tool

__all__ = ["tool"]
