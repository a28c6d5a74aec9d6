"""The rows of the corpus' catalog, where there is a corpus; without one the tests' fixture skips them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CKPT_CORPUS", Path(__file__).resolve().parents[3] / "shared" / "corpus"))
ABSENT = (
    "the corpus is absent"  # the one row that stands for all of them then: its test tells why it is skipped
)


def _rows() -> list[dict[str, Any]]:
    catalog = FOLDER / "catalog.json"
    return json.loads(catalog.read_text()) if catalog.is_file() else []


ROWS: dict[str, dict[str, Any]] = {row["name"]: row for row in _rows()}
NAME_BASED = [name for name, row in ROWS.items() if not row["object_based"]] or [ABSENT]
OBJECT_BASED = [name for name, row in ROWS.items() if row["object_based"]] or [ABSENT]
V2 = [name for name in NAME_BASED if name is ABSENT or ROWS[name]["format"] != "V1"]
