"""Names of recurrent cells: part, kind, direction, number."""

from __future__ import annotations

import pytest

from migration.planning.cells.names import direction_of, kind_of, numbered, part_of, snake

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("name", "scope", "part"),
    [
        ("rnn/basic_lstm_cell/kernel", "rnn/basic_lstm_cell", "kernel"),
        ("rnn/basic_lstm_cell/weights", "rnn/basic_lstm_cell", "kernel"),
        ("RNN/BasicLSTMCell/Linear/Matrix", "RNN/BasicLSTMCell", "kernel"),
        ("RNN/BasicLSTMCell/Linear/Bias", "RNN/BasicLSTMCell", "bias"),
        ("RNN/LSTMCell/W_0", "RNN/LSTMCell", "kernel"),
        ("RNN/LSTMCell/B", "RNN/LSTMCell", "bias"),
        ("RNN/LSTMCell/W_F_diag", "RNN/LSTMCell", "peephole_f"),
        ("rnn/lstm_cell/w_o_diag", "rnn/lstm_cell", "peephole_o"),
        ("rnn/lstm_cell/projection/kernel", "rnn/lstm_cell", "projection"),
        ("rnn/gru_cell/gates/kernel", "rnn/gru_cell", "gates_kernel"),
        ("rnn/gru_cell/candidate/biases", "rnn/gru_cell", "candidate_bias"),
        ("RNN/GRUCell/Candidate/Linear/Bias", "RNN/GRUCell", "candidate_bias"),
        ("rnn/gru_cell/w_ru", "rnn/gru_cell", "gates_kernel"),
        (
            "cudnn_gru/rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell/candidate/hidden_projection/bias",
            "cudnn_gru/rnn/multi_rnn_cell/cell_0/cudnn_compatible_gru_cell",
            "candidate_hidden_bias",
        ),
        ("rnn/layer_norm_basic_lstm_cell/forget/gamma", "rnn/layer_norm_basic_lstm_cell", "forget_gamma"),
    ],
)
def test_part(name: str, scope: str, part: str) -> None:
    assert part_of(name) == (scope, part)


@pytest.mark.parametrize("name", ["kernel", "global_step", "rnn/lstm_cell/kernel/Adam", "a/moving_mean"])
def test_no_part(name: str) -> None:
    assert part_of(name) is None


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("rnn/basic_lstm_cell", "LSTM"),
        ("rnn/multi_rnn_cell/cell_0/lstm_cell_1", "LSTM"),
        ("cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell", "LSTM"),
        ("RNN/LSTMCell", "LSTM"),
        ("rnn/basic_rnn_cell", "RNN"),
        ("RNN/BasicRNNCell", "RNN"),
        ("rnn/phased_lstm_cell", "other"),
        ("rnn/glstm_cell/group_0", "other"),
        ("rnn/conv_lstm_cell", "other"),
        ("rnn/nas_cell", "other"),
        ("rnn/my_cell", "any"),
        ("rnn/attention_wrapper", "other"),
        ("rnnlm/softmax", ""),
        ("decoder/dense", ""),
        ("conv1", "other"),
        ("fc1", ""),
        ("encoder", ""),
    ],
)
def test_kind(scope: str, kind: str) -> None:
    assert kind_of(scope) == kind


@pytest.mark.parametrize(
    ("scope", "direction"),
    [
        ("bidirectional_rnn/fw/lstm_cell", "forward"),
        ("stack_bidirectional_rnn/cell_1/bidirectional_rnn/bw/lstm_cell", "backward"),
        ("BiRNN_FW/LSTMCell", "forward"),
        ("model/bidirectional/backward_layer/cell", "backward"),
        ("bidirectional/forward_lstm/lstm_cell", "forward"),
        ("rnn/lstm_cell", ""),
        ("swap/forwarder", ""),
    ],
)
def test_direction(scope: str, direction: str) -> None:
    assert direction_of(scope) == direction


@pytest.mark.parametrize(
    ("component", "plain"),
    [
        ("BasicLSTMCell", "basic_lstm_cell"),
        ("lstm_cell_12", "lstm_cell"),
        ("GRUCell", "gru_cell"),
        ("Cell0", "cell"),
    ],
)
def test_snake(component: str, plain: str) -> None:
    assert snake(component) == plain


def test_numbers_order_alike_scopes() -> None:
    assert numbered("rnn/cell_10/lstm") == (("rnn", "cell", "lstm"), (-1, 10, -1))
    assert numbered("model/_operations/2") == (("model", "_operations", ""), (-1, -1, 2))
