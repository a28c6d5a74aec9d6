"""What is neither a checkpoint nor a path to one is told as such, by each assertion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint
from migration.errors import InputError
from migration.testing import assert_restores, assert_round_trip, assert_same_tensors
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick


class Restores:
    """What could restore and write, and is never asked to: the arguments are refused before."""

    def restore(self, save_path: str) -> Any:
        pytest.fail(f"asked to restore {save_path}")

    def write(self, file_prefix: str) -> Any:
        pytest.fail(f"asked to write {file_prefix}")


WRONG = [
    (None, "is None: give a path .*latest_checkpoint"),
    (7, "of type int: give"),
    (b"x", "of type bytes"),
]


@pytest.mark.parametrize(("thing", "told"), WRONG, ids=["None", "a number", "bytes"])
def test_what_is_no_checkpoint_is_told(thing: Any, told: str, tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "s", {"w": np.zeros(2, np.float32)})
    for argument, call in {
        "a": lambda: assert_same_tensors(thing, prefix),
        "b": lambda: assert_same_tensors(prefix, thing),
        "prefix": lambda: assert_restores(Restores(), thing),
    }.items():
        with pytest.raises(InputError, match=f"^{argument} {'' if thing is None else 'is '}.*{told}"):
            call()
    with pytest.raises(InputError, match=f"^prefix .*{told}"):
        assert_round_trip(thing)


def test_arguments_the_wrong_way_round(tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "s", {"w": np.zeros(2, np.float32)})
    for first in (str(prefix), Checkpoint.open(prefix)):
        with pytest.raises(InputError, match="the object comes first, then the checkpoint"):
            assert_restores(first, Restores())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"of type Restores: give .*, and the object first"):
        assert_same_tensors(Restores(), prefix)  # type: ignore[arg-type]
