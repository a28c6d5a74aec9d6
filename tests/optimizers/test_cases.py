"""Cases beyond the matrix: many steps, schedules, several optimizers, partitions, what is not built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from migration import Checkpoint, Options, Plan, UnmappedError, execute, make_plan
from tests.installed_keras import only_keras_3
from tests.optimizers.programs import SOURCES, TARGETS, Graph, Net, Target, batches, difference

v1 = tf.compat.v1
ITERATIONS = {
    "tf_keras_legacy": "optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE",
    "tf_keras": "optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE",
    "keras3": "optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE",
}


def adam(step: Any) -> Any:
    return v1.train.AdamOptimizer(0.01)


def migrate(plan: Plan, prefix: str, template: str, destination: Path) -> str:
    execute(plan, Checkpoint.open(prefix), str(destination), template=Checkpoint.open(template))
    return str(destination)


def template_of(flavour: str, name: str, folder: Path) -> str:
    return str(Target(flavour, TARGETS[flavour][name]).checkpoint.write(str(folder / "template")))


def told(plan: Plan, *words: str) -> bool:
    return any(all(word in note for word in words) for note in plan.notes)


# The step ------------------------------------------------------------------------------------------


def long_trained(folder: Path, *, with_step: bool = True) -> tuple[Graph, str]:
    """An Adam after 100,000 steps, as its variables say: the beta powers are stuck where float32 ends."""
    program = Graph(adam)
    program.run(batches(3))
    with program.graph.as_default():
        values = {
            "beta1_power:0": 6e-45,
            "beta2_power:0": 7e-43,
            "global_step:0": 100_000 if with_step else 0,
        }
        for variable in v1.global_variables():
            if variable.name in values:
                variable.load(
                    np.asarray(values[variable.name], variable.dtype.as_numpy_dtype), program.session
                )
    return program, program.save(str(folder / "long"))


@pytest.mark.parametrize("flavour", TARGETS)
def test_after_100_000_steps_the_count_is_the_step_variables(flavour: str, tmp_path: Path) -> None:
    program, prefix = long_trained(tmp_path)
    plan = make_plan(prefix, template_of(flavour, "Adam", tmp_path))
    migrated = migrate(plan, prefix, str(tmp_path / "template"), tmp_path / "migrated")
    if flavour != "v1":
        assert Checkpoint.open(migrated).read(ITERATIONS[flavour]) == 100_000
        assert told(plan, "100000", "global_step")
    target = Target(flavour, TARGETS[flavour]["Adam"])
    target.checkpoint.restore(migrated).assert_consumed()
    data = batches(5, seed=3)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def without_step(prefix: str, folder: Path) -> str:
    """The checkpoint without its step variable and its graph."""
    source = Checkpoint.open(prefix)
    names = [key for key in source.keys if key != "global_step"]
    with tf.Graph().as_default(), v1.Session() as session:
        variables = {name: v1.get_variable(name, initializer=source.read(name)) for name in names}
        session.run(v1.global_variables_initializer())
        return str(v1.train.Saver(variables).save(session, str(folder / "stepless"), write_meta_graph=False))


def test_underflowed_powers_alone_ask_for_the_step(tmp_path: Path) -> None:
    _, prefix = long_trained(tmp_path)
    prefix = without_step(prefix, tmp_path)
    template = template_of("keras3", "Adam", tmp_path)
    plan = make_plan(prefix, template)
    (left,) = plan.unfilled
    assert left.key == ITERATIONS["keras3"]
    assert "--step" in left.reason
    with pytest.raises(UnmappedError, match="--step"):
        migrate(plan, prefix, template, tmp_path / "refused")
    plan = make_plan(prefix, template, options=Options(step=100_000))
    migrated = migrate(plan, prefix, template, tmp_path / "migrated")
    assert Checkpoint.open(migrated).read(ITERATIONS["keras3"]) == 100_000
    assert told(plan, "--step")


@pytest.mark.parametrize("steps", [0, 1, 7, 400])
def test_without_a_step_variable_the_powers_count(steps: int, tmp_path: Path) -> None:
    program = Graph(adam)
    program.run(batches(1) * steps)
    prefix = without_step(program.save(str(tmp_path / "model")), tmp_path)
    plan = make_plan(prefix, template_of("keras3", "Adam", tmp_path))
    migrated = migrate(plan, prefix, str(tmp_path / "template"), tmp_path / "migrated")
    assert Checkpoint.open(migrated).read(ITERATIONS["keras3"]) == steps
    assert told(plan, f"step: {steps}", "beta1_power")


def test_a_step_variable_that_the_optimizer_did_not_count_is_gainsaid(tmp_path: Path) -> None:
    program = Graph(adam)
    program.run(batches(20))
    with program.graph.as_default():
        program.step.load(5000, program.session)
    prefix = program.save(str(tmp_path / "model"))
    plan = make_plan(prefix, template_of("keras3", "Adam", tmp_path))
    migrated = migrate(plan, prefix, str(tmp_path / "template"), tmp_path / "migrated")
    assert Checkpoint.open(migrated).read(ITERATIONS["keras3"]) == 20
    assert told(plan, "5000", "20", "beta powers")


STEP_SHAPES: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "int64": ("global_step", np.int64, ()),
    "int32": ("global_step", np.int32, ()),
    "float32": ("global_step", np.float32, ()),
    "default name": ("Variable", np.int32, ()),
    "key with an output": ("step:0", np.int64, ()),
    "in a scope": ("ranking/Variable", np.int32, ()),
    "of one element": ("global_step", np.int64, (1,)),
    "float under a default name": ("Variable", np.float32, ()),
}


@pytest.mark.parametrize("shape", STEP_SHAPES)
@pytest.mark.parametrize("meta", [True, False])
def test_global_step_in_many_shapes(shape: str, meta: bool, tmp_path: Path) -> None:
    name, dtype, dims = STEP_SHAPES[shape]
    with tf.Graph().as_default(), v1.Session() as session:
        weight = v1.get_variable("w", initializer=np.ones(3, np.float32))
        step = v1.get_variable(name.replace(":0", ""), initializer=np.zeros(dims, dtype))
        train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(weight**2))
        with tf.control_dependencies([train]):
            train = v1.assign_add(step, np.ones(dims, dtype))
        session.run(v1.global_variables_initializer())
        for _ in range(4):
            session.run(train)
        saved = {one.op.name: one for one in v1.global_variables() if one is not step} | {name: step}
        prefix = v1.train.Saver(saved).save(session, str(tmp_path / "model"), write_meta_graph=meta)
    variable = tf.Variable(np.zeros(3, np.float32), name="w")
    optimizer = tf_keras.optimizers.Adam()
    optimizer.build([variable])
    template = tf.train.Checkpoint(w=variable, optimizer=optimizer).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    migrated = migrate(plan, prefix, template, tmp_path / "migrated")
    assert Checkpoint.open(migrated).read(ITERATIONS["tf_keras"]) == 4
    assert told(plan, "step: 4", f"from {name}"), plan.notes


# The learning rate ---------------------------------------------------------------------------------


def decaying(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda step: make(v1.train.exponential_decay(0.02, step, 5, 0.7))


def test_a_decaying_rate_goes_on_in_a_schedule(tmp_path: Path) -> None:
    program = Graph(decaying(v1.train.AdamOptimizer))
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"))

    def make() -> Any:
        schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.7)
        return keras.optimizers.Adam(schedule, epsilon=1e-8)

    template = str(Target("keras3", make).checkpoint.write(str(tmp_path / "template")))
    migrated = migrate(make_plan(prefix, template), prefix, template, tmp_path / "migrated")
    target = Target("keras3", make)
    target.checkpoint.restore(migrated).assert_consumed()
    data = batches(10, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


@pytest.mark.parametrize("flavour", ["tf_keras_legacy", "tf_keras", "keras3"])
def test_a_decaying_rate_leaves_the_templates_and_says_so(flavour: str, tmp_path: Path) -> None:
    program = Graph(decaying(v1.train.AdamOptimizer))
    program.run(batches(2))
    plan = make_plan(program.save(str(tmp_path / "model")), template_of(flavour, "Adam", tmp_path))
    assert told(plan, "learning_rate stays the template's", "schedule")
    (step,) = (step for step in plan.steps if "learning_rate" in step.target)
    assert step.sources[0].template


def test_a_velocity_needs_a_rate_that_somebody_knows(tmp_path: Path) -> None:
    program = Graph(decaying(lambda rate: v1.train.MomentumOptimizer(rate, 0.9)))
    program.run(batches(2))
    prefix = program.save(str(tmp_path / "model"))

    def make() -> Any:
        return keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.7), momentum=0.9)

    template = str(Target("keras3", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert len(plan.unfilled) == 3
    assert all("--learning_rate" in left.reason for left in plan.unfilled)
    plan = make_plan(prefix, template, options=Options(learning_rate=0.02))
    migrated = migrate(plan, prefix, template, tmp_path / "migrated")
    assert told(plan, "velocity = -learning_rate * accum", "0.02", "--learning_rate")
    assert told(plan, "changes as it trains")
    accum = Checkpoint.open(prefix).read("dense/kernel/Momentum")
    velocity = Checkpoint.open(migrated).read("optimizer/_variables/1/.ATTRIBUTES/VARIABLE_VALUE")
    np.testing.assert_allclose(velocity, -0.02 * accum, rtol=1e-6)


def test_without_a_graph_the_template_has_the_rate(tmp_path: Path) -> None:
    program = Graph(lambda step: v1.train.MomentumOptimizer(0.05, 0.9))
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"), meta=False)

    def make() -> Any:
        return tf_keras.optimizers.SGD(0.05, momentum=0.9)

    template = str(Target("tf_keras", make).checkpoint.write(str(tmp_path / "template")))
    plan = make_plan(prefix, template)
    assert told(plan, "velocity", "0.05", "the template's")
    target = Target("tf_keras", make)
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def test_a_rate_that_a_variable_holds_is_read_from_it(tmp_path: Path) -> None:
    """The plan multiplies by the tensor, not by its value of today: it serves every checkpoint of a run."""

    def make(step: Any) -> Any:
        return v1.train.MomentumOptimizer(v1.get_variable("rate", initializer=0.05, trainable=False), 0.9)

    program = Graph(make)
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"))
    plan = make_plan(prefix, template_of("tf_keras", "Momentum", tmp_path))
    migrated = migrate(plan, prefix, str(tmp_path / "template"), tmp_path / "migrated")
    target = Target("tf_keras", TARGETS["tf_keras"]["Momentum"])
    target.checkpoint.restore(migrated).assert_consumed()
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5
    assert {"rate"} <= {source.key for step in plan.steps for source in step.sources}

    trained_on = target.checkpoint.write(str(tmp_path / "on"))
    back = make_plan(trained_on, prefix, to="name")
    assert not back.unfilled
    execute(back, Checkpoint.open(trained_on), str(tmp_path / "back"))
    program.restore(str(tmp_path / "back"))
    data = batches(5, seed=4)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


# Several optimizers --------------------------------------------------------------------------------


class Pair:
    """Two optimizers over different variables, as a generator and a critic have, one of them ahead."""

    def __init__(self) -> None:
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.a = v1.get_variable("generator/w", initializer=np.ones((2, 3), np.float32))
            self.b = v1.get_variable("critic/w", initializer=np.full((2, 3), 2.0, np.float32))
            step = v1.train.get_or_create_global_step()
            self.one = v1.train.AdamOptimizer(0.01).minimize(
                tf.reduce_sum(self.a**4), var_list=[self.a], global_step=step
            )
            self.two = v1.train.AdamOptimizer(0.02, beta1=0.5).minimize(
                tf.reduce_sum(self.b**4), var_list=[self.b]
            )
            self.saver = v1.train.Saver()
            self.start = v1.global_variables_initializer()
        self.session = v1.Session(graph=self.graph)
        self.session.run(self.start)

    def run(self, ones: int, twos: int) -> None:
        for _ in range(ones):
            self.session.run(self.one)
        for _ in range(twos):
            self.session.run(self.two)


def test_two_optimizers_keep_their_counts_and_rates(tmp_path: Path) -> None:
    program = Pair()
    program.run(6, 15)
    with program.graph.as_default():
        prefix = program.saver.save(program.session, str(tmp_path / "model"))

    def make() -> tf.train.Checkpoint:
        a, b = (tf.Variable(np.zeros((2, 3), np.float32), name=name) for name in ("generator/w", "critic/w"))
        one, two = keras_adam(), keras_adam(beta_1=0.5)
        one.build([a])
        two.build([b])
        return tf.train.Checkpoint(a=a, b=b, one=one, two=two)

    def keras_adam(**settings: float) -> Any:
        return tf_keras.optimizers.Adam(epsilon=1e-8, **settings)

    template = make().write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    target = make()
    target.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    assert (int(target.one.iterations), int(target.two.iterations)) == (6, 15)
    np.testing.assert_allclose(
        [float(target.one.learning_rate), float(target.two.learning_rate)], [0.01, 0.02]
    )
    for _ in range(5):
        program.run(1, 1)
        target.one.apply_gradients([(4 * target.a**3, target.a)])
        target.two.apply_gradients([(4 * target.b**3, target.b)])
        for ours, theirs in ((target.a, program.a), (target.b, program.b)):
            np.testing.assert_allclose(ours.numpy(), program.session.run(theirs), rtol=1e-5)


def test_two_optimizers_over_the_same_variables(tmp_path: Path) -> None:
    """TF1 suffixes the second one's slots `_2` and `_3`; without a graph they follow in order."""
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=np.ones(3, np.float32))
        trains = [
            v1.train.AdamOptimizer(rate).minimize(tf.reduce_sum(w**power))
            for rate, power in ((0.1, 2), (0.2, 3))
        ]
        session.run(v1.global_variables_initializer())
        for train, count in zip(trains, (3, 5), strict=True):
            for _ in range(count):
                session.run(train)
        prefix = v1.train.Saver().save(session, str(tmp_path / "model"), write_meta_graph=False)

    def make() -> tf.train.Checkpoint:
        variable = tf.Variable(np.zeros(3, np.float32), name="w")
        one, two = (v1.train.AdamOptimizer(rate) for rate in (0.1, 0.2))
        for each in (one, two):
            each.apply_gradients([(tf.zeros(3), variable)])
        return tf.train.Checkpoint(w=variable, one=one, two=two)

    template = make().write(str(tmp_path / "template"))
    target = make()
    target.restore(
        migrate(make_plan(prefix, template), prefix, template, tmp_path / "migrated")
    ).assert_consumed()
    source = Checkpoint.open(prefix)
    for optimizer, names in ((target.one, ("w/Adam", "w/Adam_1")), (target.two, ("w/Adam_2", "w/Adam_3"))):
        for slot, name in zip(("m", "v"), names, strict=True):
            np.testing.assert_array_equal(optimizer.get_slot(target.w, slot).numpy(), source.read(name))


