"""A reader of a target that is written again and again: `python -m tests.hardening.threads.reader`.

Every tensor of a generation holds its number. Who gets all tensors must have got them of one.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from migration.checkpoint import Checkpoint
from migration.errors import ReplacedError
from migration.formats.tensor_bundle import encode_tensor
from migration.tensors import DType

MARK = "gen"  # in the keys of tensors that hold the number
SIZE = 1000
Opener = Callable[[str], Checkpoint]


def generation(number: int) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of one generation; one among them never changes, as a frozen layer's."""
    return {
        "gen/a": np.full(SIZE, number, np.float32),
        "gen/b": np.full((2, 3), number, np.int64),
        "gen/part": np.full((7, 2), number, np.float64),
        "gen/words": np.array([str(number).encode()] * 3, object),
        "frozen": np.arange(50, dtype=np.float32),
    }


def numbers_in(arrays: Mapping[str, np.ndarray[Any, Any]]) -> set[int]:
    """The generations that the tensors are of."""
    return {
        int(value) for key, array in arrays.items() if MARK in key for value in set(array.ravel().tolist())
    }


@dataclass(slots=True)
class Reader:
    """Reads the target with `opened` until told to stop, and counts what it saw."""

    target: str
    opened: Opener
    choice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    last: int = 0

    def run(self, stop: Callable[[], bool]) -> None:
        """Look again and again; whatever is neither a value nor ReplacedError is a fault."""
        while True:
            try:
                self.counts[self._look()] += 1
            except ReplacedError:
                self.counts["told that it was replaced"] += 1
            except Exception as error:
                self.faults.append(f"{type(error).__name__}: {error}")
            if stop():
                return

    def _look(self) -> str:
        found = self.opened(self.target)
        keys = [key for key in found.keys if MARK in key]
        self.choice.shuffle(keys)
        if self.choice.random() < 0.5:  # let it be replaced between the open and the first read
            time.sleep(self.choice.random() * 0.03)
        arrays = {}
        for key in keys:
            arrays[key] = found.read(key)
            if self.choice.random() < 0.1:
                found.close()
        return self._judged(found, arrays)

    def _judged(self, found: Checkpoint, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
        numbers = numbers_in(arrays)
        if len(numbers) != 1 or len(arrays) < 4:
            self.faults.append(f"{len(arrays)} tensors of generations {sorted(numbers)} in one checkpoint")
            return "mixed"
        (number,) = numbers
        key = next(key for key in arrays if "gen/a" in key)
        wanted = encode_tensor(generation(number)["gen/a"], DType.FLOAT32)[1]
        if found.index.entries[key].crc32c != wanted or number < self.last:
            self.faults.append(f"generation {number}, after {self.last}, of an index that tells of another")
        self.last = number
        newest = numbers_in({key: Checkpoint.open(self.target).read(key)})
        return "the newest" if newest == {number} else "the one before, whole"


def with_tensorflow(target: str, stop: Callable[[], bool]) -> tuple[Counter[str], list[str]]:
    """The same with TensorFlow's reader, which says so in its own words where files went."""
    import tensorflow as tf

    counts: Counter[str] = Counter()
    faults: list[str] = []
    while not stop():
        try:
            reader = tf.train.load_checkpoint(target)
            keys = [key for key in reader.get_variable_to_shape_map() if MARK in key]
            numbers = numbers_in({key: np.asarray(reader.get_tensor(key)) for key in keys})
        except Exception as error:  # it asks for an index's size and then for its bytes, say: IndexError
            counts[f"TensorFlow: an error ({type(error).__name__})"] += 1
            continue
        counts["TensorFlow: one generation" if len(numbers) == 1 else "TensorFlow: mixed"] += 1
        if len(numbers) != 1:
            faults.append(f"TensorFlow read generations {sorted(numbers)} in one checkpoint")
    return counts, faults


def main(target: str, end: float, seed: int, kind: str) -> None:
    """Read until `end` (a time of day, as processes share no other) and print what was seen."""

    def stop() -> bool:
        return time.time() > end

    if kind == "tensorflow":
        counts, faults = with_tensorflow(target, stop)
    else:
        reader = Reader(target, Checkpoint.open, random.Random(seed))
        reader.run(stop)
        counts, faults = reader.counts, reader.faults
    print(json.dumps({"counts": counts, "faults": faults}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
