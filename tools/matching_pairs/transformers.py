"""Transformers: google-research BERT, tensor2tensor, GPT-2, each against models that others wrote."""

from __future__ import annotations

from ckpt_tools.matching_pairs.pair import Builder, NamingPair

HEADS = 4


def bert_keras_hub(layers: int = 12, width: int = 64, vocabulary: int = 1000) -> NamingPair:
    """google-research BERT against KerasHub's BertBackbone."""
    b = Builder(f"google-research BERT, {layers} layers / KerasHub BertBackbone")
    embeddings = "bert/embeddings"
    for ours, rows, attribute, places in (
        (
            "word_embeddings",
            vocabulary,
            "_embeddings",
            ("token_embedding", "_token_embedding", "_operations/1"),
        ),
        ("token_type_embeddings", 2, "_embeddings", ("segment_embedding", "_operations/4")),
        ("position_embeddings", 512, "position_embeddings", ("position_embedding", "_operations/3")),
    ):
        paths = [f"model/{place}/{attribute}" for place in places]
        b.both(f"{embeddings}/{ours}", (rows, width), paths, f"{places[0]}/embeddings")
    for name in ("beta", "gamma"):
        paths = [f"model/embeddings_layer_norm/{name}", f"model/_operations/6/{name}"]
        b.both(f"{embeddings}/LayerNorm/{name}", (width,), paths, f"embeddings_layer_norm/{name}")
    for layer in range(layers):
        _bert_layer(b, layer, width)
    last = 9 + layers
    for name, attribute, shape in (("kernel", "_kernel", (width, width)), ("bias", "bias", (width,))):
        paths = [f"model/pooled_dense/{attribute}", f"model/_operations/{last + 1}/{attribute}"]
        b.both(f"bert/pooler/dense/{name}", shape, paths, f"pooled_dense/{name}")
    b.source("cls/predictions/transform/dense/kernel", (width, width))
    b.source("cls/predictions/transform/dense/bias", (width,))
    b.source("cls/predictions/transform/LayerNorm/beta", (width,))
    b.source("cls/predictions/transform/LayerNorm/gamma", (width,))
    b.source("cls/predictions/output_bias", (vocabulary,))
    b.source("cls/seq_relationship/output_weights", (2, width))
    b.source("cls/seq_relationship/output_bias", (2,))
    return b.build()


def _bert_layer(b: Builder, layer: int, width: int) -> None:
    ours, path = f"bert/encoder/layer_{layer}", f"model/_operations/{9 + layer}"
    full = f"transformer_layer_{layer}"
    head = width // HEADS
    for name in ("query", "key", "value"):
        at, known = f"{path}/_self_attention_layer/_{name}_dense", f"{full}/self_attention_layer/{name}"
        b.both(
            f"{ours}/attention/self/{name}/kernel",
            (width, width),
            f"{at}/_kernel",
            f"{known}/kernel",
            (width, HEADS, head),
        )
        b.both(f"{ours}/attention/self/{name}/bias", (width,), f"{at}/bias", f"{known}/bias", (HEADS, head))
    at, known = f"{path}/_self_attention_layer/_output_dense", f"{full}/self_attention_layer/attention_output"
    b.both(
        f"{ours}/attention/output/dense/kernel",
        (width, width),
        f"{at}/_kernel",
        f"{known}/kernel",
        (HEADS, head, width),
    )
    b.both(f"{ours}/attention/output/dense/bias", (width,), f"{at}/bias", f"{known}/bias")
    _norm(
        b,
        f"{ours}/attention/output/LayerNorm",
        width,
        f"{path}/_self_attention_layer_norm",
        f"{full}/self_attention_layer_norm",
    )
    _dense(
        b,
        f"{ours}/intermediate/dense",
        (width, 4 * width),
        f"{path}/_feedforward_intermediate_dense",
        f"{full}/feedforward_intermediate_dense",
    )
    _dense(
        b,
        f"{ours}/output/dense",
        (4 * width, width),
        f"{path}/_feedforward_output_dense",
        f"{full}/feedforward_output_dense",
    )
    _norm(
        b,
        f"{ours}/output/LayerNorm",
        width,
        f"{path}/_feedforward_layer_norm",
        f"{full}/feedforward_layer_norm",
    )