def test_one_optimizer_goes_on_for_two(tmp_path: Path) -> None:
    """Where one counts for both, the report says whose count and rate it took."""
    program = Pair()
    program.run(6, 15)
    with program.graph.as_default():
        prefix = program.saver.save(program.session, str(tmp_path / "model"))
    variables = [tf.Variable(np.zeros((2, 3), np.float32), name=name) for name in ("generator/w", "critic/w")]
    optimizer = tf_keras.optimizers.Adam()
    optimizer.build(variables)
    template = tf.train.Checkpoint(all=variables, optimizer=optimizer).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert told(plan, "goes on for 2 optimizers", "Adam")
    assert not plan.unused
    assert sum(step.origin == "slot" for step in plan.steps) == 4


def test_beta_powers_that_may_be_anybodys_are_undecided(tmp_path: Path) -> None:
    """Without a graph, two pairs of powers and one set of names: a person has to say which pair it is."""
    program = Pair()
    program.run(6, 15)
    with program.graph.as_default():
        prefix = program.saver.save(program.session, str(tmp_path / "model"), write_meta_graph=False)
    variables = [tf.Variable(np.zeros((2, 3), np.float32), name=name) for name in ("generator/w", "critic/w")]
    optimizer = v1.train.AdamOptimizer()
    optimizer.apply_gradients([(tf.zeros_like(one), one) for one in variables])
    template = tf.train.Checkpoint(all=variables, optimizer=optimizer).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    undecided = {step.target.split("/")[1]: step.candidates for step in plan.steps if step.candidates}
    assert undecided == {
        "beta1_power": ("beta1_power", "beta1_power_1"),
        "beta2_power": ("beta2_power", "beta2_power_1"),
    }
    with pytest.raises(UnmappedError):
        migrate(plan, prefix, template, tmp_path / "refused")


