"""Readers that are broken on purpose, each in its own way: the harness has to notice every one."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from migration.errors import FormatError
from tests.hardening.fuzzing.promises import promised
from tests.hardening.fuzzing.targets import Target


def _raises(raw: bytes) -> None:
    _ = {}[raw]


def _recurses(raw: bytes) -> None:
    _recurses(raw)


def _loops(raw: bytes) -> None:
    while raw:
        pass


def _allocates(raw: bytes) -> None:
    _ = bytearray(1 << 40)


def _dies(raw: bytes) -> None:
    os.abort()


def _breaks_its_promise(raw: bytes) -> None:
    promised(len(raw) > 1 << 30, "what was read is too short")


def _refuses(raw: bytes) -> None:
    raise FormatError("as it should")


def _target(name: str, read: Callable[[bytes], None]) -> Target:
    return Target(name=name, read=read, seeds=lambda: [b"0123456789"], mutate=_last_byte)


def _last_byte(rng: Random, raw: bytes) -> bytes:
    return raw[:-1] + rng.randbytes(1)


TARGETS = (
    _target("raises", _raises),
    _target("recurses", _recurses),
    _target("allocates", _allocates),
    _target("breaks its promise", _breaks_its_promise),
    _target("refuses", _refuses),
    _target("dies", _dies),
    _target("loops", _loops),
)
