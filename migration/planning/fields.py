"""Typed reading of a file's tables: what does not fit is collected with its line, not raised at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from migration.errors import FormatError, PlanError, Problem
from migration.formats.bundle_entries import check_size
from migration.formats.tensor_bundle import TensorSlice
from migration.planning.transforms import Transform, TransformError, from_table
from migration.suggest import did_you_mean, nearest
from migration.tensors import DType, TensorSpec

if TYPE_CHECKING:
    from migration.planning.document import Document

T = TypeVar("T")
D = TypeVar("D")
# Sizes have 19 digits at most, which 64 bits hold: longer ones Python itself would refuse to read.
_SPEC = re.compile(r"(\w+)\[((?:[0-9]{1,19}(?:, *[0-9]{1,19})*)?)\]")
_EXTENT = re.compile(r"([0-9]{1,19}),([0-9]{1,19})")


class WrongValueError(Exception):
    """A value that is not what its key wants; the text says what is wanted."""


@dataclass
class Findings:
    """The problems found so far in one document."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def tell(self, kind: str, message: str, *path: str | int) -> None:
        """Adds a problem at the line of a key."""
        self.problems.append(Problem(kind=kind, where=self.document.place(*path), message=message))

    def check_keys(self, table: Mapping[str, Any], known: Iterable[str], *path: str | int) -> None:
        """Tells every key that is not among the known ones."""
        known = tuple(known)
        for key in table:
            if key not in known:
                meant = did_you_mean(nearest(key, known, limit=1))
                self.tell(
                    "unknown key", f"unknown key {key!r}{meant or ': use ' + ', '.join(known)}", *path, key
                )

    def read(
        self, table: Mapping[str, Any], reader: Callable[[Any], T], default: D, *path: str | int
    ) -> T | D:
        """What `reader` makes of the path's last key; the default where that is absent, or wrong and told."""
        key = str(path[-1])
        if key not in table:
            return default
        try:
            return reader(table[key])
        except WrongValueError as error:
            self.tell("wrong value", f"{key} = {_shown(table[key])}: {error}", *path)
        except TransformError as error:
            self.tell("transform", str(error), *path)
        return default

    def require(self, table: Mapping[str, Any], *path: str | int) -> bool:
        """Whether the path's last key is there; tells where it is not."""
        if path[-1] in table:
            return True
        self.tell("missing key", f"{path[-1]} is missing", *path)
        return False

    def tables(self, key: str) -> list[tuple[int, Mapping[str, Any]]]:
        """The repeated tables [[key]], numbered."""
        found = self.document.values.get(key, [])
        if isinstance(found, list) and all(isinstance(table, dict) for table in found):
            return list(enumerate(found))
        self.tell("wrong value", f"write each {key} as a table of its own, under [[{key}]]", key)
        return []

    def table(self, *path: str) -> Mapping[str, Any]:
        """The table [path]; empty where it is absent or none."""
        found: Any = self.document.values
        for key in path:
            found = found.get(key, {})
            if not isinstance(found, dict):
                self.tell(
                    "wrong value", f"write {'.'.join(path)} as a table, under [{'.'.join(path)}]", *path
                )
                return {}
        return found  # type: ignore[no-any-return]

    def raise_if_any(self, summary: str) -> None:
        """Raises PlanError with all problems, in the order of their lines."""
        if self.problems:
            raise PlanError(summary, sorted(self.problems, key=_line))


def _line(problem: Problem) -> int:
    number = problem.where.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def text(value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise WrongValueError("a string is wanted")
    return value


def flag(value: Any) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise WrongValueError("true or false is wanted")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WrongValueError("a list of strings is wanted")
    return tuple(value)


def one_of(*words: str) -> Callable[[Any], str]:
    """A string out of a few."""

    def read(value: Any) -> str:
        if value not in words or not isinstance(value, str):
            raise WrongValueError(f"one of {', '.join(words)} is wanted")
        return value

    return read


def spec(value: Any) -> TensorSpec:
    """A dtype and a shape, as in "float32[3, 4]"."""
    if not isinstance(value, str):
        raise WrongValueError('a dtype and a shape such as "float32[3, 4]" is wanted')
    return _spec(value)


@functools.lru_cache(maxsize=4096)
def _spec(value: str) -> TensorSpec:
    match = _SPEC.fullmatch(value)
    if match is None:
        raise WrongValueError('a dtype and a shape such as "float32[3, 4]" is wanted')
    shape = tuple(int(size) for size in match[2].split(",")) if match[2] else ()
    try:
        read = TensorSpec(DType.from_name(match[1]), shape)
        check_size(read)
    except FormatError as error:
        raise WrongValueError(str(error)) from None
    return read


def transforms(value: Any) -> tuple[Transform, ...]:
    """A list of transforms' tables. Raises TransformError for the first that is none."""
    if not isinstance(value, list):
        raise WrongValueError("a list of transforms such as [{transpose = [1, 0]}] is wanted")
    return tuple(from_table(table) for table in value)


def slices(value: Any) -> tuple[TensorSlice, ...]:
    """A list of slices, each as `slice_text` writes it."""
    return tuple(_slice(item) for item in texts(value))


def _slice(value: str) -> TensorSlice:
    starts: list[int] = []
    lengths: list[int | None] = []
    for extent in value.split(":") if value else ():
        match = _EXTENT.fullmatch(extent)
        if match is None and extent != "-":
            raise WrongValueError(
                'slices such as "0,5:-" (start,length of each dimension, - for all) are wanted'
            )
        starts.append(int(match[1]) if match else 0)
        lengths.append(int(match[2]) if match else None)
    return TensorSlice(tuple(starts), tuple(lengths))


def slice_text(part: TensorSlice) -> str:
    """A slice as TensorFlow prints it: `start,length` of each dimension or `-` for all, joined by `:`."""
    extents = zip(part.starts, part.lengths, strict=True)
    return ":".join("-" if length is None else f"{start},{length}" for start, length in extents)