@pytest.mark.parametrize("name", ["Adam", "Momentum"])
@pytest.mark.parametrize("with_step", [True, False])
def test_one_plan_serves_every_checkpoint_of_a_run(name: str, with_step: bool, tmp_path: Path) -> None:
    """The step is read from each checkpoint, not written into the plan."""
    program = Graph(SOURCES[name])
    prefixes = []
    for count in (7, 13):
        program.run(batches(count))
        prefix = program.save(str(tmp_path / f"model-{count}"))
        prefixes.append(prefix if with_step else without_step(prefix, tmp_path / str(count)))
    plan = make_plan(prefixes[0], template_of("keras3", name, tmp_path))
    migrated = migrate(plan, prefixes[1], str(tmp_path / "template"), tmp_path / "migrated")
    if with_step or name == "Adam":
        assert Checkpoint.open(migrated).read(ITERATIONS["keras3"]) == 20
    slots = [step for step in plan.steps if step.origin == "slot"]
    assert {step.sources[0].key for step in slots} >= {f"dense/kernel/{name}"}


# Partitions, untouched variables, unbuilt optimizers -------------------------------------------------


def test_partitioned_embeddings_take_their_slots_along(tmp_path: Path) -> None:
    ids = [np.array([0, 3, 7]), np.array([9, 3, 1]), np.array([2, 2, 8])]
    with tf.Graph().as_default(), v1.Session() as session:
        table = v1.get_variable(
            "emb",
            shape=(10, 4),
            partitioner=v1.fixed_size_partitioner(3),
            initializer=v1.random_normal_initializer(seed=1),
        )
        chosen = v1.placeholder(tf.int64, (None,))
        loss = tf.reduce_sum(v1.nn.embedding_lookup(table, chosen, partition_strategy="div") ** 2)
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.05).minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        for each in ids:
            session.run(train, {chosen: each})
        prefix = v1.train.Saver().save(session, str(tmp_path / "model"))
        trail = []
        for each in ids:
            session.run(train, {chosen: each})
            trail.append(session.run(v1.convert_to_tensor(table)))

    def make() -> tf.train.Checkpoint:
        variable = tf.Variable(np.zeros((10, 4), np.float32), name="emb")
        optimizer = tf_keras.optimizers.Adam(epsilon=1e-8)
        optimizer.build([variable])
        return tf.train.Checkpoint(emb=variable, optimizer=optimizer)

    template = make().write(str(tmp_path / "template"))
    target = make()
    plan = make_plan(prefix, template)
    target.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    for each, expected in zip(ids, trail, strict=True):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(target.emb, each) ** 2)
        gradient = tape.gradient(loss, target.emb)
        target.optimizer.apply_gradients([(gradient, target.emb)])
        assert np.max(np.abs(target.emb.numpy() - expected)) < 1e-5 * np.max(np.abs(expected))
    assert told(plan, "learning_rate=0.05", "constant of the graph")  # found beside sparse, unfused ops


