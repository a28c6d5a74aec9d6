"""The graph of a real TensorFlow 1 checkpoint against new models, right ones and wrong ones."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from migration import Checkpoint, InputError, execute, make_plan
from migration.testing import assert_same_outputs, compare_outputs
from migration.testing.outputs_file import compare_outputs_file, read_request
from tests.testing.scene import failure

v1 = tf.compat.v1
FEEDS = {"x": np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2), "keep_prob": np.float32(1)}
MODEL = """
import tensorflow as tf


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([2, 3]))
        self.bias = tf.Variable(tf.zeros([3]))

    def __call__(self, x):
        logits = x @ self.kernel + self.bias
        return {"logits": logits, "classes": tf.argmax(logits, 1)}


def restored(prefix):
    net = Net()
    tf.train.Checkpoint(net=net).restore(prefix).assert_consumed()
    return net


NUMBER = 3


def nothing(prefix):
    return None
"""


def build() -> None:
    """One layer with dropout, a table, and labels that are integers and strings."""
    x = v1.placeholder(tf.float32, [None, 2], "x")
    keep = v1.placeholder_with_default(1.0, [], "keep_prob")
    with v1.variable_scope("net"):
        kernel = v1.get_variable("kernel", [2, 3], initializer=v1.random_normal_initializer(seed=1))
        logits = tf.matmul(x, kernel) + v1.get_variable("bias", [3], initializer=v1.ones_initializer())
    tf.identity(v1.nn.dropout(logits, rate=1 - keep), name="logits")
    classes = tf.argmax(logits, 1, name="classes")
    words = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.range(3, dtype=tf.int64), tf.constant(["a", "b", "c"])), "?"
    )
    tf.identity(words.lookup(classes), name="words")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A name-based checkpoint with its .meta."""
    with tf.Graph().as_default(), v1.Session() as session:
        build()
        session.run(v1.global_variables_initializer())
        return v1.train.Saver().save(session, str(tmp_path_factory.mktemp("trained") / "model.ckpt"))


@pytest.fixture(scope="module")
def migrated(trained: str) -> str:
    source = Checkpoint.open(trained)
    execute(make_plan(source), source, f"{trained}-migrated")
    return f"{trained}-migrated"


@pytest.fixture(scope="module")
def model(trained: str) -> Callable[..., Any]:
    """The same network without TensorFlow; it returns logits and classes."""
    source = Checkpoint.open(trained)
    kernel, bias = source.read("net/kernel"), source.read("net/bias")

    def run(x: Any) -> tuple[Any, Any]:
        logits = x @ kernel + bias
        return logits, logits.argmax(1)

    return run


def test_one_output(trained: str, model: Any) -> None:
    assert_same_outputs(trained, {"x": FEEDS["x"]}, "logits:0", lambda x: model(x)[0])
    assert_same_outputs(trained, FEEDS, "logits", lambda x: [model(x)[0]], inputs=["x"])
    assert_same_outputs(trained, FEEDS, ["logits"], lambda x: {0: model(x)[0]}, inputs=["x"])


def test_several_outputs(trained: str, model: Any) -> None:
    assert_same_outputs(trained, FEEDS, ["logits:0", "classes:0"], model, inputs=["x"])
    assert_same_outputs(trained, FEEDS, {"classes": 1}, model, inputs=["x"])
    named = lambda batch: dict(zip(["l", "c"], model(batch), strict=True))  # noqa: E731
    assert_same_outputs(trained, FEEDS, {"logits:0": "l", "classes": "c"}, named, inputs={"x": "batch"})


def test_a_resource_variable_is_its_value(trained: str) -> None:
    source = Checkpoint.open(trained)
    assert_same_outputs(trained, {}, ["net/bias:0"], lambda: source.read("net/bias"))


def test_tensors_of_tensorflow_are_taken(trained: str, model: Any) -> None:
    assert_same_outputs(trained, {"x": FEEDS["x"]}, "logits", lambda x: tf.constant(model(x)[0]))


def test_strings(trained: str, model: Any) -> None:
    def words(x: Any) -> Any:
        return np.array([b"a", b"b", b"c"], object)[model(x)[1]]

    assert_same_outputs(trained, {"x": FEEDS["x"]}, "words", words)
    lines = failure(assert_same_outputs, trained, {"x": FEEDS["x"]}, "words", lambda x: words(x)[::-1])
    assert "words  object[4]" in lines[2]


