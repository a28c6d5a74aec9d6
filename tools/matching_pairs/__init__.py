"""Real naming schemes in pairs, for the benchmark of the matching and for its tests. Names and shapes only."""

from __future__ import annotations

from ckpt_tools.matching_pairs.pair import NamingPair, Truth, key_of
from ckpt_tools.matching_pairs.plain import default_variables, no_telling, pensieve, towers
from ckpt_tools.matching_pairs.transformers import bert_keras_hub, gpt2_keras, t2t_rewritten
from ckpt_tools.matching_pairs.vision import layers_stack, mobilenet, resnet50, vgg16

__all__ = ["NamingPair", "Truth", "all_pairs", "key_of"]


def all_pairs() -> list[NamingPair]:
    """Every pair of the benchmark."""
    return [
        bert_keras_hub(),
        t2t_rewritten(),
        gpt2_keras(),
        resnet50(3),
        resnet50(2),
        mobilenet(),
        vgg16(),
        layers_stack(2),
        layers_stack(3, offset=5),
        default_variables(),
        default_variables((20, 30, 40, 10), has_meta=True),
        pensieve(),
        towers(("user", "item"), ("user_model", "item_model"), ambiguous=False),
        towers(("tower_a", "tower_b"), ("left", "right"), ambiguous=True),
        no_telling(),
    ]