def _norm(b: Builder, ours: str, width: int, path: str, full: str) -> None:
    for name in ("beta", "gamma"):
        b.both(f"{ours}/{name}", (width,), f"{path}/{name}", f"{full}/{name}")


def _dense(b: Builder, ours: str, shape: tuple[int, int], path: str, full: str) -> None:
    b.both(f"{ours}/kernel", shape, f"{path}/_kernel", f"{full}/kernel")
    b.both(f"{ours}/bias", shape[1:], f"{path}/bias", f"{full}/bias")


def t2t_rewritten(layers: int = 4, width: int = 16, hidden: int = 8) -> NamingPair:
    """A tensor2tensor transformer against a re-implementation with attribute names of its own."""
    b = Builder("T2T transformer / re-implementation")
    for shard in range(4):
        b.both(
            f"transformer/symbol_modality_2048_{width}/shared/weights_{shard}", (512, width),
            f"model/embedder/shards/{shard}", "Variable",
        )  # fmt: skip
    b.both("transformer/body/target_space_embedding/kernel", (32, width), "model/target_space/table", "table")
    for stack, attentions in (("encoder", ("self",)), ("decoder", ("self", "encdec"))):
        for layer in range(layers):
            ours, path = f"transformer/body/{stack}/layer_{layer}", f"model/{stack[:3]}_blocks/{layer}"
            for attention in attentions:
                at = f"{path}/{'mha' if attention == 'self' else 'cross_mha'}"
                scope = f"{ours}/{attention}_attention"
                _t2t_norm(b, scope, width, f"{at}_norm")
                for name, other in (("q", "wq"), ("k", "wk"), ("v", "wv"), ("output_transform", "wo")):
                    b.both(
                        f"{scope}/multihead_attention/{name}/kernel", (width, width), f"{at}/{other}/w", "w"
                    )
            _t2t_norm(b, f"{ours}/ffn", width, f"{path}/mlp_norm")
            for name, other, shape in (("conv1", "up", (width, hidden)), ("conv2", "down", (hidden, width))):
                b.both(f"{ours}/ffn/{name}/kernel", shape, f"{path}/mlp/{other}/w", "w")
                b.both(f"{ours}/ffn/{name}/bias", shape[1:], f"{path}/mlp/{other}/b", "b")
        _t2t_norm(b, f"transformer/body/{stack}", width, f"model/{stack[:3]}_norm")
    return b.build()


def _t2t_norm(b: Builder, scope: str, width: int, path: str) -> None:
    for name, other in (("scale", "g"), ("bias", "b")):
        b.both(
            f"{scope}/layer_prepostprocess/layer_norm/layer_norm_{name}", (width,), f"{path}/{other}", other
        )


def gpt2_keras(layers: int = 12, width: int = 32) -> NamingPair:
    """GPT-2 as OpenAI published it (kernels [1, in, out]) against a decoder of tf.Modules."""
    b = Builder("GPT-2 / tf.Module decoder")
    b.both("model/wpe", (128, width), "decoder/position_embedding", "position_embedding")
    b.both("model/wte", (500, width), "decoder/token_embedding", "token_embedding")
    for layer in range(layers):
        ours, path = f"model/h{layer}", f"decoder/layers/{layer}"
        for norm, other in (("ln_1", "attention_norm"), ("ln_2", "mlp_norm")):
            b.both(f"{ours}/{norm}/g", (width,), f"{path}/{other}/scale", "scale")
            b.both(f"{ours}/{norm}/b", (width,), f"{path}/{other}/offset", "offset")
        for name, other, shape in (
            ("attn/c_attn", "attention/qkv", (width, 3 * width)),
            ("attn/c_proj", "attention/out", (width, width)),
            ("mlp/c_fc", "mlp/up", (width, 4 * width)),
            ("mlp/c_proj", "mlp/down", (4 * width, width)),
        ):
            b.both(f"{ours}/{name}/w", (1, *shape), f"{path}/{other}/weight", "weight", shape)
            b.both(f"{ours}/{name}/b", shape[1:], f"{path}/{other}/bias", "bias")
    b.both("model/ln_f/g", (width,), "decoder/final_norm/scale", "scale")
    b.both("model/ln_f/b", (width,), "decoder/final_norm/offset", "offset")
    return b.build()
