"""A checkpoint fills an object: nothing in the file is left unread, nothing in the object left as it was."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from migration.checkpoint import Checkpoint, Style
from migration.contents.streams import open_stream, pairs
from migration.errors import InputError
from migration.formats.object_graph import ObjectGraph
from migration.planning.targets import Target, Template
from migration.testing.opening import Openable, opened
from migration.testing.wording import count, section, told


@runtime_checkable
class Restorable(Protocol):
    """What restores and writes as tf.train.Checkpoint does."""

    def restore(self, save_path: str) -> Any: ...
    def write(self, file_prefix: str) -> Any: ...


def assert_restores(checkpoint_object: Restorable, prefix: Openable) -> None:
    """Restores `prefix` into a tf.train.Checkpoint; raises AssertionError unless both are used up.

    TensorFlow's own assert_consumed has to pass. Beyond it, no tensor of the file may be left that no
    object reads (of a name-based file it passes with all but one unread), no tensor of the object may be
    absent from the file, and after the restore the object has to hold the file's bytes: to compare, it
    writes itself into a temporary directory. In graph mode the default session is used. Tensors that stand
    in the file under names beside the objects need no reader.

    The text lists both sides. Raises InputError for an object that cannot restore, and what
    `Checkpoint.open` raises.
    """
    __tracebackhide__ = True
    if not isinstance(checkpoint_object, Restorable):
        kind = type(checkpoint_object).__name__
        if isinstance(checkpoint_object, (str, os.PathLike, Checkpoint)):
            raise InputError(f"the first argument is {kind}: the object comes first, then the checkpoint")
        raise InputError(f"{kind} does not restore: wrap it, tf.train.Checkpoint(model=...)")
    file = opened(prefix, "prefix")
    complaint = _restore(checkpoint_object, file.prefix)
    live = Template.of(checkpoint_object)
    readers = _readers(file, live)
    text = _text(file, live, readers, complaint)
    if text:
        raise AssertionError(text)


def _restore(checkpoint_object: Restorable, prefix: str) -> str:
    """Restore; what TensorFlow has against it, in its words."""
    complaint = ""
    try:
        status = checkpoint_object.restore(prefix)
    except Exception as error:  # whatever TensorFlow raises for shapes and dtypes that do not fit
        return f"{type(error).__name__}: {error}"
    try:
        status.assert_consumed()
    except AssertionError as error:
        complaint = str(error)
        if hasattr(status, "expect_partial"):
            status.expect_partial()  # all is told here: no warnings at the process' end
    with contextlib.suppress(AttributeError):
        status.run_restore_ops()
    return complaint


@dataclass(frozen=True, slots=True)
class _Readers:
    """Which tensor of the object (by its key in `live`) reads which key of the file."""

    by_key: dict[str, str]

    def reads(self, key: str) -> bool:
        return key in self.by_key


def _readers(file: Checkpoint, live: Template) -> _Readers:
    if file.graph is None:
        return _Readers({target.full_name: target.key for target in live.targets if target.full_name in file})
    return _Readers(dict(_by_graph(file.graph, live.graph)))


def _by_graph(file: ObjectGraph, live: ObjectGraph) -> Iterator[tuple[str, str]]:
    """The keys of attributes of one name in nodes that the same edges lead to."""
    for there, here in _matched(file, live).items():
        attributes = {attribute.name: attribute.checkpoint_key for attribute in live.nodes[here].attributes}
        for attribute in file.nodes[there].attributes:
            if attribute.name in attributes:
                yield attribute.checkpoint_key, attributes[attribute.name]


def _matched(file: ObjectGraph, live: ObjectGraph) -> dict[int, int]:
    """For each node of the file, the node of the object: by local names from the root, then by slots."""
    found = {0: 0}
    queue = [0]
    while queue:
        there = queue.pop()
        for child in file.nodes[there].children:
            partner = live.nodes[found[there]].child(child.local_name)
            if partner is not None and child.node not in found:
                found[child.node] = partner
                queue.append(child.node)
    for there, here in list(found.items()):
        slots = {(slot.variable, slot.slot_name): slot.slot_node for slot in live.nodes[here].slots}
        for slot in file.nodes[there].slots:
            partner = slots.get((found.get(slot.variable, -1), slot.slot_name))
            if partner is not None:
                found.setdefault(slot.slot_node, partner)
    return found


def _text(file: Checkpoint, live: Template, readers: _Readers, complaint: str) -> str:
    """What is wrong, for people; empty where nothing is."""
    ignored = set(file.names) if file.style is Style.BOTH else set()
    wanted = [key for key in file.keys if key not in ignored]
    unread = [key for key in wanted if not readers.reads(key)]
    filled = set(readers.by_key.values())
    empty = [target for target in live.targets if target.key not in filled]
    unlike = [line for key in wanted if readers.reads(key) for line in _unlike(file, live, key, readers)]
    if not (unread or empty or unlike or complaint):
        return ""
    return told(
        f"{file.prefix} does not fill the object: {len(unread)} of its {count(len(wanted), 'tensor')} "
        f"unread, {len(empty)} of the object's {count(len(live.targets), 'tensor')} not in it",
        section("in the file, read by no object", [f"{key}  {file.spec(key)}" for key in unread]),
        section("in the object, not in the file", list(map(_of_object, empty))),
        section("read, and not what the file holds", unlike),
        section("TensorFlow says", complaint.strip().splitlines()),
        _advice(file, unread, empty),
    )


def _of_object(target: Target) -> str:
    name = f" ({target.full_name})" if target.full_name else ""
    return f"{target.paths[0] if target.paths else target.key}{name}  {target.spec}"


def _unlike(file: Checkpoint, live: Template, key: str, readers: _Readers) -> Iterator[str]:
    mine = readers.by_key[key]
    held, stored = live.checkpoint.spec(mine), file.spec(key)
    if held != stored:
        yield f"{key}: {stored} in the file, {held} in the object"
        return
    one, two = open_stream(file, key), open_stream(live.checkpoint, mine)
    if one.size != two.size or any(before != after for before, after in pairs(one, two)):
        yield f"{key}  {stored}: the object holds other values after the restore"


def _advice(file: Checkpoint, unread: list[str], empty: list[Target]) -> list[str]:
    if file.style is Style.NAME and unread:
        return [
            "  the file is name-based, and an object reads of it only variables of the very same name:",
            "  migrate it (ckpt-migrate, or migration.make_plan and execute) and restore the result",
        ]
    if unread and not empty:
        return ["  a model or an optimizer that is not built has no variables yet: build it, then restore"]
    if [target.key for target in empty if target.paths == ("save_counter",)] and len(empty) == 1:
        return [
            "  the file was written by write(), which counts no saves: migrate or save() it, or call read()"
        ]
    return []
