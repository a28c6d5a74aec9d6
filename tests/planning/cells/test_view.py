"""Which cells become layers, which pairs are certain, and what is told of the others."""

from __future__ import annotations

import pytest

from migration.planning.cells.evidence import evidence
from migration.planning.options import Options
from tests.planning.cells.scene import Shape, graph, layer, template, view_of

pytestmark = pytest.mark.quick


def lstm(scope: str, inputs: int = 3, units: int = 5) -> dict[str, Shape]:
    return {f"{scope}/kernel": (inputs + units, 4 * units), f"{scope}/bias": (4 * units,)}


def gru(scope: str, inputs: int = 3, units: int = 5) -> dict[str, Shape]:
    return {
        f"{scope}/gates/kernel": (inputs + units, 2 * units),
        f"{scope}/gates/bias": (2 * units,),
        f"{scope}/candidate/kernel": (inputs + units, units),
        f"{scope}/candidate/bias": (units,),
    }


def places(view) -> dict[str, str]:
    """Layer place -> scope of the cell that is certain to go there."""
    found = {}
    for key, name in view.fixed.items():
        place, _, role = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").rpartition("/")
        scope, _, part = name.rpartition("/")
        assert part == role
        assert found.setdefault(place, scope) == scope
    return found


def test_the_cell_is_replaced_where_it_stood() -> None:
    shapes = {"a": (2,), **lstm("rnn/lstm_cell"), "z": (2,)}
    view = view_of(shapes, layer("l/cell", "LSTM", 3, 5))
    assert [one.name for one in view.candidates] == [
        "a",
        "rnn/lstm_cell/kernel",
        "rnn/lstm_cell/recurrent_kernel",
        "rnn/lstm_cell/bias",
        "z",
    ]
    assert view.made == {f"rnn/lstm_cell/{role}" for role in ("kernel", "recurrent_kernel", "bias")}
    assert places(view) == {"l/cell": "rnn/lstm_cell"}
    assert not view.problems


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"d/kernel": ("dense/kernel", (8, 20)), "d/bias": ("dense/bias", (20,))},
        layer("l/cell", "LSTM", 4, 5),
        layer("l/cell", "GRU", 3, 5),
        {
            **layer("l/cell", "LSTM", 3, 5),
            "v1/kernel": ("rnn/lstm_cell/kernel", (8, 20)),
            "v1/bias": ("rnn/lstm_cell/bias", (20,)),
        },
    ],
    ids=["nothing", "no layer", "other size", "other kind", "the fused cell itself"],
)
def test_a_cell_without_a_layer_stays(variables: dict[str, tuple[str, Shape]]) -> None:
    view = view_of(lstm("rnn/lstm_cell"), variables)
    assert [one.name for one in view.candidates] == ["rnn/lstm_cell/kernel", "rnn/lstm_cell/bias"]
    assert not view.made
    assert not view.fixed


@pytest.mark.parametrize(
    "shapes",
    [
        {"dense/kernel": (8, 20), "dense/bias": (20,)},
        {"RNN/LSTMCell/W_0": (8, 20), "RNN/LSTMCell/W_1": (8, 20), "RNN/LSTMCell/B": (20,)},
        {"rnn/phased_lstm_cell/kernel": (8, 20), "rnn/phased_lstm_cell/bias": (20,)},
        {"rnn/lstm_cell/kernel": (8, 20), "rnn/lstm_cell/bias": (5,)},
        {"rnn/lstm_cell/kernel": (8, 20)},
        {"rnn/lstm_cell/kernel": (3, 8, 20), "rnn/lstm_cell/bias": (20,)},
        {"rnn/gru_cell/gates/kernel": (8, 10), "rnn/gru_cell/gates/bias": (10,)},
        {"l/kernel": (3, 20), "l/recurrent_kernel": (5, 20), "l/bias": (7,)},
    ],
    ids=["dense", "shards", "another cell", "bias", "no bias", "rank", "half a GRU", "Keras's own"],
)
def test_what_is_no_cell_stays(shapes: dict[str, Shape]) -> None:
    variables = {**layer("l/cell", "LSTM", 3, 5), **layer("g/cell", "GRU", 3, 5)}
    view = view_of(shapes, variables)
    assert [one.name for one in view.candidates] == list(shapes)
    assert not view.made
    assert not view.fixed


