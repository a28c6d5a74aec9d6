"""The compiled part of the package crc32c, without the package around it.

That one looks up its own version and loads a command line, which takes longer than all else at the start
of a small migration. Where the compiled part is not found under its name, the package is loaded as usual.
"""

from __future__ import annotations

import importlib
import importlib.util
from importlib.machinery import PathFinder
from typing import Any

_PACKAGE, _COMPILED = "crc32c", "crc32c._crc32c"


def _compiled() -> Any:
    package = importlib.util.find_spec(_PACKAGE)
    places = package.submodule_search_locations if package is not None else None
    spec = PathFinder.find_spec(_COMPILED, places) if places is not None else None
    if spec is None or spec.loader is None:
        return importlib.import_module(_PACKAGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


crc32c = _compiled().crc32c  # of a buffer, and of the crc of what comes before it
