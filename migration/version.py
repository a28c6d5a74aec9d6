"""Which tool wrote a file."""

from __future__ import annotations

# What pyproject.toml has, too: to ask importlib.metadata takes longer than a small migration.
VERSION = "0.1.0"


def tool_version() -> str:
    """This tool's name and version, as the files that it writes carry it."""
    return f"ckpt-migration {VERSION}"