def test_a_scope_inside_an_rnn_is_a_cell_by_its_shape() -> None:
    shapes = {"rnn/encoder_cell/kernel": (8, 20), "rnn/encoder_cell/bias": (20,)}
    assert places(view_of(shapes, layer("l/cell", "LSTM", 3, 5))) == {"l/cell": "rnn/encoder_cell"}


def test_slots_and_shadows_are_no_cells() -> None:
    shapes = {f"{name}/Adam": shape for name, shape in lstm("rnn/lstm_cell").items()}
    assert not view_of(shapes, layer("l/cell", "LSTM", 3, 5)).made


def test_a_stack_is_paired_by_number() -> None:
    shapes: dict[str, Shape] = {}
    for number in (10, 9, 0):
        shapes |= lstm(f"rnn/multi_rnn_cell/cell_{number}/{'basic_' * (number > 0)}lstm_cell")
    variables: dict[str, tuple[str, Shape]] = {}
    for number in range(3):
        variables |= layer(f"model/layer_with_weights-{number}/cell", "LSTM", 3, 5)
    found = places(view_of(shapes, variables))
    assert [found[f"model/layer_with_weights-{number}/cell"] for number in range(3)] == [
        "rnn/multi_rnn_cell/cell_0/lstm_cell",
        "rnn/multi_rnn_cell/cell_9/basic_lstm_cell",
        "rnn/multi_rnn_cell/cell_10/basic_lstm_cell",
    ]


def test_directions_are_paired() -> None:
    shapes = {**gru("bidirectional_rnn/bw/gru_cell"), **gru("bidirectional_rnn/fw/gru_cell")}
    variables = {
        **layer("b/forward_layer/cell", "GRU", 3, 5, scope="bidirectional/forward_gru/gru_cell"),
        **layer("b/backward_layer/cell", "GRU", 3, 5, scope="bidirectional/backward_gru/gru_cell"),
    }
    assert places(view_of(shapes, variables)) == {
        "b/forward_layer/cell": "bidirectional_rnn/fw/gru_cell",
        "b/backward_layer/cell": "bidirectional_rnn/bw/gru_cell",
    }


def test_a_stack_of_both_directions() -> None:
    shapes: dict[str, Shape] = {}
    variables: dict[str, tuple[str, Shape]] = {}
    for number in range(3):
        for short, long in (("fw", "forward"), ("bw", "backward")):
            inputs = 3 if number == 0 else 10
            shapes |= lstm(
                f"stack_bidirectional_rnn/cell_{number}/bidirectional_rnn/{short}/lstm_cell", inputs
            )
            variables |= layer(f"m/layer_with_weights-{number}/{long}_layer/cell", "LSTM", inputs, 5)
    found = places(view_of(shapes, variables))
    assert len(found) == 6
    for place, scope in found.items():
        assert place.split("-")[1][0] == scope.split("cell_")[1][0]
        assert ("forward" in place) == ("/fw/" in scope)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "scopes",
    [
        ("encoder/rnn/lstm_cell", "decoder/rnn/lstm_cell"),
        ("rnn/lstm_cell", "rnn_1/lstm_cell"),
        ("rnn/lstm_cell", "rnn/lstm_cell_1"),
    ],
)
def test_alike_cells_without_a_number_are_left_to_the_matching(scopes: tuple[str, str], count: int) -> None:
    shapes = {**lstm(scopes[0]), **lstm(scopes[1])}
    variables = layer("one/cell", "LSTM", 3, 5)
    if count == 2:
        variables |= layer("one_1/cell", "LSTM", 3, 5)
    view = view_of(shapes, variables)
    assert len(view.made) == 6
    assert not view.fixed


