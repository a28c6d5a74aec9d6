"""Transforms as the plain tables of a plan or rule file, and back.

One key, the transform's name; its value is the first field alone where that says it all, otherwise a
table of the fields: `{reshape = [3, 4]}`, `{concat = {axis = 0, sizes = [2, 2]}}`. Bytes are written
as `{base64 = "..."}` and complex numbers as `{real = 1.0, imag = 0.0}`.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from migration.errors import FormatError
from migration.planning.transforms.base import REGISTRY, Transform, TransformError
from migration.tensors import DType

Table = dict[str, Any]


def to_table(transform: Transform) -> Table:
    """The table of one key that `from_table` reads back to an equal transform."""
    fields = dataclasses.fields(transform)
    values = {field.name: getattr(transform, field.name) for field in fields}
    written = {
        field.name: _written(values[field.name])
        for field in fields
        if field.default is dataclasses.MISSING or values[field.name] != field.default
    }
    if list(written) == [fields[0].name] and not isinstance(written[fields[0].name], dict):
        return {transform.name: written[fields[0].name]}
    return {transform.name: written}


def from_table(table: object) -> Transform:
    """The transform of such a table. Raises TransformError that says what is wrong with it."""
    if not isinstance(table, Mapping) or len(table) != 1:
        raise TransformError(
            f"{table!r} is no transform: write one name and its value, {{transpose = [1, 0]}}"
        )
    ((name, value),) = table.items()
    kind = REGISTRY.get(name)
    if kind is None:
        raise TransformError(f"unknown transform {name!r}: use one of {', '.join(sorted(REGISTRY))}")
    return kind(**_fields(kind, value))


def _fields(kind: type[Transform], value: object) -> Table:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    given = value if isinstance(value, Mapping) else {next(iter(fields)): value}
    unknown = [key for key in given if key not in fields]
    if unknown:
        raise TransformError(f"{kind.name}: unknown key {unknown[0]!r}: use {', '.join(fields)}")
    missing = [
        key for key, field in fields.items() if field.default is dataclasses.MISSING and key not in given
    ]
    if missing:
        raise TransformError(f"{kind.name}: {', '.join(missing)} missing")
    return {key: _read(kind.name, fields[key], item) for key, item in given.items()}


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_written(part) for part in value]
    if isinstance(value, DType):
        return str(value)
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"real": value.real, "imag": value.imag}
    return value


def _read(name: str, field: dataclasses.Field[Any], value: object) -> Any:
    reader, wanted = _READERS[str(field.type)]
    try:
        return reader(value)
    except (TypeError, ValueError, OverflowError, FormatError, binascii.Error):
        raise TransformError(f"{name}: {field.name} = {value!r}: {wanted} is wanted") from None


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _integers(value: object) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return tuple(_integer(item) for item in value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError
    return float(value)


def _dtype(value: object) -> DType:
    if not isinstance(value, str):
        raise TypeError
    return DType.from_name(value)


def _value(value: object) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_value(item) for item in value)
    if isinstance(value, Mapping):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"], validate=True)
        if set(value) == {"real", "imag"}:
            return complex(_number(value["real"]), _number(value["imag"]))
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError
    return value


_READERS: dict[str, tuple[Callable[[object], Any], str]] = {
    "int": (_integer, "an integer"),
    "int | None": (_integer, "an integer"),
    "tuple[int, ...]": (_integers, "a list of integers"),
    "bool": (_boolean, "true or false"),
    "float": (_number, "a number"),
    "float | None": (_number, "a number"),
    "DType": (_dtype, "the name of a dtype, such as float32,"),
    "Value": (_value, "a number, a boolean, a string, or lists of them,"),
}