def test_variables_that_the_optimizer_never_touched_start_as_the_template_has_them(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=np.ones(3, np.float32))
        v1.get_variable("frozen", initializer=np.ones(2, np.float32))
        train = v1.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w**2))
        session.run(v1.global_variables_initializer())
        session.run(train)
        prefix = v1.train.Saver().save(session, str(tmp_path / "model"))
    variables = [
        tf.Variable(np.zeros(shape, np.float32), name=name) for name, shape in (("w", 3), ("frozen", 2))
    ]
    optimizer = tf_keras.optimizers.Adam()
    optimizer.build(variables)
    template = tf.train.Checkpoint(all=variables, optimizer=optimizer).write(str(tmp_path / "template"))
    plan = make_plan(prefix, template)
    assert not plan.unfilled
    assert told(plan, "1 slots 'm'", "template")
    fresh = [step.full_name for step in plan.steps if step.origin == "template"]
    assert fresh == ["m/frozen", "v/frozen"]


@pytest.mark.parametrize("flavour", ["tf_keras", "keras3"])
def test_an_optimizer_that_is_not_built_is_told(
    flavour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "build", lambda self: None)
    program = Graph(adam)
    program.run(batches(3))
    template = template_of(flavour, "Adam", tmp_path)
    plan = make_plan(program.save(str(tmp_path / "model")), template)
    assert {left.key for left in plan.unused} >= {"dense/kernel/Adam", "dense/kernel/Adam_1"}
    assert all("build it" in left.reason for left in plan.unused)
    plan = make_plan(str(tmp_path / "model"), template, options=Options(optimizer="drop"))
    assert not plan.unused