def test_the_same_name_pairs_alike_cells() -> None:
    shapes = {**lstm("encoder/lstm_cell"), **lstm("decoder/lstm_cell")}
    variables = {
        **layer("one/cell", "LSTM", 3, 5, scope="decoder/lstm_cell"),
        **layer("two/cell", "LSTM", 3, 5, scope="encoder/lstm_cell"),
    }
    assert places(view_of(shapes, variables)) == {
        "one/cell": "decoder/lstm_cell",
        "two/cell": "encoder/lstm_cell",
    }


def test_weights_known_to_the_optimizer_alone_are_layers_by_full_name() -> None:
    """Keras 3 does not track the cells of a StackedRNNCells."""
    shapes = {**lstm("rnn/multi_rnn_cell/cell_0/lstm_cell"), **gru("rnn/multi_rnn_cell/cell_1/gru_cell", 5)}
    flat = [
        ("rnn/stacked_rnn_cells/lstm_cell", layer("x", "LSTM", 3, 5)),
        ("rnn/stacked_rnn_cells/gru_cell", layer("x", "GRU", 5, 5)),
    ]
    variables: dict[str, tuple[str, Shape]] = {}
    for scope, one in flat:
        for path, (_, shape) in one.items():
            number = len(variables)
            variables[f"optimizer/_trainable_variables/{number}"] = (f"{scope}/{path.split('/')[1]}", shape)
    view = view_of(shapes, variables)
    assert [view.fixed[key] for key in template(variables).by_key] == [
        f"rnn/multi_rnn_cell/{cell}/{role}"
        for cell in ("cell_0/lstm_cell", "cell_1/gru_cell")
        for role in ("kernel", "recurrent_kernel", "bias")
    ]


@pytest.mark.parametrize(
    ("shapes", "variables", "words"),
    [
        (
            {**lstm("rnn/lstm_cell"), **{f"rnn/lstm_cell/w_{gate}_diag": (5,) for gate in "ifo"}},
            layer("l", "LSTM", 3, 5),
            "peepholes",
        ),
        (
            {
                "rnn/lstm_cell/kernel": (3 + 2, 20),
                "rnn/lstm_cell/bias": (20,),
                "rnn/lstm_cell/projection/kernel": (5, 2),
            },
            layer("l", "LSTM", 3, 5),
            "projection",
        ),
        (
            {
                "rnn/layer_norm_basic_lstm_cell/kernel": (8, 20),
                **{
                    f"rnn/layer_norm_basic_lstm_cell/{gate}/{part}": (5,)
                    for gate in ("input", "transform", "forget", "output", "state")
                    for part in ("gamma", "beta")
                },
            },
            layer("l", "LSTM", 3, 5),
            "normalises each gate",
        ),
        (gru("rnn/gru_cell"), layer("l", "GRU", 3, 5, biases=2), "reset_after=False"),
        (
            {
                "g/gates/kernel": (8, 10),
                "g/gates/bias": (10,),
                "g/candidate/input_projection/kernel": (3, 5),
                "g/candidate/hidden_projection/kernel": (5, 5),
                "g/candidate/input_projection/bias": (5,),
                "g/candidate/hidden_projection/bias": (5,),
            },
            layer("l", "GRU", 3, 5),
            "reset_after=True",
        ),
        (lstm("rnn/lstm_cell"), layer("l", "LSTM", 3, 5, biases=0), "use_bias=True"),
        (
            lstm("rnn/lstm_cell"),
            {**layer("l", "LSTM", 3, 5, biases=0), "l/bias": ("l/bias", (40,))},
            "CuDNN layer",
        ),
        (
            {"gru/kernel": (3, 15), "gru/recurrent_kernel": (5, 15), "gru/bias": (15,)},
            layer("l", "GRU", 3, 5, biases=2),
            "reset_after=False",
        ),
    ],
    ids=[
        "peepholes",
        "projection",
        "layer norm",
        "GRU before",
        "GRU after",
        "no bias",
        "cuDNN layer",
        "Keras's own GRU",
    ],
)
def test_what_no_layer_computes_is_told(
    shapes: dict[str, Shape], variables: dict[str, tuple[str, Shape]], words: str
) -> None:
    view = view_of(shapes, variables)
    (problem,) = view.problems
    assert problem.kind == "cell"
    assert words in problem.message
    assert [one.name for one in view.candidates] == list(shapes)
    assert not view.fixed
    assert view.apart == (set(shapes) if "gru/kernel" not in shapes else set())


