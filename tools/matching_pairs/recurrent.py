"""Sequences, graphs, play: NMT with attention, Sonnet 1 against 2, a DQN with its target network."""

from __future__ import annotations

from itertools import pairwise

from ckpt_tools.matching_pairs.pair import Builder, NamingPair


def seq2seq(units: int = 32) -> NamingPair:
    """tensorflow/nmt with Luong attention, its cells already taken apart, against Keras layers."""
    b = Builder("NMT with attention / Keras")
    ours, theirs = "dynamic_seq2seq", "model/decoder"
    for side, rows, full in (("encoder", 1000, "embedding"), ("decoder", 1200, "embedding_1")):
        name = f"embeddings/{side}/embedding_{side}"
        b.both(name, (rows, units), f"model/{side}/embedding/embeddings", f"{side}/{full}/embeddings")
    for way, layer in (("fw", "forward"), ("bw", "backward")):
        cell = f"{ours}/encoder/bidirectional_rnn/{way}/basic_lstm_cell"
        _cell(
            b,
            cell,
            f"model/encoder/rnn/{layer}_layer/cell",
            f"bidirectional/{layer}_lstm/lstm_cell",
            units,
            units,
        )
    for place in range(2):
        cell = f"{ours}/decoder/attention/multi_rnn_cell/cell_{place}/basic_lstm_cell"
        inside = units if place else 2 * units
        _cell(b, cell, f"{theirs}/rnn/cell/cells/{place}", f"rnn/lstm_cell_{place + 3}", inside, units)
    b.both(
        f"{ours}/decoder/memory_layer/kernel",
        (2 * units, units),
        f"{theirs}/attention/memory/kernel",
        "memory/kernel",
    )
    b.both(f"{ours}/decoder/attention/luong_attention/attention_g", (), f"{theirs}/attention/scale", "scale")
    attention = f"{ours}/decoder/attention/attention_layer/kernel"
    b.both(attention, (3 * units, units), f"{theirs}/attention/layer/kernel", "attention_layer/kernel")
    b.both(
        f"{ours}/decoder/output_projection/kernel", (units, 1200), f"{theirs}/logits/kernel", "logits/kernel"
    )
    return b.build()


def _cell(b: Builder, ours: str, path: str, full: str, inside: int, units: int) -> None:
    for name, shape in (
        ("kernel", (inside, 4 * units)),
        ("recurrent_kernel", (units, 4 * units)),
        ("bias", (4 * units,)),
    ):
        b.both(f"{ours}/{name}", shape, f"{path}/{name}", f"{full}/{name}")


def glassy(width: int = 64) -> NamingPair:
    """deepmind-research's glassy dynamics (graph_nets on Sonnet 1) against Sonnet 2 modules."""
    b = Builder("graph_nets of Sonnet 1 / Sonnet 2")
    for ours, theirs, layers in (
        ("graph_independent/edge_model", "encoder/edge_fn", (3, width, width)),
        ("graph_independent/node_model", "encoder/node_fn", (1, width, width)),
        ("graph_network/edge_block", "network/edge_block", (6 * width, width, width)),
        ("graph_network/node_block", "network/node_block", (3 * width, width, width)),
        ("graph_independent_1/edge_model", "decoder/edge_fn", (width, width, width)),
        ("graph_independent_1/node_model", "decoder/node_fn", (width, width, width, 1)),
    ):
        for place, shape in enumerate(pairwise(layers)):
            name, path = f"Graph/{ours}/mlp/linear_{place}", f"model/{theirs}/layers/{place}"
            b.both(f"{name}/w", shape, f"{path}/w", f"{theirs.split('/')[1]}/linear_{place}/w")
            b.both(f"{name}/b", shape[1:], f"{path}/b", f"{theirs.split('/')[1]}/linear_{place}/b")
    return b.build()


def deep_q() -> NamingPair:
    """siemanko's DQN, whose target network is a copy under other names, against Keras networks."""
    b = Builder("DQN with target network / Keras")
    layers = (
        ("input_layer", 0, (162, 100)),
        ("hidden_layer_0", 1, (100, 100)),
        ("hidden_layer_1", 2, (100, 4)),
    )
    for scope, suffix, network in (("MLP", "", "online"), ("target_network", "_copy", "target")):
        for name, place, shape in layers:
            path = f"agent/{network}_network/layer_with_weights-{place}"
            b.both(f"{scope}/{name}{suffix}/W_0", shape, f"{path}/kernel", f"dense_{place}/kernel")
            b.both(f"{scope}/{name}{suffix}/b", shape[1:], f"{path}/bias", f"dense_{place}/bias")
    return b.build()