def test_an_empty_optimizer_node_is_not_built(tmp_path: Path) -> None:
    """V1 and legacy optimizers hold nothing before their first step: only the name tells them."""
    program = Graph(adam)
    program.run(batches(3))
    prefix = program.save(str(tmp_path / "model"))
    for number, optimizer in enumerate((v1.train.AdamOptimizer(), tf_keras.optimizers.legacy.Adam())):
        objects = tf.train.Checkpoint(model=Net(), optimizer=optimizer)
        plan = make_plan(prefix, objects.write(str(tmp_path / f"template-{number}")))
        assert {left.key for left in plan.unused} >= {"dense/kernel/Adam", "out/kernel/Adam_1"}
        assert all("build it" in left.reason for left in plan.unused)
    bare = tf.train.Checkpoint(model=Net()).write(str(tmp_path / "bare"))
    plan = make_plan(prefix, bare)
    assert not plan.unused  # a model without an optimizer is for inference: dropped, and told
    assert told(plan, "6 optimizer tensors", "no optimizer")


def test_flags_count_where_the_source_tells_nothing(tmp_path: Path) -> None:
    program = Graph(SOURCES["GradientDescent"])
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"), meta=False)
    template = template_of("keras3", "GradientDescent", tmp_path)
    plan = make_plan(prefix, template, options=Options(learning_rate=0.1))
    target = Target("keras3", TARGETS["keras3"]["GradientDescent"])
    target.checkpoint.restore(migrate(plan, prefix, template, tmp_path / "migrated")).assert_consumed()
    assert int(target.optimizer.iterations) == 7
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def test_another_kind_of_optimizer_gets_nothing_and_says_so(tmp_path: Path) -> None:
    program = Graph(adam)
    program.run(batches(3))
    prefix = program.save(str(tmp_path / "model"))
    template = template_of("tf_keras", "Adagrad", tmp_path)
    plan = make_plan(prefix, template)
    assert told(plan, "6 optimizer tensors not carried over", "the source's optimizer is Adam", "Adagrad")
    kept = make_plan(prefix, template, options=Options(optimizer="keep"))
    assert {left.key for left in kept.unused} >= {"dense/kernel/Adam", "dense/kernel/Adam_1"}


