"""Shards of an embedding, with Adam's slots, onto one variable of a model and back: files, every byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migration import Checkpoint, Options, Plan, UnmappedError, execute, make_plan
from migration.planning.plan import Confidence, Step
from migration.planning.plan_file import from_toml, to_toml
from migration.planning.transforms import Concat, Split
from migration.verify import verify
from tests.bundles import write_bundle

ROWS = [3] * 5 + [2] * 7  # 12 shards: number 10 sorts before 2
SHARD = "transformer/symbol_modality_29_4/shared/weights_"
SHARDS = [f"{SHARD}{number}" for number in range(len(ROWS))]
BODY = "transformer/body/ffn/conv1/kernel"
SLOTS = ("Adam", "Adam_1")
Arrays = dict[str, "np.ndarray[Any, Any]"]


def noise(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sharded() -> Arrays:
    """A T2T checkpoint in small: the shards, a kernel, Adam's slots of each of them."""
    weights = {name: noise(at, rows, 4) for at, (name, rows) in enumerate(zip(SHARDS, ROWS, strict=True))}
    weights[BODY] = noise(50, 4, 6)
    slots = {
        f"training/{name}/{slot}": noise(100 * (at + 1) + place, *value.shape)
        for at, slot in enumerate(SLOTS)
        for place, (name, value) in enumerate(weights.items())
    }
    powers = {f"training/beta{n}_power": np.float32(beta) for n, beta in ((1, 0.9**8), (2, 0.999**8))}
    return {**weights, **slots, **powers, "global_step": np.int64(7)}


def model_in_one_piece(path: Path) -> Path:
    """A template whose embedding is one variable: of names of its own, mirrored."""
    weights = {"model/embedder/table": noise(0, sum(ROWS), 4), "model/up/kernel": noise(0, 4, 6)}
    slots = {f"{name}/{slot}": value for name, value in weights.items() for slot in SLOTS}
    powers = {"beta1_power": np.float32(0.9), "beta2_power": np.float32(0.999), "global_step": np.int64(0)}
    names = Checkpoint.open(write_bundle(f"{path}-names", {**weights, **slots, **powers}))
    execute(make_plan(names), names, path)
    return path


def step_onto(plan: Plan, part: str) -> Step:
    (step,) = [step for step in plan.steps if part in step.target]
    return step


TABLE = "model/embedder/table/.ATTRIBUTES"
SLOT_OF = {"Adam": "table/.OPTIMIZER_SLOT/optimizer/m/", "Adam_1": "table/.OPTIMIZER_SLOT/optimizer/v/"}


@pytest.mark.quick
def test_weights_and_slots_become_one_and_come_back_by_the_manifest_and_by_names(tmp_path: Path) -> None:
    arrays = sharded()
    source = Checkpoint.open(write_bundle(tmp_path / "s", arrays, num_shards=2))
    plan = make_plan(source, model_in_one_piece(tmp_path / "t"))
    assert (plan.unused, plan.unfilled) == ((), ())
    weight = step_onto(plan, TABLE)
    assert [one.key for one in weight.sources] == SHARDS
    assert weight.transforms == (Concat(0, tuple(ROWS)),)
    assert weight.confidence is Confidence.LIKELY
    for slot, part in SLOT_OF.items():
        step = step_onto(plan, part)
        assert [one.key for one in step.sources] == [f"training/{name}/{slot}" for name in SHARDS]
        assert step.transforms == weight.transforms
    assert from_toml(to_toml(plan), "plan.toml").steps == plan.steps

    execute(plan, source, tmp_path / "o", template=Checkpoint.open(tmp_path / "t"))
    result = Checkpoint.open(tmp_path / "o")
    for before, part in (("", TABLE), *((slot, part) for slot, part in SLOT_OF.items())):
        names = [f"training/{name}/{before}" if before else name for name in SHARDS]
        whole = np.concatenate([arrays[name] for name in names])
        assert result.read(step_onto(plan, part).target).tobytes() == whole.tobytes()
    assert verify(source, result).is_complete

    for template in (None, source):
        back = make_plan(result, template, to="name")
        assert back.unfilled == ()
        for index, name in enumerate(SHARDS):
            step = next(step for step in back.steps if step.target == name)
            assert step.transforms == (Split(0, tuple(ROWS), index),)
        out = tmp_path / f"back{template is None}"
        execute(back, result, out)
        again = Checkpoint.open(out)
        assert again.specs == source.specs
        weights_and_slots = [name for name in arrays if "power" not in name]
        assert all(again.read(name).tobytes() == arrays[name].tobytes() for name in weights_and_slots)
    assert {step.target: step.transforms for step in plan.reverse().steps}[SHARDS[3]] == (
        Split(0, tuple(ROWS), 3),
    )


@pytest.mark.quick
def test_two_places_are_left_to_a_person_who_decides_in_the_plan_file(tmp_path: Path) -> None:
    weights = {name: value for name, value in sharded().items() if name in SHARDS}
    source = Checkpoint.open(write_bundle(tmp_path / "s", weights))
    two = {"model/embedder/table": noise(0, 29, 4), "model/output/table": noise(0, 29, 4)}
    names = Checkpoint.open(write_bundle(tmp_path / "n", two))
    execute(make_plan(names), names, tmp_path / "t")
    plan = make_plan(source, tmp_path / "t")
    undecided = [step for step in plan.steps if step.confidence is Confidence.UNDECIDED]
    assert len(undecided) == 2
    with pytest.raises(UnmappedError, match="2 undecided"):
        execute(plan, source, tmp_path / "o")
    text = to_toml(plan)
    assert text.count("proposed = ") == 2
    decided = from_toml(text.replace("sources = []\nproposed = ", "sources = "), "plan.toml")
    execute(decided, source, tmp_path / "o", template=Checkpoint.open(tmp_path / "t"))
    whole = np.concatenate([weights[name] for name in SHARDS])
    result = Checkpoint.open(tmp_path / "o")
    assert all(np.array_equal(result.read(step.target), whole) for step in undecided)