@pytest.mark.parametrize(("beside", "apart"), [({}, True), ({"own/kernel": ("own/kernel", (8, 20))}, False)])
def test_a_bias_does_not_go_where_its_kernel_cannot(
    beside: dict[str, tuple[str, Shape]], apart: bool
) -> None:
    """The layer has four inputs, the cell three: the bias has the right shape, and another gate order."""
    view = view_of(lstm("rnn/lstm_cell"), {**layer("l/cell", "LSTM", 4, 5), **beside})
    assert view.apart == (set(lstm("rnn/lstm_cell")) if apart else set())


def test_layer_norm_cell_without_layer_norm_is_a_plain_lstm() -> None:
    view = view_of(lstm("rnn/layer_norm_basic_lstm_cell"), layer("l", "LSTM", 3, 5))
    assert places(view) == {"l": "rnn/layer_norm_basic_lstm_cell"}


def test_a_layer_that_a_saver_stored_needs_no_cell() -> None:
    shapes: dict[str, Shape] = {"lstm/kernel": (3, 20), "lstm/recurrent_kernel": (5, 20), "lstm/bias": (20,)}
    view = view_of(shapes, layer("l/cell", "LSTM", 3, 5))
    assert [one.transforms for one in view.candidates] == [(), (), ()]
    assert places(view) == {"l/cell": "lstm"}
    assert not view.made
    assert any("hard_sigmoid" in note for note in view.notes)


FORGET = [
    ("bias", "VarHandleOp", [], {}),
    ("read", "ReadVariableOp", ["bias"], {}),
    ("sum", "BiasAdd", ["product", "read"], {}),
    ("split", "Split", ["dim", "sum"], {"num_split": 4}),
]
CONSTANT = ("constant", "Const", [], {"value": 0.25})
ADDED = ("add", "AddV2", ["split:2", "constant"], {})
ADDED_FIRST = ("add", "Add", ["constant", "split:2"], {})
BARE = ("gate", "Sigmoid", ["split:2"], {})
BLOCK = ("block", "LSTMBlockCell", ["x", "c", "h", "w", "i", "f", "o", "read"], {"forget_bias": 0.75})
FED = [("fed", "Placeholder", [], {}), ("add", "AddV2", ["split:2", "fed"], {})]


