"""Naming schemes in pairs, for the benchmark of the matching and its tests. Names and shapes only."""

from __future__ import annotations

from ckpt_tools.matching_pairs.efficient import efficientnet, mobilenet_v2
from ckpt_tools.matching_pairs.generative import dcgan, unet
from ckpt_tools.matching_pairs.pair import NamingPair, Truth, key_of
from ckpt_tools.matching_pairs.plain import default_variables, no_telling, pensieve, towers
from ckpt_tools.matching_pairs.recurrent import deep_q, glassy, seq2seq
from ckpt_tools.matching_pairs.transformers import bert_keras_hub, gpt2_keras, t2t_rewritten
from ckpt_tools.matching_pairs.vision import layers_stack, mobilenet, resnet50, vgg16

__all__ = ["NamingPair", "Truth", "all_pairs", "key_of"]


def all_pairs() -> list[NamingPair]:
    """Every pair of the benchmark; the second BERT is there for the speed at a thousand variables."""
    return [
        bert_keras_hub(),
        bert_keras_hub(layers=62, width=16),
        t2t_rewritten(),
        gpt2_keras(),
        resnet50(3),
        resnet50(2),
        mobilenet(),
        mobilenet_v2(),
        efficientnet(),
        vgg16(),
        unet(),
        dcgan(),
        seq2seq(),
        glassy(),
        layers_stack(2),
        layers_stack(3, offset=5),
        default_variables(),
        default_variables((20, 30, 40, 10), has_meta=True),
        pensieve(),
        deep_q(),
        towers(("user", "item"), ("user_model", "item_model"), ambiguous=False),
        towers(("tower_a", "tower_b"), ("left", "right"), ambiguous=True),
        no_telling(),
    ]
