"""Workflow 3: optimizer state and step come along: training resumes where it stopped, without a seam.

python tests/workflows/w3_resume_training.py --workdir=/some/where
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import small_net
import tensorflow as tf

import legacy_ckpt


def graph_losses(directory: Path, steps: int, save_at: int) -> list[float]:
    """The loss of each step in TensorFlow 1; a checkpoint after step `save_at`."""
    inputs, classes = small_net.examples()
    losses = []
    with legacy_ckpt.GraphSession(small_net.build, directory) as run:
        run.initialize()
        for step in range(1, steps + 1):
            losses.append(float(run((run.nodes.train, "loss"), {"inputs": inputs, "classes": classes})[1]))
            if step == save_at:
                run.save()
    return losses


def resumed_losses(directory: Path, steps: int) -> list[float]:
    """The losses of further steps in Keras 3, from the latest checkpoint in `directory`."""
    inputs, classes = small_net.examples()
    model = small_net.keras_model()
    report = legacy_ckpt.restore(tf.train.Checkpoint(model=model), directory).assert_consumed()
    print(report)
    history = model.fit(inputs, classes, batch_size=len(inputs), epochs=steps, shuffle=False, verbose=0)
    return [float(loss) for loss in history.history["loss"]]


def main(workdir: Path) -> tuple[list[float], list[float]]:
    """Both curves: all 40 steps in TensorFlow 1, and the last 20 of them in Keras."""
    whole = graph_losses(workdir / "run", steps=40, save_at=20)
    resumed = resumed_losses(workdir / "run", steps=20)
    worst = np.max(np.abs(np.subtract(whole[20:], resumed)))
    print(
        f"loss {whole[19]:.5f} before the seam, {resumed[0]:.5f} after; curves differ by {worst:.2e} at most"
    )
    return whole, resumed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