def test_the_worst_output_is_named(trained: str, model: Any) -> None:
    def wrong(x: Any) -> tuple[Any, Any]:
        logits, classes = model(x)
        return logits + np.array([0, 0.25, 0]), classes

    lines = failure(
        assert_same_outputs, trained, FEEDS, ["classes", "logits"], lambda x: wrong(x)[::-1], inputs=["x"]
    )
    assert lines[0].startswith("1 of 2 outputs differ from the graph of")
    assert "logits  float32[4, 3]: 4 of 12 elements differ, max abs 0.25, relative 2-norm" in lines[2]
    assert "; at [" in lines[2]
    assert "classes  int64[4]: equal" in lines[3]
    assert_same_outputs(trained, FEEDS, "logits", lambda x: wrong(x)[0], inputs=["x"], atol=0.26)


def test_a_shape_is_told(trained: str, model: Any) -> None:
    lines = failure(assert_same_outputs, trained, {"x": FEEDS["x"]}, "logits", lambda x: model(x)[0].T)
    assert "the model gives shape [3, 4]" in lines[2]


def test_another_device_s_graph_and_an_explicit_meta(
    trained: str, model: Any, tmp_path: pathlib.Path
) -> None:
    alone = tmp_path / "alone"
    for end in (".index", ".data-00000-of-00001"):
        pathlib.Path(f"{alone}{end}").write_bytes(pathlib.Path(f"{trained}{end}").read_bytes())
    with pytest.raises(InputError, match=r"no \.meta"):
        assert_same_outputs(alone, FEEDS, "logits", model)
    comparison = compare_outputs(
        alone, FEEDS, ["logits", "classes"], model, inputs=["x"], meta=f"{trained}.meta"
    )
    assert comparison.is_equal
    assert {row.name for row in comparison.rows} == {"logits", "classes"}


