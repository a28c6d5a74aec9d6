"""ckpt-verify --outputs: the old graph, run by TensorFlow, against the new model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.tools.running import Tools

v1 = tf.compat.v1
MODEL = """
from migration import Checkpoint

def right(prefix):
    kernel = Checkpoint.open(prefix).read("dense/kernel/.ATTRIBUTES/VARIABLE_VALUE")
    return lambda x: x @ kernel

def wrong(prefix):
    return lambda x: right(prefix)(x) + 1
"""


@pytest.fixture
def trained(tmp_path: Path) -> str:
    """A TF1 checkpoint with its graph: y = x @ dense/kernel."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 3), name="x")
        kernel = v1.get_variable("dense/kernel", initializer=np.arange(6, dtype=np.float32).reshape(3, 2))
        tf.matmul(x, kernel, name="y")
        session.run(v1.global_variables_initializer())
        return str(v1.train.Saver().save(session, str(tmp_path / "old" / "model.ckpt"), global_step=5))


@pytest.mark.parametrize(("model", "status"), [("right", 0), ("wrong", 3)])
def test_outputs_are_compared_as_well(
    tool: Tools, trained: str, tmp_path: Path, model: str, status: int
) -> None:
    new = tmp_path / "new" / "ckpt-5"
    assert tool("ckpt-migrate", f"--checkpoint={trained}", f"--output={new}").status == 0
    (tmp_path / f"code_of_{model}.py").write_text(MODEL)
    (tmp_path / "outputs.toml").write_text(
        f'model = "code_of_{model}:{model}"\nfetches = "y"\n[feeds]\nx = {{random = [4, 3]}}\n'
    )
    flags = (f"--checkpoint={trained}", f"--migrated={new}", f"--outputs={tmp_path}/outputs.toml")
    ran = tool("ckpt-verify", *flags, "--format=json")
    assert ran.status == status
    assert ran.json["equal"] is True
    assert ran.json["outputs"]["equal"] is (status == 0)
    (row,) = ran.json["outputs"]["rows"]
    assert (row["name"], row["good"]) == ("y", status == 0)
    told = tool("ckpt-verify", *flags)
    assert ("1 of 1 output" in told.err) is (status == 3)


def test_a_file_that_asks_for_nothing(tool: Tools, trained: str, tmp_path: Path) -> None:
    new = tmp_path / "new" / "ckpt-5"
    tool("ckpt-migrate", f"--checkpoint={trained}", f"--output={new}")
    (tmp_path / "outputs.toml").write_text("rtol = 1\n")
    ran = tool(
        "ckpt-verify", f"--checkpoint={trained}", f"--migrated={new}", f"--outputs={tmp_path}/outputs.toml"
    )
    assert (ran.status, ran.out) == (1, "")
    assert "model, feeds, fetches is missing" in ran.err
