"""Words that frameworks and people use for one thing, under one spelling."""

from __future__ import annotations

from collections.abc import Sequence

_WORDS = {
    "attention": "attn att atten",
    "batchnorm": "bn batchnormalization batchnormalisation batchnorm2d",
    "layernorm": "ln layernormalization layernormalisation lnorm",
    "normalization": "norm normalisation",
    "embedding": "emb embed embeddings embedder embeds",
    "dense": "fc linear fullyconnected affine",
    "conv": "convolution conv1d conv2d conv3d",
    "deconv": "convtranspose conv2dtranspose",
    "encoder": "enc",
    "decoder": "dec",
    "cross": "encdec crossattention",
    "position": "pos positional positions",
    "token": "tok word words tokens wordpiece",
    "segment": "tokentype segments",
    "query": "q queries wq",
    "key": "k keys wk",
    "value": "v values wv",
    "output": "out outputs",
    "projection": "proj projections",
    "ffn": "mlp feedforward",
    "head": "logits logit classifier predictions prediction softmax classification",
    "discriminator": "disc discrim",
    "generator": "gen",
    "depthwise": "dw",
    "pointwise": "pw",
    "shortcut": "downsample skip",
    "forward": "fw fwd",
    "backward": "bw bwd",
    "previous": "prev",
    "layer": "layers",
    "block": "blocks blk",
    "policy": "pi",
    "kernel": "weight weights w filter filters",
    "bias": "b biases",
    "gamma": "g",
    "offset": "shift",
    "mean": "mu",
    "variance": "var sigma2",
    "recurrent": "hidden2hidden",
}
SPELLING = {variant: word for word, variants in _WORDS.items() for variant in variants.split()}
# Words for containers of any kind: two names that share one may still be anything to each other.
_GENERIC = """model network net module layer block unit cell scope tower branch stack group stage part main
base body variable var tensor param parameter operation op fn function impl"""
GENERIC = frozenset(_GENERIC.split())
_PHRASES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("batch", "normalization"): ("batchnorm",),
    ("layer", "normalization"): ("layernorm",),
    ("fully", "connected"): ("dense",),
    ("feed", "forward"): ("ffn",),
    ("encoder", "decoder"): ("cross",),
    ("token", "type"): ("segment",),
    ("moving", "mean"): ("mean",),
    ("running", "mean"): ("mean",),
    ("population", "mean"): ("mean",),
    ("pop", "mean"): ("mean",),
    ("moving", "variance"): ("variance",),
    ("running", "variance"): ("variance",),
    ("population", "variance"): ("variance",),
    ("pop", "variance"): ("variance",),
    ("wte",): ("token", "embedding"),
    ("wpe",): ("position", "embedding"),
    ("c", "fc"): ("dense",),
}


def spelled(word: str) -> str:
    """A word's one spelling: lower case, no plural, one of its variants for all."""
    word = word.lower()
    word = SPELLING.get(word, word)
    plural = len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is", "as"))
    return SPELLING.get(word[:-1], word[:-1]) if plural else word


def phrased(words: Sequence[str | int]) -> list[str | int]:
    """The words with phrases of two (`moving_mean`) and abbreviations (`wte`) spelled as one thing."""
    found: list[str | int] = []
    at = 0
    while at < len(words):
        for length in (2, 1):
            phrase = tuple(words[at : at + length])
            if phrase in _PHRASES:
                found.extend(_PHRASES[phrase])  # type: ignore[index]
                at += length
                break
        else:
            found.append(words[at])
            at += 1
    return found
