"""What to compare, in a file: feeds, fetches, the model, the tolerances (`ckpt-verify --outputs`).

TOML, or the same as JSON:

    model = "package.module:function"   # called with the migrated prefix, returns the callable to compare
    fetches = ["logits:0"]              # or a table from the graph's tensors to the model's outputs
    inputs = ["x"]                      # the feeds that the model gets; a table gives them keywords
    rtol = 1e-5
    atol = 1e-6
    [feeds]
    x = {file = "inputs.npz", key = "x"}
    mask = {random = [8, 16], dtype = "bool", seed = 1}
    keep_prob = 1.0
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migration.errors import InputError
from migration.planning.toml_parser import parse_toml
from migration.testing.outputs import ATOL, RTOL, Fetches, Inputs, OutputsComparison, compare_outputs

_KNOWN = {"model", "feeds", "fetches", "inputs", "rtol", "atol", "meta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsRequest:
    """The contents of such a file; feeds are arrays, `model` is the reference as it is written."""

    model: str
    feeds: Mapping[str, Any]
    fetches: Fetches
    inputs: Inputs | None = None
    rtol: float = RTOL
    atol: float = ATOL
    meta: str | None = None
    folder: str = field(default=".")


def compare_outputs_file(
    path: str | os.PathLike[str], tf1_prefix: str | os.PathLike[str], migrated_prefix: str | os.PathLike[str]
) -> OutputsComparison:
    """`compare_outputs` of the TensorFlow 1 checkpoint and the file's model on the migrated one.

    Raises InputError for a file that cannot be used, and what `compare_outputs` raises.
    """
    request = read_request(path)
    model = _loaded(request)(os.fspath(migrated_prefix))
    if not callable(model):
        raise InputError(
            f"{request.model} returns {type(model).__name__}, not something to call with the feeds"
        )
    return compare_outputs(
        tf1_prefix,
        request.feeds,
        request.fetches,
        model,
        inputs=request.inputs,
        rtol=request.rtol,
        atol=request.atol,
        meta=request.meta,
    )


def read_request(path: str | os.PathLike[str]) -> OutputsRequest:
    """The request in a TOML or JSON file. Raises InputError that says what in it cannot be used."""
    path = os.fspath(path)
    table = _table(path)
    folder = os.path.dirname(path)
    unknown = sorted(table.keys() - _KNOWN)
    if unknown:
        raise InputError(
            f"{path}: {', '.join(unknown)} is not known here; known are {', '.join(sorted(_KNOWN))}"
        )
    missing = [name for name in ("model", "feeds", "fetches") if name not in table]
    if missing:
        raise InputError(f"{path}: {', '.join(missing)} is missing")
    _check_types(path, table)
    meta = table.get("meta")
    return OutputsRequest(
        model=table["model"],
        feeds={name: _feed(path, folder, name, value) for name, value in table["feeds"].items()},
        fetches=table["fetches"],
        inputs=table.get("inputs"),
        rtol=float(table.get("rtol", RTOL)),
        atol=float(table.get("atol", ATOL)),
        meta=None if meta is None else os.path.join(folder, meta),
        folder=folder,
    )


def _table(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from None
    kind, parse = ("JSON", json.loads) if path.endswith(".json") else ("TOML", parse_toml)
    try:
        table = parse(text)
    except ValueError as error:
        raise InputError(f"{path}: not {kind}: {error}") from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: a table is wanted, with model, feeds and fetches")
    return table


def _check_types(path: str, table: Mapping[str, Any]) -> None:
    kinds: dict[str, tuple[tuple[type, ...], str]] = {
        "model": ((str,), 'text, "module:function"'),
        "feeds": ((dict,), "a table from tensors to values"),
        "fetches": ((str, list, dict), "a tensor's name, a list of names, or a table"),
        "inputs": ((list, dict), "a list of feeds, or a table"),
        "rtol": ((int, float), "a number"),
        "atol": ((int, float), "a number"),
        "meta": ((str,), "a path"),
    }
    for name, value in table.items():
        types, wanted = kinds[name]
        if not isinstance(value, types):
            raise InputError(f"{path}: {name} is {wanted}, not {value!r}")


def _feed(path: str, folder: str, name: str, value: Any) -> Any:
    """The array that a feed's entry stands for."""
    import numpy as np

    if not isinstance(value, dict):
        return _array(path, name, value, None)
    dtype = value.get("dtype")
    kinds: dict[str, Callable[[], Any]] = {
        "file": lambda: _stored(os.path.join(folder, value["file"]), value.get("key")),
        "values": lambda: _array(path, name, value["values"], dtype),
        "random": lambda: _random(value["random"], dtype or "float32", value.get("seed", 0)),
    }
    chosen = [kind for kind in kinds if kind in value]
    rest = value.keys() - {"file", "key", "values", "random", "dtype", "seed"}
    if len(chosen) != 1 or rest:
        raise InputError(f"{path}: feeds.{name} has one of file (with key), values or random, not {value!r}")
    try:
        found = kinds[chosen[0]]()
        return found if dtype is None else np.asarray(found, dtype)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: feeds.{name}: {error}") from None


def _array(path: str, name: str, value: Any, dtype: str | None) -> Any:
    """Numbers that are not said to be anything else become float32 or int32, as TensorFlow takes them."""
    import numpy as np

    try:
        array = np.asarray(value, dtype)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: feeds.{name}: {error}") from None
    plain = {"f": np.float32, "i": np.int32}.get(array.dtype.kind) if dtype is None else None
    return array if plain is None else array.astype(plain)


def _stored(path: str, key: str | None) -> Any:
    import numpy as np

    found = np.load(path, allow_pickle=False)
    if isinstance(found, np.ndarray):
        return found
    with found:
        names = list(found)
        if key is None and len(names) != 1:
            raise ValueError(f"{path} holds {', '.join(names)}: say which as key")
        if key is not None and key not in names:
            raise ValueError(f"{path} has no {key!r}, it holds {', '.join(names)}")
        return found[names[0] if key is None else key]


def _random(shape: Any, dtype: str, seed: int) -> Any:
    """Uniform in [0, 1) for floats, 0 or 1 for integers and bools; the same for the same seed."""
    import numpy as np

    if not isinstance(shape, (list, tuple, int)):
        raise ValueError(f"random is a shape, such as {{random = [8, 16], seed = 1}}, not {shape!r}")
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    return (
        generator.random(shape).astype(kind)
        if kind.kind == "f"
        else generator.integers(0, 2, shape).astype(kind)
    )


def _loaded(request: OutputsRequest) -> Callable[[str], Any]:
    """The function that the file names; its module is looked for beside the file too."""
    module, _, name = request.model.partition(":")
    if not module or not name:
        raise InputError(f"model = {request.model!r}: write module:function")
    sys.path.insert(0, os.path.abspath(request.folder))
    try:
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model = {request.model!r} cannot be loaded: {error}") from error
    finally:
        sys.path.pop(0)
    if not callable(function):
        raise InputError(f"model = {request.model!r} is {type(function).__name__}, not a function")
    called: Callable[[str], Any] = function
    return called