# What is not equal is told ---------------------------------------------------------------------------

DIFFERENCES = [
    ("Adam", "keras3", ("Adam(", "epsilon=1e-8")),
    ("Adam", "tf_keras_legacy", ("Adam(", "epsilon=1e-8")),
    ("Nesterov", "tf_keras", ("SGD(", "momentum=0.9", "nesterov=True")),
    ("RMSProp", "keras3", ("RMSprop(", "rho=0.8", "epsilon=1e-10")),
    ("RMSProp", "tf_keras_legacy", ("outside the root",)),
    ("centered RMSProp", "tf_keras", ("centered=True", "momentum=0.5")),
    ("Adagrad", "tf_keras_legacy", ("sqrt(accumulator) + epsilon", "epsilon=1e-30")),
    ("Adagrad", "keras3", ("sqrt(accumulator + epsilon)", "epsilon=0")),
    ("Adadelta", "tf_keras", ("rho=0.9", "epsilon=1e-6")),
    ("Ftrl", "keras3", ("l1_regularization_strength=0.01", "l2_regularization_strength=0.1")),
]


@pytest.mark.parametrize(("name", "flavour", "words"), DIFFERENCES, ids=lambda value: str(value)[:20])
def test_the_report_says_which_settings_make_it_exact(
    name: str, flavour: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    prefix = Graph(SOURCES[name]).save(str(tmp_path / "model"))
    plan = make_plan(prefix, template_of(flavour, name, tmp_path))
    assert told(plan, *words), plan.notes


@only_keras_3  # Keras 2 makes the slots of momentum even so
def test_a_momentum_that_the_target_was_not_made_with_is_left_over(tmp_path: Path) -> None:
    prefix = Graph(lambda step: v1.train.MomentumOptimizer(0.05, 0.9)).save(str(tmp_path / "model"))
    plan = make_plan(prefix, template_of("keras3", "GradientDescent", tmp_path))
    assert {left.key for left in plan.unused} == {
        f"{name}/Momentum" for name in ("dense/kernel", "dense/bias", "out/kernel")
    }
    assert all("momentum" in left.reason for left in plan.unused)


# Back without a pattern ------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["v1", "tf_keras_legacy", "tf_keras"])
@pytest.mark.parametrize("name", ["Adam", "Momentum", "RMSProp", "centered RMSProp", "Ftrl"])
def test_back_to_the_names_that_tf1_would_give(name: str, flavour: str, tmp_path: Path) -> None:
    """No manifest, no pattern: the state goes on in a TF1 graph whose Saver asks for every variable."""
    prefix = Graph(SOURCES[name]).save(str(tmp_path / "model"))
    template = template_of(flavour, name, tmp_path)
    target = Target(flavour, TARGETS[flavour][name])
    target.checkpoint.restore(migrate(make_plan(prefix, template), prefix, template, tmp_path / "on"))
    target.run(batches(6))
    trained_on = target.checkpoint.write(str(tmp_path / "trained"))
    back = make_plan(trained_on, to="name")
    assert not back.unused
    execute(back, Checkpoint.open(trained_on), str(tmp_path / "back"))
    program = Graph(SOURCES[name])
    with program.graph.as_default():
        known = {name for name, _ in tf.train.list_variables(str(tmp_path / "back"))}
        assert {one.op.name for one in v1.global_variables()} <= known
    program.restore(str(tmp_path / "back"))
    data = batches(5, seed=5)
    for ours, theirs in zip(program.run(data), target.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5


def test_a_mirror_is_what_a_v1_optimizer_restores(tmp_path: Path) -> None:
    program = Graph(adam)
    program.run(batches(7))
    prefix = program.save(str(tmp_path / "model"))
    execute(make_plan(prefix), Checkpoint.open(prefix), str(tmp_path / "mirror"))
    net = Net()
    dense, out = tf.train.Checkpoint(kernel=net.kernel, bias=net.bias), tf.train.Checkpoint(kernel=net.out)
    optimizer = v1.train.AdamOptimizer(0.01)
    optimizer.apply_gradients([(tf.zeros_like(one), one) for one in net.weights])
    tf.train.Checkpoint(dense=dense, out=out, optimizer=optimizer).restore(str(tmp_path / "mirror"))
    target = object.__new__(Target)
    target.flavour, target.model, target.optimizer = "v1", net, optimizer
    target.step = tf.Variable(0, dtype=tf.int64)
    data = batches(5, seed=2)
    for ours, theirs in zip(target.run(data), program.run(data), strict=True):
        assert difference(ours, theirs) < 1e-5
