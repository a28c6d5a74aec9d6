"""Each case of `graphs`, saved once by TensorFlow's own Saver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.roundtrip.graphs import CASES, Case
from tests.roundtrip.oracle import Array, tensors


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A file of TensorFlow's Saver, what is in it, and what a session has that restored it."""

    case: Case
    prefix: str
    tensors: dict[str, Array]
    values: list[Array]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Saved]:
    """The saved file of a case, by the case's name."""
    made: dict[str, Saved] = {}

    def of(name: str) -> Saved:
        if name not in made:
            case = CASES[name]
            prefix, twin = case.save(str(tmp_path_factory.mktemp("saved") / "model.ckpt-7"))
            # TensorFlow's reader has no word for some dtypes of V1 files: the twin tells what is in them.
            made[name] = Saved(case=case, prefix=prefix, tensors=tensors(twin), values=case.restore(twin))
        return made[name]

    return of
