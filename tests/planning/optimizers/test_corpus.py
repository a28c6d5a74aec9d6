"""Real checkpoints: every slot is assigned to its variable, with the graph and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from migration.checkpoint import Checkpoint
from migration.formats.meta_graph import MetaGraph
from migration.planning.optimizers import SourceState, recognise

pytestmark = pytest.mark.quick

# name, prefix, has a graph, (kind, slots, variables) of each optimizer, step key
ROWS = [
    ("gsurma__text_predictor__lstm/model.ckpt-2000", True, [("Adam", 14, 7)], None),
    (
        "jiny2001__dcscn-super-resolution__dcscn_ds/dcscn_L7_F32to8_G1.20_Sc4_NIN_A24_B8_PS_DS_R1F32.ckpt",
        True,
        [("Adam", 122, 61)],
        None,
    ),
    ("hongzimao__pensieve__a3c/pretrain_linear_reward.ckpt", True, [("RMSProp", 32, 16)] * 2, None),
    ("google-deepmind__deepmind-research__glassy/t044_s09.ckpt", True, [("Adam", 44, 22)], None),
    (
        "GoogleCloudPlatform__cloudml-samples__housing/model.ckpt-1000",
        True,
        [("Adam", 38, 19)],
        "global_step",
    ),
    ("tensorflow__tensor2tensor__transformer/model.ckpt-1", False, [("Adam", 162, 81)], "global_step"),
    ("shekkizh__TensorflowProjects__deblur/model.ckpt-99999", True, [("Adam", 12, 6)], "Variable"),
    ("shekkizh__TensorflowProjects__artist3/model.ckpt-99000", True, [("Adam", 28, 14)], None),
    ("shekkizh__TensorflowProjects__mnist4/model.ckpt-20000", True, [("Adam", 24, 12)], None),
    (
        "tensorflow__tfx__taxi_ckpt/model.ckpt-1000",
        True,
        [("Adagrad", 10, 10), ("Ftrl", 20, 10)],
        "global_step",
    ),
    ("tobby2002__vec4ir__ranking_dnn/model.checkpoint", True, [("Adam", 16, 8)], "ranking/Variable"),
    ("siemanko__tensorflow-deepq__karpathy/karpathy_game.ckpt", False, [("RMSProp", 12, 6)], None),
    ("theIArchitecture__tensorflow__trt_mnist/model.ckpt-46900", False, [("Adam", 16, 8)], "global_step"),
]
IDS = [row[0].split("__")[-1].split("/")[0] for row in ROWS]
Row = tuple[str, bool, list[tuple[str, int, int]], str | None]


def recognised(checkpoint: Checkpoint, meta: MetaGraph | None) -> SourceState:
    return recognise(checkpoint.specs, meta, checkpoint.read)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_slot_has_its_variable(row: Row, corpus: Path) -> None:
    prefix, has_graph, expected, step = row
    checkpoint = Checkpoint.open(corpus / prefix)
    assert (checkpoint.meta is not None) == has_graph
    state = recognised(checkpoint, checkpoint.meta)
    assert not state.undecided
    assert state.step == step
    found = [(one.kind, len(one.slots), len(one.variables)) for one in state.optimizers if one.slots]
    assert found == expected
    for optimizer in state.optimizers:
        for (variable, _), slot in optimizer.slots.items():
            assert variable in slot
            assert checkpoint.specs[variable] == checkpoint.specs[slot]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row[1]], ids=[i for i, row in zip(IDS, ROWS, strict=True) if row[1]]
)
def test_names_alone_tell_what_the_graph_tells(row: Row, corpus: Path) -> None:
    checkpoint = Checkpoint.open(corpus / row[0])
    by_graph, by_names = recognised(checkpoint, checkpoint.meta), recognised(checkpoint, None)
    assert not by_names.undecided
    told = {place: key for one in by_graph.optimizers for place, key in one.slots.items()}
    assert {place: key for one in by_names.optimizers for place, key in one.slots.items()} == told
    assert by_names.step == by_graph.step


def test_numbers_that_the_graph_tells(corpus: Path) -> None:
    checkpoint = Checkpoint.open(corpus / "tobby2002__vec4ir__ranking_dnn/model.checkpoint")
    (optimizer,) = recognised(checkpoint, checkpoint.meta).optimizers
    assert optimizer.numbers["beta1"].value == pytest.approx(0.975)
    assert optimizer.numbers["learning_rate"].value is None  # a schedule
    checkpoint = Checkpoint.open(corpus / "gsurma__text_predictor__lstm/model.ckpt-2000")
    (optimizer,) = recognised(checkpoint, checkpoint.meta).optimizers
    assert optimizer.numbers["learning_rate"].key == "Variable"


def test_a_beta_that_only_the_power_tells(corpus: Path) -> None:
    checkpoint = Checkpoint.open(corpus / "tensorflow__tensor2tensor__transformer/model.ckpt-1")
    (optimizer,) = recognised(checkpoint, None).optimizers
    assert optimizer.numbers["beta2"].value == pytest.approx(0.98)