def test_a_saved_model(model: Any, trained: str, tmp_path: pathlib.Path) -> None:
    with tf.Graph().as_default() as graph, v1.Session() as session:
        build()
        v1.train.Saver().restore(session, trained)
        v1.saved_model.simple_save(
            session,
            str(tmp_path / "saved"),
            {"x": graph.get_tensor_by_name("x:0")},
            {"logits": graph.get_tensor_by_name("logits:0")},
        )
    assert_same_outputs(tmp_path / "saved", FEEDS, ["logits", "classes"], model, inputs=["x"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a feed that is not there": (
        {"feeds": {"y": FEEDS["x"]}},
        "no tensor 'y'; the nearest placeholders: x, keep_prob",
    ),
    "a fetch that is not there": ({"fetches": "logit"}, "no tensor 'logit'; the nearest operations: logits"),
    "a feed of a wrong shape": ({"feeds": {"x": np.zeros((2, 5))}}, "does not run on these feeds"),
    "too many outputs": ({"fetches": ["logits"]}, "returns 2 outputs, fetches names 1"),
    "an output that is not there": ({"fetches": {"logits": "probabilities"}}, "They are 0, 1"),
    "no fetches": ({"fetches": []}, "fetches is empty"),
    "a fetch twice": ({"fetches": ["logits", "logits"]}, "twice"),
    "inputs that are not fed": ({"inputs": ["z"]}, "inputs="),
    "no graph in the file": ({"meta": __file__}, "cannot be restored"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared(trained: str, model: Any, name: str) -> None:
    changed, message = REFUSED[name]
    how: dict[str, Any] = {"feeds": {"x": FEEDS["x"]}, "fetches": ["logits", "classes"], **changed}
    if name == "a feed that is not there":
        how["inputs"] = []
    with pytest.raises(InputError) as told:
        compare_outputs(trained, how.pop("feeds"), how.pop("fetches"), model, **how)
    assert message in str(told.value)


def test_a_runner_of_ones_own(trained: str, model: Any) -> None:
    def runner(prefix: str, graph_file: str, feeds: Any, fetches: Any) -> dict[str, Any]:
        assert (prefix, graph_file) == (trained, f"{trained}.meta")
        return {name: model(feeds["x"])[0] for name in fetches}

    assert_same_outputs(trained, {"x": FEEDS["x"]}, "any name", lambda x: model(x)[0], runner=runner)


def test_without_a_runner(trained: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from migration.testing import outputs

    monkeypatch.setattr(outputs, "entry_points", lambda group: [])
    with pytest.raises(InputError, match=r"ckpt_migration\.graph_runners"):
        assert_same_outputs(trained, {"x": FEEDS["x"]}, "logits", model)


# The file of ckpt-verify --outputs -------------------------------------------------------------------

TOML = """
model = "new_code_{number}:restored"
fetches = {{"logits:0" = "logits", classes = "classes"}}
inputs = ["x"]
{more}
[feeds]
x = {feed}
keep_prob = 1.0
"""


@pytest.fixture
def write_request(tmp_path: pathlib.Path) -> Callable[..., str]:
    def write(feed: str = "{random = [5, 2]}", more: str = "") -> str:
        number = abs(hash(tmp_path))
        (tmp_path / f"new_code_{number}.py").write_text(MODEL)
        np.savez(tmp_path / "inputs.npz", x=FEEDS["x"], other=np.zeros(3))
        np.save(tmp_path / "x.npy", FEEDS["x"])
        (tmp_path / "outputs.toml").write_text(TOML.format(number=number, feed=feed, more=more))
        return str(tmp_path / "outputs.toml")

    return write


@pytest.mark.parametrize(
    "feed",
    [
        '{file = "inputs.npz", key = "x"}',
        '{file = "x.npy"}',
        "[[1.0, 2.0], [3.0, 4.0]]",
        '{values = [[1, 2]], dtype = "float32"}',
        "{random = [3, 2], seed = 4}",
    ],
)
def test_a_file_of_feeds(write_request: Any, trained: str, migrated: str, feed: str) -> None:
    comparison = compare_outputs_file(write_request(feed), trained, migrated)
    assert comparison.is_equal, comparison.text()
    assert [row.name for row in comparison.rows] == ["logits:0", "classes"]


def test_a_difference_of_a_file(write_request: Any, trained: str, tmp_path: pathlib.Path) -> None:
    from tests.bundles import write_bundle

    source = Checkpoint.open(trained)
    other = Checkpoint.open(
        write_bundle(
            tmp_path / "other",
            {"net/kernel": source.read("net/kernel"), "net/bias": source.read("net/bias") * 2},
        )
    )
    execute(make_plan(other), other, tmp_path / "wrong")
    comparison = compare_outputs_file(write_request(), trained, tmp_path / "wrong")
    assert [row.name for row in comparison.failures] == ["logits:0"]
    assert compare_outputs_file(write_request(more="atol = 1.5"), trained, tmp_path / "wrong").is_equal


def test_the_same_as_json(write_request: Any, tmp_path: pathlib.Path) -> None:
    request = read_request(write_request())
    table = {
        "model": request.model,
        "fetches": request.fetches,
        "inputs": ["x"],
        "feeds": {"x": {"random": [5, 2]}, "keep_prob": 1.0},
    }
    (tmp_path / "outputs.json").write_text(json.dumps(table))
    again = read_request(tmp_path / "outputs.json")
    assert again.fetches == request.fetches
    assert again.feeds["x"].tolist() == request.feeds["x"].tolist()


BAD = {
    "no TOML": ("model = ", "not TOML"),
    "nothing": ("", "model, feeds, fetches is missing"),
    "an unknown word": ('modle = "a:b"', "modle is not known"),
    "feeds that are no table": ('model = "a:b"\nfeeds = 3\nfetches = "x"', "feeds is a table"),
    "a feed of no kind": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = {some = 1}', "one of file"),
    "a file that is not there": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = {file = "no.npy"}', "no.npy"),
    "a key that is not there": (
        'model = "a:b"\nfetches = "x"\n[feeds]\nx = {file = "inputs.npz", key = "z"}',
        "no 'z', it holds x, other",
    ),
    "no key among several": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = {file = "inputs.npz"}', "say which"),
    "no shape": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = {random = {shape = [1]}}', "random is a shape"),
    "a ragged list": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = [[1], [1, 2]]', "feeds.x"),
    "an unknown dtype": ('model = "a:b"\nfetches = "x"\n[feeds]\nx = {values = 1, dtype = "flot"}', "flot"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used(write_request: Any, tmp_path: pathlib.Path, name: str) -> None:
    write_request()
    text, message = BAD[name]
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InputError) as told:
        read_request(tmp_path / "bad.toml")
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere_at_all:it", "cannot be loaded"),
        ("{module}:absent", "cannot be loaded"),
        ("{module}", "module:function"),
        ("{module}:NUMBER", "is int, not a function"),
        ("{module}:nothing", "returns NoneType"),
    ],
)
def test_a_model_that_cannot_be_used(
    write_request: Any, trained: str, migrated: str, tmp_path: pathlib.Path, reference: str, message: str
) -> None:
    path = pathlib.Path(write_request())
    module = next(tmp_path.glob("new_code_*.py")).stem
    path.write_text(path.read_text().replace(f"{module}:restored", reference.format(module=module)))
    with pytest.raises(InputError, match=message):
        compare_outputs_file(path, trained, migrated)


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml"):
        read_request(tmp_path / "absent.toml")
