"""Single bits and bytes turned over in place, in an order that covers all of them or spreads over them."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager


def order(total: int, seed: int) -> Iterator[int]:
    """Every number below `total`, once, spread so that any beginning is a sample of all."""
    if not total:
        return
    chance = random.Random(seed)
    step = next(
        each for each in iter(lambda: chance.randrange(1, total + 1), None) if math.gcd(each, total) == 1
    )
    start = chance.randrange(total)
    yield from ((start + number * step) % total for number in range(total))


@contextmanager
def flipped(path: str, at: int, mask: int) -> Iterator[None]:
    """The file with the bits of `mask` turned over in the byte at `at`."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        byte = os.pread(descriptor, 1, at)
        os.pwrite(descriptor, bytes((byte[0] ^ mask,)), at)
        try:
            yield
        finally:
            os.pwrite(descriptor, byte, at)
    finally:
        os.close(descriptor)
