"""Digests of a converted checkpoint, kept in a file that is committed with the tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migration.checkpoint import Checkpoint
from migration.contents.streams import blocks, open_stream
from migration.errors import FormatError
from migration.storage import replace_file
from migration.testing.opening import Openable, opened
from migration.testing.wording import count, section, told

VERSION = 1
_DIGITS = 32  # of a sha256: 128 bits, and a line of the file stays readable


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCheckpoint:
    """Compares checkpoints with their golden files, `stem`.json or `stem`-NAME.json in `folder`.

    With `update` it writes the files instead. `command` is what people are told to run for that.
    """

    folder: Path
    stem: str
    update: bool = False
    command: str = "pytest --update-goldens"

    def check(self, checkpoint: Openable, name: str | None = None) -> None:
        """Raises AssertionError unless each tensor has the dtype, shape and digest of the golden file.

        `name` tells the checkpoints of one test apart. Every byte of the checkpoint is read. What is written
        with `update` depends on keys and tensors only, not on shards, offsets or the manifest.
        """
        __tracebackhide__ = True
        checkpoint = opened(checkpoint, "checkpoint")
        path = self.path(name)
        found = digests(checkpoint)
        if self.update:
            _write(path, found)
            return
        if not path.is_file():
            raise AssertionError(
                f"{path}: there is no golden file for {checkpoint.prefix} yet\n"
                f"  look at it (ckpt-inspect --values), then run `{self.command}` and commit the file"
            )
        text = _difference(path, _read(path), found, checkpoint.prefix, self.command)
        if text:
            raise AssertionError(text)

    def path(self, name: str | None = None) -> Path:
        """The golden file of that name."""
        return self.folder / f"{self.stem if name is None else f'{self.stem}-{safe_name(name)}'}.json"


def safe_name(text: str) -> str:
    """The text as a file's name: what a file system may refuse becomes `_`, and a digest follows."""
    kept = "".join(char if char.isalnum() or char in "._-+=,[]" else "_" for char in text)
    if kept == text and len(text) <= 120:
        return text
    return f"{kept[:100]}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """For each key the tensor's dtype, shape, and the beginning of the sha256 of its bytes, row-major."""
    return {key: f"{spec} {_digest(checkpoint, key)}" for key, spec in checkpoint.specs.items()}


def _digest(checkpoint: Checkpoint, key: str) -> str:
    known = hashlib.sha256()
    for block in _blocks(checkpoint, key):
        known.update(block)
    return known.hexdigest()[:_DIGITS]


def _blocks(checkpoint: Checkpoint, key: str) -> Iterator[bytes | bytearray]:
    """A tensor's bytes, in blocks; a variant's are taken as they lie."""
    if checkpoint.spec(key).dtype.name in ("VARIANT", "RESOURCE"):
        return (raw for _, raw in checkpoint.read_bytes(key))
    return blocks(open_stream(checkpoint, key))


def _write(path: Path, found: Mapping[str, str]) -> None:
    """Write aside, then replace: another test run never reads half of it."""
    text = json.dumps({"golden": VERSION, "tensors": dict(found)}, indent=1, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(str(path), text.encode("utf-8"))


def _read(path: Path) -> dict[str, str]:
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
        if table["golden"] != VERSION:
            raise FormatError(
                f"{path}: a golden file of version {table['golden']!r}, known is {VERSION}: update it"
            )
        return {str(key): str(line) for key, line in table["tensors"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FormatError(f"{path}: not a golden file: restore it, or write it anew") from None


def _difference(
    path: Path, golden: Mapping[str, str], found: Mapping[str, str], prefix: str, command: str
) -> str:
    """What is not as it was, for people; empty where all is."""
    changed = [
        f"{key}: {_change(golden[key], line)}"
        for key, line in found.items()
        if key in golden and golden[key] != line
    ]
    gone = [f"{key}  {_spec(line)}" for key, line in golden.items() if key not in found]
    new = [f"{key}  {_spec(line)}" for key, line in found.items() if key not in golden]
    if not (changed or gone or new):
        return ""
    return told(
        f"{prefix} is not what {path} says: of {count(len(golden), 'tensor')} {len(changed)} changed, "
        f"{len(gone)} gone; {len(new)} new",
        section("changed", changed),
        section("gone", gone),
        section("new", new),
        [f"  if this is meant: run `{command}` and commit the file"],
    )


def _spec(line: str) -> str:
    return line.rpartition(" ")[0]


def _change(golden: str, found: str) -> str:
    if _spec(golden) != _spec(found):
        return f"{_spec(found)}, it was {_spec(golden)}"
    return f"{_spec(found)}, other values"
