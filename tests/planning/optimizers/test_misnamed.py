"""Slots that TensorFlow named after the parts of a variable: put together, and taken apart again."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import numpy as np
import pytest

from migration import Checkpoint, execute, make_plan
from migration.errors import VerificationError
from migration.formats.tensor_bundle import BundleIndex
from migration.planning.optimizers.misnamed import assemblies_of
from migration.planning.options import Options
from migration.planning.plan_file import from_toml, to_toml
from migration.verify import verify
from tests.bundles import write_bundle

pytestmark = pytest.mark.quick

ROWS = np.arange(26 * 3, dtype=np.float32).reshape(26, 3)
SLOTS = {"Adam": ROWS + 100, "Adam_1": ROWS + 200}


def crippled(scope: str, variable: str, number: int, slot: str) -> str:
    """The name that TensorFlow makes of a part's slot (slot_creator.py, _create_slot_var)."""
    part = f"{variable}/part_{number}"
    return f"{variable}/{f'{scope}/{part}/{slot}'[len(part) + 1 :]}"


def saved(path: pathlib.Path, scope: str, parts: int = 13, variable: str = "emb", **more: np.ndarray) -> str:
    """A checkpoint with a variable in parts, and Adam's slots of each part as TensorFlow saves them."""
    names: dict[str, dict[int, None]] = {}
    tensors = {
        variable: ROWS,
        f"{scope}/beta1_power": np.float32(0.9),
        f"{scope}/beta2_power": np.float32(0.99),
    }
    for slot, value in SLOTS.items():
        for number in range(parts):
            name = crippled(scope, variable, number, slot)
            names.setdefault(name, {})[number] = None
            tensors[name] = value
    cut = dict.fromkeys((variable, *names), parts)
    write_bundle(path, {**tensors, **more}, parts=cut)
    index = Checkpoint.open(path).index
    entries, slices = dict(index.entries), dict(index.slice_entries)
    for name, numbers in names.items():
        held = index.entries[name].slices
        kept = tuple(part for number, part in enumerate(held) if number in numbers)
        entries[name] = replace(entries[name], slices=kept)
        for part in set(held) - set(kept):
            del slices[name, part]
    pathlib.Path(f"{path}.index").write_bytes(BundleIndex(index.header, entries, slices).to_bytes())
    return str(path)


# The third scope is one letter long: what is left of part_2 and part_12 is the same name, with two slices.
SCOPES = [
    ("train", "emb/art_0/Adam"),
    ("opt", "emb/t_0/Adam"),
    ("a", "emb/0/Adam"),
    ("train/optimizer", None),
]


@pytest.mark.parametrize(("scope", "name"), SCOPES, ids=[scope for scope, _ in SCOPES])
def test_parts_make_up_the_slot_and_come_back_to_the_byte(
    tmp_path: pathlib.Path, scope: str, name: str | None
) -> None:
    source = Checkpoint.open(saved(tmp_path / "s", scope))
    assert name is None or name in source.incomplete
    plan = make_plan(source)
    assert not plan.unused
    assert from_toml(to_toml(plan), "plan.toml").steps == plan.steps
    execute(plan, source, tmp_path / "o")
    result = Checkpoint.open(tmp_path / "o")
    for local, slot in (("m", "Adam"), ("v", "Adam_1")):
        key = f"emb/.OPTIMIZER_SLOT/optimizer/{local}/.ATTRIBUTES/VARIABLE_VALUE"
        assert np.array_equal(result.read(key), SLOTS[slot])
    assert verify(source, result).is_complete
    back = make_plan(result, to="name")
    assert not back.unfilled
    execute(back, result, tmp_path / "back")
    again = Checkpoint.open(tmp_path / "back")
    assert (again.specs, again.partitions) == (source.specs, source.partitions)
    assert all(set(again.read_bytes(key)) == set(source.read_bytes(key)) for key in source.keys)
    assert verify(result, again).is_equal
    assert verify(source, again).is_complete


def test_the_scope_is_that_of_the_same_slot_of_whole_variables(tmp_path: pathlib.Path) -> None:
    more = {"w": ROWS, "train/w/Adam": ROWS, "train/w/Adam_1": ROWS}
    source = Checkpoint.open(saved(tmp_path / "s", "train", **more))
    assert set(assemblies_of(source, source.names)) == {"train/emb/Adam", "train/emb/Adam_1"}
    assert not make_plan(source).unused


def test_parts_that_do_not_make_up_their_variable_are_told(tmp_path: pathlib.Path) -> None:
    prefix = saved(tmp_path / "s", "train")
    index = Checkpoint.open(prefix).index
    entries = {key: entry for key, entry in index.entries.items() if key != "emb/art_3/Adam"}
    slices = {key: entry for key, entry in index.slice_entries.items() if key[0] != "emb/art_3/Adam"}
    pathlib.Path(f"{prefix}.index").write_bytes(BundleIndex(index.header, entries, slices).to_bytes())
    source = Checkpoint.open(prefix)
    assert set(assemblies_of(source, source.names)) == {"train/emb/Adam_1"}
    plan = make_plan(source)
    assert {left.key for left in plan.unused} == set(source.incomplete)  # half an Adam is none
    assert all("not all there" in left.reason for left in plan.unused)


def test_names_that_no_scope_could_have_made_are_left_alone(tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(saved(tmp_path / "s", "train"))
    foreign = {key: key.replace("art_", "other_") for key in source.incomplete}
    execute(make_plan(source, to="rename", mapping=foreign), source, tmp_path / "r")
    renamed = Checkpoint.open(tmp_path / "r")
    assert len(renamed.incomplete) == 26
    assert assemblies_of(renamed, renamed.names) == {}


def test_dropped_optimizers_take_every_part_along(tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(saved(tmp_path / "s", "train"))
    plan = make_plan(source, options=Options(optimizer="drop"))
    assert set(source.incomplete) <= {left.key for left in plan.drops}
    assert not plan.unused


def test_a_result_that_lacks_a_part_is_not_taken_for_whole(tmp_path: pathlib.Path) -> None:
    source = Checkpoint.open(saved(tmp_path / "s", "train"))
    plan = make_plan(source)
    execute(plan, source, tmp_path / "o")
    key = "emb/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE"
    execute(
        make_plan(Checkpoint.open(tmp_path / "o"), to="name"), Checkpoint.open(tmp_path / "o"), tmp_path / "b"
    )
    names = Checkpoint.open(tmp_path / "b")
    other = replace(
        plan, steps=tuple(replace(step, target="emb/art_0/Adam") for step in plan.steps if step.target == key)
    )
    with pytest.raises(VerificationError, match="emb/art_0/Adam"):
        verify(source, names, other).check()
