"""What must hold after every trial: of the source, of the target, and of a second run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from migration.checkpoint import Checkpoint
from migration.errors import CheckpointNotFoundError, TargetError
from migration.formats.tensor_bundle import parse_shard_name
from migration.state_files import read_state

Contents = Mapping[str, str]


class Broken(AssertionError):
    """A promise that did not hold."""


def contents(prefix: str | os.PathLike[str]) -> Contents:
    """Every tensor of the checkpoint, read and checked: its spec and the digest of its values."""
    checkpoint = Checkpoint.open(prefix)
    try:
        found = {}
        for key, spec in checkpoint.specs.items():
            array = checkpoint.read(key)
            raw = array.tobytes() if array.dtype != object else repr(array.tolist()).encode()
            found[key] = f"{spec} {hashlib.sha256(raw).hexdigest()}"
        if checkpoint.graph is not None:
            found["the object graph"] = hashlib.sha256(checkpoint.graph.to_bytes()).hexdigest()
        return found
    finally:
        checkpoint.close()


def picture(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every file below `folder`: its bytes' digest, its size, mode and time of change."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        name = str(path.relative_to(folder))
        found[name] = (digest, state.st_size if digest else 0, state.st_mode, state.st_mtime_ns)
    return found


def check_source(before: Mapping[str, tuple[object, ...]], folder: Path) -> None:
    """Raises Broken unless the source is byte for byte what it was."""
    now = picture(folder)
    if now != before:
        changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
        raise Broken(f"the source is not what it was: {changed}")


def state_of(prefix: Path, old: Contents | None, new: Contents) -> str:
    """What lies at the target: "absent", "old" or "new". Raises Broken for anything else."""
    try:
        found = contents(prefix)
    except CheckpointNotFoundError:
        if os.path.lexists(f"{prefix}.index"):
            raise Broken(f"{prefix.name}: an index that leads nowhere") from None
        return _no_less("absent", old, prefix)
    except Exception as error:
        raise Broken(f"{prefix.name} cannot be read: {type(error).__name__}: {error}") from error
    if found == new:
        return "new"
    if old is not None and found == old:
        return "old"
    raise Broken(f"{prefix.name} is neither what was there nor the whole result: {sorted(found)}")


def _no_less(state: str, old: Contents | None, prefix: Path) -> str:
    if old is not None:
        raise Broken(f"{prefix.name}: what was there is gone, and the result is not there")
    return state


def strays(folder: Path) -> list[str]:
    """The names in a target's directory that belong to no checkpoint and are not its state file."""
    if not folder.is_dir():
        return []
    names = sorted(os.listdir(folder))
    own = {"checkpoint"}
    for name in names:
        if name.endswith(".index") and not name.startswith("."):
            count = Checkpoint.open(folder / name).index.header.num_shards
            stem = name.removesuffix(".index")
            own |= {name, *(f"{stem}.data-{shard:05d}-of-{count:05d}" for shard in range(count))}
    return [name for name in names if name not in own]


def check_shards_whole(folder: Path) -> None:
    """Raises Broken where a shard that an index tells of is absent, if it is an empty one."""
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    for name in there:
        shard = parse_shard_name(name)
        if shard is not None and f"{shard[0]}.index" in there:
            count = Checkpoint.open(folder / f"{shard[0]}.index").index.header.num_shards
            wanted = {f"{shard[0]}.data-{number:05d}-of-{count:05d}" for number in range(count)}
            if not wanted <= there:
                raise Broken(f"{sorted(wanted - there)} absent beside {shard[0]}.index")


def check_state_file(folder: Path, names: tuple[str, ...]) -> None:
    """Raises Broken unless the directory's state file lists just these, all there."""
    state = read_state(str(folder / "checkpoint"))
    if state.recorded != names or None in state.found.values():
        raise Broken(f"the state file lists {state.recorded}, and {names} are there")


def is_already_there(error: Exception) -> bool:
    """Whether a second run ended because the first had done it all."""
    return isinstance(error, TargetError) and "already there" in str(error)
