"""A real model's LSTM cells: text_predictor of the corpus, two layers under TensorFlow 1.9, with a .meta."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.checkpoint import Checkpoint
from migration.planning.candidates import Candidate
from migration.planning.cells import virtual
from migration.planning.options import Options
from tests.planning.cells.scene import layer, template

pytestmark = pytest.mark.quick


def test_text_predictor(corpus: Path) -> None:
    source = Checkpoint.open(corpus / "gsurma__text_predictor__lstm" / "model.ckpt-2000")
    candidates = [Candidate.stored(key, source.spec(key)) for key in source.names if "Adam" not in key]
    wanted = template(
        {
            "embedding": ("embedding/embeddings", (97, 128)),
            **layer("rnn/layer_with_weights-0/cell", "LSTM", 128, 128),
            **layer("rnn/layer_with_weights-1/cell", "LSTM", 128, 128),
        }
    )
    view = virtual(candidates, wanted, meta=source.meta, options=Options(), read=source.read)
    assert not view.problems
    assert len(view.made) == len(view.fixed) == 6
    scope = "rnnlm/rnn_decoder/multi_rnn_cell"
    for number in range(2):
        for role in ("kernel", "recurrent_kernel", "bias"):
            key = f"rnn/layer_with_weights-{number}/cell/{role}/.ATTRIBUTES/VARIABLE_VALUE"
            assert view.fixed[key] == f"{scope}/cell_{number}/lstm_cell/{role}"
    assert [note.partition(" is part")[0] for note in view.notes] == ["forget_bias 1 (the graph's constant)"]