@pytest.mark.quick
def test_nothing_is_joined_where_nothing_is_proposed(tmp_path: Path) -> None:
    source = Checkpoint.open(write_bundle(tmp_path / "s", sharded()))
    plan = make_plan(source, model_in_one_piece(tmp_path / "t"), options=Options(propose=False))
    assert set(SHARDS) <= {left.key for left in plan.unused}


def trained(path: Path) -> Checkpoint:
    """What TensorFlow 1's Saver keeps of shards that Adam trained."""
    tf = pytest.importorskip("tensorflow")
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        shards = []
        with v1.variable_scope("transformer/symbol_modality_29_4/shared"):
            for number, rows in enumerate(ROWS):
                shards.append(v1.get_variable(f"weights_{number}", (rows, 4), use_resource=False))
        with v1.variable_scope("transformer/body/ffn/conv1"):
            kernel = v1.get_variable("kernel", (4, 6))
        rows = tf.gather(tf.concat(shards, 0), [1, 5, 7, 28])
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.01).minimize(tf.reduce_sum(tf.matmul(rows, kernel) ** 2), step)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(5):
                session.run(train)
            return Checkpoint.open(v1.train.Saver().save(session, str(path), global_step=step))


@pytest.mark.parametrize("graph", [True, False], ids=["with its .meta", "without"])
def test_a_keras_model_takes_the_shards_that_tensorflow_1_trained(tmp_path: Path, graph: bool) -> None:
    tf, keras = pytest.importorskip("tensorflow"), pytest.importorskip("keras")
    source = trained(tmp_path / "model.ckpt")
    if not graph:
        Path(f"{source.prefix}.meta").unlink()
        source = Checkpoint.open(source.prefix)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layers.Embedding(29, 4), layers.Dense(6, use_bias=False)]
    )
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.write(str(tmp_path / "template"))
    plan = make_plan(source, tmp_path / "template")
    assert (plan.unused, plan.unfilled) == ((), ())
    execute(plan, source, tmp_path / "o-5", template=Checkpoint.open(tmp_path / "template"))
    assert verify(source, tmp_path / "o-5").is_complete
    checkpoint.restore(str(tmp_path / "o-5")).assert_consumed()
    for suffix, value in (
        ("", model.layers[0].embeddings),
        ("/Adam", optimizer._momentums[0]),
        ("/Adam_1", optimizer._velocities[0]),
    ):
        whole = np.concatenate([source.read(f"{name}{suffix}") for name in SHARDS])
        np.testing.assert_array_equal(np.asarray(value), whole)
    checkpoint.write(str(tmp_path / "on"))  # without a manifest: the names tell the way back
    back = make_plan(tmp_path / "on", source, to="name")
    assert back.unfilled == ()
    execute(back, Checkpoint.open(tmp_path / "on"), tmp_path / "back")
    again = Checkpoint.open(tmp_path / "back")
    names = [name for name in source.names if SHARD in name]
    assert len(names) == 3 * len(SHARDS)
    assert all(again.read(name).tobytes() == source.read(name).tobytes() for name in names)


@pytest.mark.quick
def test_a_transformer_of_tensor2tensor_gets_its_embedding_in_one_piece(tmp_path: Path, corpus: Path) -> None:
    (index,) = (corpus / "tensorflow__tensor2tensor__transformer").glob("*.index")
    source = Checkpoint.open(str(index).removesuffix(".index"))
    shards = sorted((n for n in source.names if "/shared/weights_" in n and "Adam" not in n), key=numbered)
    rows = tuple(source.specs[name].shape[0] for name in shards)
    assert rows == (512,) * 14 + (511,) * 2
    kept = {name: source.read(name) for name in source.names if "/shared/weights_" not in name}
    table = np.zeros((8190, 16), np.float32)
    names = Checkpoint.open(write_bundle(tmp_path / "n", {**kept, **whole_with_slots("model/embed", table)}))
    execute(make_plan(names), names, tmp_path / "t")
    plan = make_plan(source, tmp_path / "t")
    assert (plan.unused, plan.unfilled) == ((), ())
    in_parts = [step for step in plan.steps if len(step.sources) > 1]
    assert [step.transforms for step in in_parts] == [(Concat(0, rows),)] * 3
    assert sum(step.confidence is Confidence.UNDECIDED for step in plan.steps) == 0
    execute(plan, source, tmp_path / "o", template=Checkpoint.open(tmp_path / "t"))
    assert verify(source, tmp_path / "o").is_complete
    result = Checkpoint.open(tmp_path / "o")
    execute(make_plan(result, to="name"), result, tmp_path / "b")
    again = Checkpoint.open(tmp_path / "b")
    assert again.specs == source.specs
    in_shards = [name for name in source.names if "/shared/weights_" in name]
    assert len(in_shards) == 3 * 16
    assert all(again.read(name).tobytes() == source.read(name).tobytes() for name in in_shards)


def numbered(name: str) -> int:
    return int(name.rpartition("_")[2])


def whole_with_slots(name: str, value: np.ndarray[Any, Any]) -> Arrays:
    return {name: value, **{f"training/{name}/{slot}": value for slot in SLOTS}}