@pytest.mark.parametrize(
    ("nodes", "flag", "value", "origin"),
    [
        ([*FORGET, CONSTANT, ADDED], None, 0.25, "the graph's constant"),
        ([*FORGET, CONSTANT, ADDED_FIRST], 3.0, 0.25, "the graph's constant"),
        ([*FORGET, BARE], None, 0.0, "the graph's constant"),
        ([*FORGET[:2], BLOCK], None, 0.75, "the graph's constant"),
        ([*FORGET, *FED], None, 1.0, "TensorFlow 1's default"),
        ([*FORGET, *FED], 2.0, 2.0, "--forget_bias"),
        (None, None, 1.0, "TensorFlow 1's default"),
        (None, 0.5, 0.5, "--forget_bias"),
    ],
)
def test_where_the_forget_bias_is_from(nodes, flag: float | None, value: float, origin: str) -> None:
    named = {"bias": "rnn/lstm_cell/bias"}
    meta = nodes and graph(
        [
            (named.get(name, name), op, [named.get(tensor, tensor) for tensor in inputs], attributes)
            for name, op, inputs, attributes in nodes
        ]
    )
    view = view_of(
        lstm("rnn/lstm_cell"), layer("l", "LSTM", 3, 5), meta=meta, options=Options(forget_bias=flag)
    )
    told = [note for note in view.notes if note.startswith(f"forget_bias {value:g} ({origin}")]
    assert len(told) == 1
    bias = next(one for one in view.candidates if one.name.endswith("/bias"))
    added = [one.value for one in bias.transforms if one.name == "add"]
    assert added == ([value] if value else [])
    assert any("is not used" in note for note in view.notes) == (flag not in (None, value))


def test_cudnn_adds_no_forget_bias() -> None:
    scope = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
    view = view_of(lstm(scope), layer("l", "LSTM", 3, 5))
    assert any(note.startswith("forget_bias 0 (cuDNN adds none)") for note in view.notes)


def test_another_activation_is_told() -> None:
    nodes = [*FORGET, CONSTANT, ADDED, ("new", "Relu", ["split:1"], {})]
    named = [
        (
            name.replace("bias", "rnn/lstm_cell/bias"),
            op,
            [t.replace("bias", "rnn/lstm_cell/bias") for t in i],
            a,
        )
        for name, op, i, a in nodes
    ]
    view = view_of(lstm("rnn/lstm_cell"), layer("l", "LSTM", 3, 5), meta=graph(named))
    assert any("Relu" in note for note in view.notes)


def test_a_grus_other_activation_is_told() -> None:
    meta = graph(
        [
            ("rnn/gru_cell/candidate/bias", "VariableV2", [], {}),
            ("joined", "ConcatV2", ["x", "h", "axis"], {}),
            ("product", "MatMul", ["joined", "kernel"], {}),
            ("sum", "BiasAdd", ["product", "rnn/gru_cell/candidate/bias"], {}),
            ("new", "Elu", ["sum"], {}),
        ]
    )
    view = view_of(gru("rnn/gru_cell"), layer("l", "GRU", 3, 5), meta=meta)
    assert [note for note in view.notes if "Elu" in note]


def test_the_parts_of_a_partitioned_bias_lead_to_the_forget_bias() -> None:
    parts = [(f"bias/part_{number}", "VarHandleOp", [], {}) for number in range(2)]
    meta = graph(
        [
            *parts,
            ("read_0", "ReadVariableOp", ["bias/part_0"], {}),
            ("read_1", "ReadVariableOp", ["bias/part_1"], {}),
            ("whole", "ConcatV2", ["read_0", "read_1", "axis"], {}),
            ("sum", "BiasAdd", ["product", "whole"], {}),
            ("split", "Split", ["dim", "sum"], {"num_split": 4}),
            CONSTANT,
            ADDED,
            ("keys", "Const", [], {}),
        ]
    )
    known = evidence(meta, ("bias/part_0",))
    assert (known.kind, known.forget_bias) == ("LSTM", 0.25)
    assert evidence(meta, ("absent",)) == evidence(None, ("bias",))


def test_only_the_graph_makes_a_cell_of_a_scope_that_says_nothing() -> None:
    shapes: dict[str, Shape] = {"encoder/kernel": (8, 20), "encoder/bias": (20,)}
    named = [
        (name.replace("bias", "encoder/bias"), op, [t.replace("bias", "encoder/bias") for t in i], a)
        for name, op, i, a in [*FORGET, CONSTANT, ADDED]
    ]
    assert places(view_of(shapes, layer("l", "LSTM", 3, 5), meta=graph(named))) == {"l": "encoder"}
    assert not view_of(shapes, layer("l", "LSTM", 3, 5)).made
