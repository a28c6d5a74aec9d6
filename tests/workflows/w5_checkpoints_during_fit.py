"""Workflow 5: checkpoints during `model.fit`: every N steps, the newest K, and the best by a metric.

    python tests/workflows/w5_checkpoints_during_fit.py --workdir=/some/where

Keras 3's own `ModelCheckpoint` writes `.keras` and `.weights.h5` files, and no longer this format.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import small_net

import legacy_ckpt


def fit(directory: Path, epochs: int) -> legacy_ckpt.CheckpointCallback:
    """Train up to `epochs`, from the latest checkpoint in `directory` on; 3 steps an epoch."""
    inputs, classes = small_net.examples()
    callback = legacy_ckpt.CheckpointCallback(
        directory, every_epochs=1, max_to_keep=2, monitor="val_loss", resume=True
    )
    small_net.keras_model().fit(
        inputs[:24], classes[:24], batch_size=8, validation_data=(inputs[24:], classes[24:]), verbose=0,
        epochs=epochs, initial_epoch=callback.initial_epoch, callbacks=[callback],
    )  # fmt: skip
    return callback


def main(workdir: Path) -> legacy_ckpt.CheckpointCallback:
    """Train 4 epochs, stop, train 4 more; returns the last callback."""
    fit(workdir / "fit", epochs=4)
    callback = fit(workdir / "fit", epochs=8)
    for path, metrics in callback.manager.metrics.items():
        print(f"{path}: epoch {metrics['epochs']:.0f}, val_loss {metrics['val_loss']:.4f}")
    print("best:", callback.manager.best_checkpoint)
    return callback


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=Path, required=True)
    main(parser.parse_args().workdir)
