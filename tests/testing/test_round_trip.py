"""Round trips that hold, that do not, and that have no way."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, Options, execute
from migration.testing import NoWayError, assert_round_trip
from tests.bundles import write_bundle
from tests.testing.scene import ARRAYS, failure, mirrored, write

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("data", ["copy", "link"])
def test_a_mirror_comes_back(tmp_path: pathlib.Path, data: Any) -> None:
    source = write(tmp_path / "a")
    before = sorted(tmp_path.iterdir())
    assert_round_trip(source, data=data)
    assert sorted(tmp_path.iterdir()) == before


def test_onto_a_template(tmp_path: pathlib.Path) -> None:
    source = write(tmp_path / "a")
    template, _ = mirrored(write(tmp_path / "other", net__bias=ARRAYS["net/bias"] * 0), tmp_path / "template")
    assert_round_trip(tmp_path / "a", template)
    assert_round_trip(source, str(tmp_path / "template"), mapping={"net/bias": "net/bias"})


def test_no_way_is_no_failed_assertion(tmp_path: pathlib.Path) -> None:
    small = write(tmp_path / "small", net__kernel=None, none=None)
    template, _ = mirrored(small, tmp_path / "template")
    with pytest.raises(NoWayError, match="no way from") as told:
        assert_round_trip(write(tmp_path / "a"), template)
    assert not isinstance(told.value, AssertionError)
    assert "net/kernel" in {problem.where for problem in told.value.problems}


def test_what_was_dropped_is_told(tmp_path: pathlib.Path) -> None:
    arrays = {
        "w": np.ones((20, 10), np.float32),
        "w/Adam": np.full((20, 10), 2, np.float32),
        "w/Adam_1": np.full((20, 10), 3, np.float32),
        "beta1_power": np.array(0.9, np.float32),
        "beta2_power": np.array(0.999, np.float32),
    }
    source = Checkpoint.open(write_bundle(tmp_path / "a", arrays))
    assert_round_trip(source)
    lines = failure(assert_round_trip, source, options=Options(optimizer="drop"))
    assert "does not come back as it was" in lines[0]
    assert "2 tensors lost on the way" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["w/Adam", "w/Adam_1"]
    assert all("drop" in line for line in lines[2:])


def test_a_change_on_the_way_is_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that loses the slices and changes a number: the assertion is not told by the writer."""
    from migration.testing import round_trip

    def careless(plan: Any, source: Checkpoint, prefix: str, **how: Any) -> Any:
        if how.get("manifest", True):
            return execute(plan, source, prefix, **how)
        arrays = {key: source.read(key) for key in source.keys if "save_counter" not in key}
        names = {step.sources[0].key: step.target for step in plan.steps}
        arrays = {names[key]: array for key, array in arrays.items()}
        return write_bundle(prefix, {**arrays, "net/bias": arrays["net/bias"] + 1})

    monkeypatch.setattr(round_trip, "execute", careless)
    text = "\n".join(failure(assert_round_trip, write(tmp_path / "a")))
    assert "net/table: 1 part, it was in 3 parts" in text
    assert "net/bias  float32[3]: 3 of 3 elements differ, max abs 1" in text
